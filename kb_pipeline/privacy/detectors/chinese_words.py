"""Which words a Chinese text is made of, and how likely some of its characters are a name and no words.

jieba's dictionary, in its Rust edition, cuts a text into words. A name is told from words by odds: how often its
surname and the characters behind it are in names, against how often its characters and words are in any text. All
numbers were counted in that dictionary (`privacy/data`), so nothing has to be judged character by character.

Terms
  odds   the logarithm of: probability of the characters as a name, divided by that as anything else. Of two
         readings the likelier one has the odds on its side, 0 is even.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from math import log

from kb_pipeline.privacy import data

MOST_GIVEN = 2  # characters of a given name
_UNSEEN = 0.3  # what a character that was never counted counts as
_UNSEEN_IN_TEXT = 50
_NO_GIVEN = frozenset("总某氏姓")  # behind a surname they say that it is one
# How many of all names have one character behind the surname.
_ONE_GIVEN, _TWO_GIVEN = log(0.25), log(0.75)


@dataclass(frozen=True, slots=True)
class _Statistics:
    """Logarithms of frequencies: of surnames among names, of characters in given names (by place) and in text."""

    surnames: dict[str, float]
    first: dict[str, float]
    second: dict[str, float]
    lone: dict[str, float]
    in_text: dict[str, float]
    unseen: float
    unseen_in_text: float


@cache
def _statistics() -> _Statistics:
    surnames = {word: int(count) for word, count in map(str.split, data.lines("chinese_surnames"))}
    rows = list(map(str.split, data.lines("chinese_characters")))
    characters = [row[0] for row in rows]
    text, first, second, lone = ([int(row[column]) for row in rows] for column in range(1, 5))
    names = sum(surnames.values())
    # Few names of two characters were counted: the last ones of longer names are of the same kind.
    share = sum(lone) / sum(second)
    alone = [count + share * last for count, last in zip(lone, second, strict=True)]

    def logarithms(counts: Sequence[float], unseen: float) -> dict[str, float]:
        total = sum(counts)
        return {c: log((count + unseen) / total) for c, count in zip(characters, counts, strict=True)}

    return _Statistics(
        surnames={word: log(count / names) for word, count in surnames.items()},
        first=logarithms(first, _UNSEEN),
        second=logarithms(second, _UNSEEN),
        lone=logarithms(alone, _UNSEEN),
        in_text=logarithms(text, _UNSEEN_IN_TEXT),
        unseen=log(_UNSEEN / sum(first)),
        unseen_in_text=log(_UNSEEN_IN_TEXT / sum(text)),
    )


@cache
def no_names() -> frozenset[str]:
    """What the dictionary takes for names of people and is none."""
    return frozenset(data.lines("chinese_no_names"))


def surname_of(word: str) -> str | None:
    """The surname of one or two characters that `word` begins with."""
    surnames = _statistics().surnames
    if word[:2] in surnames:
        return word[:2]
    return word[0] if word[0] in surnames else None


@lru_cache(maxsize=2)
def words(text: str) -> list[str]:
    """The words of `text`, joined they are `text` again."""
    import rjieba

    return rjieba.cut(text, False)


@lru_cache(maxsize=1 << 14)
def is_word(word: str) -> bool:
    """Whether the dictionary has `word`, and not as a name of people."""
    import rjieba

    return rjieba.has_word(word) and (not rjieba.tag(word, False)[0][1].startswith("nr") or word in no_names())


@lru_cache(maxsize=1 << 15)
def odds(name: str) -> float:
    """The odds that `name`, a surname and one or two characters more, is a name; -inf when it cannot be one."""
    known = _statistics()
    surname = surname_of(name)
    if surname is None or name in no_names():
        return float("-inf")
    given = name[len(surname) :]
    if not given or given in _NO_GIVEN:
        return float("-inf")
    if len(given) == 1:
        as_name = known.lone.get(given, known.unseen) + _ONE_GIVEN
    else:
        first, second = (known.first.get(given[0], known.unseen), known.second.get(given[1], known.unseen))
        as_name = first + second + _TWO_GIVEN
    return known.surnames[surname] + as_name - _as_words(name)


def surname_odds(word: str) -> float:
    """The odds that `word` is a surname wherever it is, whatever comes behind it; -inf for what is none."""
    known = _statistics()
    if word not in known.surnames:
        return float("-inf")
    return known.surnames[word] - sum(known.in_text.get(character, known.unseen_in_text) for character in word)


def _as_words(text: str) -> float:
    """The logarithm of the probability of the likeliest way to read `text` as words and characters."""
    known = _statistics()
    best = [0.0]
    for end, character in enumerate(text, start=1):
        likeliest = best[-1] + known.in_text.get(character, known.unseen_in_text)
        if end > 1 and is_word(pair := text[end - 2 : end]):
            likeliest = max(likeliest, best[end - 2] + _word_frequency(pair))
        best.append(likeliest)
    return best[-1]


@lru_cache(maxsize=1 << 14)
def _word_frequency(word: str) -> float:
    """The logarithm of the frequency of a word of the dictionary."""
    import rjieba

    return log(rjieba.suggest_freq(word) / _DICTIONARY_TOTAL)


_DICTIONARY_TOTAL = 60_101_964  # all frequencies of jieba's dictionary


def possible_names(text: str) -> Iterator[tuple[int, int, float]]:
    """(start, end, odds) of the likeliest name at each place where a word begins with a surname, and ends where a
    word ends."""
    found = words(text)
    start = 0
    for place, word in enumerate(found):
        if "\u3400" <= word[0] <= "\u9fff" and len(word) <= MOST_GIVEN + 2 and (surname := surname_of(word)):
            best = _likeliest(found, place, len(surname))
            if best is not None:
                yield start, start + best[0], best[1]
        start += len(word)


def _likeliest(found: list[str], place: int, surname: int) -> tuple[int, float] | None:
    """(length, odds) of the likeliest name that begins with the word at `place`."""
    name, best = "", None
    for word in found[place : place + MOST_GIVEN + 1]:
        name += word
        if len(name) > surname + MOST_GIVEN or not "\u3400" <= word[0] <= "\u9fff":
            break
        if len(name) > surname:
            score = odds(name)
            if len(name) == len(found[place]) == 2:
                score -= WORD_PENALTY
            if best is None or score > best[1]:
                best = len(name), score
    return best


def names_of_any_length(text: str) -> Iterator[str]:
    """Whatever may be a name in `text` where a word begins with a surname, however it goes on."""
    start = 0
    for word in words(text):
        if surname := surname_of(word):
            for end in range(start + len(surname) + 1, start + len(surname) + MOST_GIVEN + 1):
                name = text[start:end]
                if len(name) == end - start and all("\u3400" <= character <= "\u9fff" for character in name):
                    yield name
        start += len(word)


# People have a 的 behind what describes them, birds have none: 粉红燕鸥.
ADJECTIVE_PENALTY = 2.0


def described_places(text: str) -> frozenset[int]:
    """Where a word ends that describes what comes next."""
    found = words(text)
    ends = accumulate(map(len, found))
    return frozenset(end for word, end in zip(found, ends, strict=True) if _describes(word))


@lru_cache(maxsize=1 << 14)
def _describes(word: str) -> bool:
    """Whether `word` is an adjective of two characters and more."""
    import rjieba

    return len(word) > 1 and "\u3400" <= word[0] <= "\u9fff" and rjieba.tag(word, False)[0][1][0] in "abz"


# Two characters that the dictionary has together are a word more often than their characters say, even where it
# takes them for a name: 祝贺, 智慧.
WORD_PENALTY = 3.0
