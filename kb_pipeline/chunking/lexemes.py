"""Lexemes: the words under which PostgreSQL's full-text index knows a text.

PostgreSQL's own parser makes one word of a whole Chinese clause, so texts are cut here, and the index uses
the `simple` configuration, which changes nothing any more. A text and a query about it must be cut by the
same version of this module: store `TOKENIZER_VERSION` with what it made.

Rules
  Chinese, Japanese, Korean   every character, and every pair of neighbours; Chinese as simplified characters
  words                       NFKC, lower case, without possessive endings; beside each its English stem
  codes (GB/T, ISO-9001, V2.3.1, cn_x7)   whole, and their parts of two and more characters
  single letters (R&D, R & D, A-B, x-ray)   the same: their parts alone would not say it
  numbers                     whole, without thousands separators
  amounts (5万元, 2023年, A股)  a number or single letter and the Chinese character after it are a pair as well
  pseudonyms (<CN_MOBILE_…>)  one lexeme, without the brackets

Terms
  place     where an occurrence stands, from 1. What is made of the same piece of text stands at the same place, so
            a phrase is a sequence of lexemes at their distances.
  role      of an occurrence: a *word* as the text says it; one that has its stem *beside* it at the same place, by
            which it is found; or such a *stem*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, repeat
from operator import add
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kb_pipeline.privacy.pseudonyms import PSEUDONYM_DIGITS

if TYPE_CHECKING:
    import Stemmer

TOKENIZER_VERSION = 3
LONGEST_LEXEME = 2_046  # bytes of UTF-8: PostgreSQL's limit. What is longer is no word, and is not indexed

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff々〇"
_LETTER = f"[^\\W_{_CJK}]"  # letters and digits of every other script
_TOKEN = re.compile(
    rf"(?P<cjk>[{_CJK}]+)"
    rf"|<?(?P<pseudonym>[a-z]++(?:_[a-z]+)*_[0-9a-f]{{{PSEUDONYM_DIGITS}}}(?![0-9a-z_]))>?"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![A-Za-z0-9]))"
    rf"|(?P<word>{_LETTER}+(?:(?:[-./_'’+#]| ?& ?){_LETTER}+)*(?:\+\+|\#)?)"
)
_PART = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")
_AMOUNT = re.compile(r"\d+(?:\.\d+)?|[a-z]")
_HAN = re.compile("[\u3400-\u9fff]")
_POSSESSIVE = re.compile(r"['’]s?$")

_STOP_WORD_LIST = (
    "a about above after all also an and any are as at be been being but by can could did do does doing for from had "
    "has have having he her his how i if in into is it its may me might more most must my no not of on or our should "
    "so some such than that the their them then there these they this those to up us was we were what when where "
    "which while who whom whose why will with would you your 的 了 是 在 和 与 及 或 吗 呢 吧 什么 哪些 哪个 多少 怎么 "
    "如何 为何 请问 有 被 把 对 由 于 其 之 这 那 个 哪 些 么"
)
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


Role = Literal["word", "beside", "stem"]


# An occurrence as a plain tuple: (lexeme, place, role). Texts have hundreds, and the garbage collector lets go only of
# tuples that are of no class of their own.
PlainOccurrence = tuple[str, int, Role]


class Occurrence(NamedTuple):
    """A lexeme at a place of a text."""

    lexeme: str
    place: int
    role: Role = "word"


def occurrences(text: str) -> list[Occurrence]:
    """What `text` says, in order."""
    return list(map(Occurrence._make, plain_occurrences(text)))


def plain_occurrences(text: str) -> list[PlainOccurrence]:
    """The same, for texts that are stored."""
    said: list[PlainOccurrence] = []
    for piece in _pieces(_folded(text)):
        said += piece.said
    return said


def tokens(text: str) -> list[str]:
    """The lexemes of `text` in order, repeated as often as they occur."""
    return [lexeme for lexeme, _, _ in plain_occurrences(text)]


def located(text: str) -> Iterator[tuple[str, int, int]]:
    """What `tokens` finds, each with where it stands in `text`, [start, end): (lexeme, start, end).

    Of a code, the whole and its parts stand where the code does.
    """
    folded = _folded(text)
    starts, ends = _origins(text, folded)
    for said, start, end, by_character in _pieces(folded):
        for lexeme, place, _ in said:
            at, upto = start, end
            if by_character:
                at += place - said[0][1]
                upto = at + len(lexeme)
            yield lexeme, starts[at], ends[upto - 1]


class _Piece(NamedTuple):
    """What stands at [start, end) of a folded text; of a piece that is read `by_character`, each character has the
    place behind that of the one before."""

    said: list[PlainOccurrence]
    start: int
    end: int
    by_character: bool = False


def _pieces(folded: str) -> Iterator[_Piece]:
    place = 0
    amount, amount_starts, amount_ends = "", 0, -1
    for match in _TOKEN.finditer(folded):
        cjk, pseudonym, number, word = match.groups()
        start, end = match.span()
        if cjk:
            if start == amount_ends:
                yield _Piece([(amount + cjk[0], place, "word")], amount_starts, start + 1)
            yield _Piece(_characters_and_pairs(cjk, place + 1), start, end, by_character=True)
            place += len(cjk)
        elif word:
            place += 1
            lexemes = _word_lexemes(word)
            yield _Piece([(lexeme, place + at, role) for lexeme, at, role in lexemes], start, end)
            place += lexemes[-1][1] if lexemes else 0
            amount, amount_starts, amount_ends = word, start, end if _AMOUNT.fullmatch(word) else -1
        else:
            place += 1
            amount, amount_starts, amount_ends = (number.replace(",", ""), start, end) if number else ("", 0, -1)
            yield _Piece([(amount or pseudonym, place, "word")], start, end)


def _characters_and_pairs(cjk: str, place: int) -> list[PlainOccurrence]:
    """Every character from `place` on, each followed by the pair that begins with it."""
    said: list[Any] = [None] * (2 * len(cjk) - 1)
    said[::2] = zip(cjk, count(place), repeat("word"))
    said[1::2] = zip(map(add, cjk, cjk[1:]), count(place), repeat("word"))
    return said


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _folded(text: str) -> str:
    """NFKC, lower case, simplified characters."""
    normal = _nfkc(text).lower()
    return normal.translate(_simplified()) if _HAN.search(normal) else normal


def _origins(text: str, folded: str) -> tuple[Sequence[int], Sequence[int]]:
    """Place of a character in `folded` -> start and end of what it comes from in `text`."""
    if text.isascii():
        return range(len(text)), range(1, len(text) + 1)
    clusters: Sequence[str] = text
    if "".join(map(_folded_cluster, text)) != folded:  # some characters become one with their neighbours
        clusters = list(_clusters(text))
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for cluster in clusters:
        width = len(_folded_cluster(cluster))
        starts += [at] * width
        at += len(cluster)
        ends += [at] * width
    return starts, ends


@lru_cache(maxsize=1 << 15)
def _folded_cluster(cluster: str) -> str:
    return _folded(cluster)


def _clusters(text: str) -> Iterator[str]:
    """The pieces of `text` that NFKC changes each by itself."""
    cluster = ""
    for character in text:
        joined, apart = _nfkc(cluster + character), _nfkc(cluster) + _nfkc(character)
        if cluster and joined == apart and not unicodedata.combining(character):
            yield cluster
            cluster = ""
        cluster += character
    yield cluster


@lru_cache(maxsize=1 << 15)  # the words of a text recur
def _word_lexemes(word: str) -> tuple[tuple[str, int, Role], ...]:
    """A word and its stem; of one with a digit or a sign in it, the whole if it may be a code, and its parts.

    Each with how many places it stands behind the first, and its role.
    """
    if word.isalpha():
        return _with_stem(word, 0)
    word = _POSSESSIVE.sub("", word).replace(" ", "")
    parts = _PART.findall(word)
    if len(parts) == 1 and parts[0] == word:
        return _with_stem(word, 0)
    is_code = any(c in word for c in "/_+#.") or any(c.isdigit() for c in word) or any(len(part) == 1 for part in parts)
    lexemes: list[tuple[str, int, Role]] = [(word, 0, "word")] if is_code or len(parts) <= 1 else []
    if len(parts) > 1:
        for offset, part in enumerate(parts):
            lexemes += _with_stem(part, offset) if len(part) > 1 else ()
    return tuple(lexemes)


def _with_stem(word: str, offset: int) -> tuple[tuple[str, int, Role], ...]:
    stem = _english().stemWord(word) if word.isascii() and word.isalpha() else word
    return ((word, offset, "word"),) if stem == word else ((word, offset, "beside"), (stem, offset, "stem"))


@lru_cache(maxsize=1)
def _english() -> Stemmer.Stemmer:
    import Stemmer

    return Stemmer.Stemmer("english")  # Porter's second; it has a cache of its own, but needs no other


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    """Traditional character -> simplified. One by one: what a character becomes must not depend on its neighbours,
    which a query may lack."""
    from opencc import OpenCC

    characters = [chr(code) for code in range(0x3400, 0xA000)]
    simplified = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, simplified, strict=True) if old != new}


class Term(NamedTuple):
    """A lexeme that a query is about, and what it counts beside the others; `asked`: the question itself says it."""

    lexeme: str
    weight: float = 1.0
    asked: bool = True


BESIDE_WEIGHT = 0.1  # of a word whose stem is looked up as well


def query_terms(text: str) -> list[Term]:
    """The distinct lexemes of a query in order, without words that nearly every text has, and those that none can have.

    A query of nothing but common words keeps them.
    """
    found = [occurrence for occurrence in occurrences(text) if len(occurrence.lexeme.encode()) <= LONGEST_LEXEME]
    said = [occurrence for occurrence in found if occurrence.lexeme not in _STOP_WORDS] or found
    weights: dict[str, float] = {}
    for lexeme, _, role in said:
        weight = BESIDE_WEIGHT if role == "beside" else 1.0
        weights[lexeme] = max(weight, weights.get(lexeme, 0.0))
    return [Term(lexeme, weight) for lexeme, weight in weights.items()]
