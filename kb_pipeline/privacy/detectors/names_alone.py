"""Names in Latin letters with nothing beside them; no model.

A common given name and a capitalised word are a name, unless that word or the next says that they are a place, a firm
or a thing (Robert Bosch Foundation). A given name that is a word itself (May, Grant) needs a common surname behind
it. A common surname makes a name of the capitalised word before it; Chinese names in pinyin are known by both parts. A
given name alone needs a verb or a greeting that only people have, and so do two words of no list.

Terms
  run   capitalised words with single blanks and particles (van, de la) between them.
  kind  what a word can be in a name, as a letter; a run is judged by the kinds of its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from kb_pipeline.privacy.detection import Span
from kb_pipeline.privacy.detectors.western_names import (
    BEFORE_PLACES,
    CAPITAL,
    GIVEN_NAMES,
    NOT_ALONE,
    NOT_PEOPLE,
    NOT_PINYIN,
    OTHER_WORDS,
    PINYIN_SURNAMES,
    SMALL,
    SURNAME_ENDINGS,
    SURNAMES,
    SYLLABLES,
    THINGS,
    WORD_ENDINGS,
    WORD_GIVEN_NAMES,
    WORD_SURNAMES,
    plain,
)

_LETTER = f"{CAPITAL}{SMALL}"
# Behind the capital: the rest of a word, without an 's, or of initials.
_REST = rf"(?:(?:\.[{CAPITAL}]){{0,2}}\.|[{_LETTER}]*+(?:(?:['’](?!s(?![{_LETTER}]))|-)[{_LETTER}]++)*+)"
_PARTICLE = "van|von|vom|de|der|den|dem|del|della|di|da|dos|das|du|la|le|ten|ter|bin|bint|ibn|al|el|af|av|zu|zur"
_MOST_WORDS = 24  # in capitals in a row; more are no sentence, and time is to be in proportion to the text
_RUN = re.compile(
    rf"[{CAPITAL}](?<![{_LETTER}0-9_@.'’\-/&][{CAPITAL}]){_REST}"
    rf"(?: (?:(?:{_PARTICLE}) ){{0,2}}[{CAPITAL}]{_REST}){{1,{_MOST_WORDS}}}+"
)
_PARTICLES = frozenset(_PARTICLE.split("|"))

# Kinds, by what a word is as a given name and as a surname.
_KINDS = {
    ("sure", "sure"): "a",  # Thomas, Scott
    ("sure", "word"): "b",  # Henry, Martin
    ("sure", ""): "c",  # Jennifer
    ("word", "sure"): "d",
    ("word", "word"): "e",  # Grant, Jordan
    ("word", ""): "f",  # Hope
    ("", "sure"): "s",  # Johnson
    ("", "word"): "m",  # Woods
}
_OPEN, _ENDING = "o", "n"  # in no list; the same with an ending that surnames have
_INITIAL, _SINGLE, _ARTICLE = "ijk"  # J.; J; A, which may be a word
_JOINS, _FROM = "pv"  # de, von
_THING, _NAMED_THING = "tq"  # Hospital; Park, which is a surname, too
_MONTH, _BEFORE, _NO = "wlx"  # April; Lake; and, yesterday, information
_SURE_GIVEN, _ANY_GIVEN = "abc", "abcdefw"
_SURNAME = "[abcdefsmnoq]"
_NAME = re.compile(
    r"l[^x]*+"
    r"|(?P<name>"
    rf"[abc](?:[abc](?=[ijkpv]*+{_SURNAME})|[ijk])*+[pv]*+(?:[adsmnq][adsn]?+|[bcefo][abcdesmno]?+)"
    r"|[defw][ij]*+[pv]*+[adsn]"
    r"|[def]v[pv]*+o"
    rf"|[no](?:[ij]*+[pv]*+(?:s|a(?!{_SURNAME}))|j[no]|v[pv]*+[no])|[nos]n|[nosm]i++[nosm]"
    r"|i++[as])"
    r"(?P<thing>o?[tql])?"
)
_FIRM_BEHIND = re.compile(
    r",? (?:Inc|Incorporated|Ltd|Limited|LLC|LLP|PLC|plc|Corp|Corporation|GmbH|AG|Co|Company)(?![A-Za-z])"
    r"|['’]s (?:law|theorem|disease|syndrome)(?![A-Za-z])"
    r"| (?:&|and) (?:Co|Sons?|Brothers|Partners|Associates|Company)(?![A-Za-z])"
    r"| (?:test|tests|theorem|method|methods|effect|equation|law|estimator|distribution|algorithm|model|transform"
    r"|process|street|road|hospital|school|foundation|award|prize|cup)(?![A-Za-z])"
)
_PLACE_BEFORE = re.compile(r"(?:[Tt]he|S[Tt]\.|Ste\.|Mt\.|Ft\.|&|University of|Lake of) \Z")
_PLACE_BEFORE_WINDOW = 14
_CHINESE_GIVEN = re.compile(rf"(?:{SYLLABLES})(?:['’\-]?(?:{SYLLABLES}))?", re.IGNORECASE)
_LIKELY = 0.55
# A given name without a surname, where only a person can stand.
_WORD_ALONE = re.compile(
    rf"[{CAPITAL}](?<![{_LETTER}0-9_@'’\-/&][{CAPITAL}])[{SMALL}]++(?:-[{CAPITAL}][{SMALL}]++)?+(?![{CAPITAL}])"
)
_BEHIND_GIVEN = re.compile(
    r"(?P<doing> (?:is|was|has|had|will|would|can|could|does|did|said|says|told|asked|asks|wrote|writes|replied"
    r"|thinks|thought|knows|knew|wants|wanted|lives|lived|emailed|phoned|called|agreed|smiled|laughed|nodded|promised"
    r"|apologi[sz]ed|works|worked|went|came|sent|suggested|mentioned|explained|forgot|stayed|spent|left|gave|got)"
    rf"(?![{_LETTER}])|['’]s [a-z])"
    r"|(?P<begins>, (?:can|could|would|will|please|I|you|do|did|are|have|what|when|where|how|why|if|we)(?![A-Za-z]))"
    r"|(?P<called>[!?])|(?P<listed>,| and )|(?P<speaking> ?: )|[,.;:)]| [a-z]|[ \t]*(?:\n|\Z)"
)
_BEFORE_GIVEN = re.compile(
    r"(?<![A-Za-z])(?P<joins>to|with|from|by|for|and|or|that|but|when|because|if|is|was|does|did|said|says|ask|asks|asked"
    r"|tell|told|emailed|phoned|thanked|reminded|invited|met|give|gave|given|let|saw|know|knew) \Z"
    rf"|(?P<other>(?:[{CAPITAL}][{_LETTER}'’.\-]*|(?<![A-Za-z])(?:the|of|at|in|near)) \Z)"
    r"|(?P<calls>, \Z)|(?P<line>(?:\A|\n)\Z)|(?P<sentence>[.!?:\"“] ?\Z)"
)
_BEFORE_GIVEN_WINDOW = 24
# Two words of no list beside what only people do or are.
_PAIR = re.compile("[defonms][onms]")
_BEHIND_PERSON = re.compile(
    r" (?:lives|lived|complained|smiled|laughed|nodded|phoned|emailed|apologi[sz]ed|thinks|thought|died|resigned"
    r"|retired|replied|whispered|told (?:me|us|her|him)"
    r"|and (?:his|her) (?:wife|husband|sons?|daughters?|children))(?![A-Za-z])"
    r"|, (?:\d\d,|who |aged )"
)
_BEFORE_PERSON = re.compile(
    r"(?<![A-Za-z])(?:brother|sister|wife|husband|daughter|son|mother|father|grandmother|grandfather|aunt|uncle|nephew"
    r"|niece|cousin|neighbou?r|colleague|friend|spokes(?:man|woman|person)|nurse|teacher|widow|girlfriend|boyfriend|fianc[ée]e?"
    r"|(?:mother|father|grandmother|grandfather|man|woman|boy|girl) (?:was )?(?:called|named)),? \Z"
)
_BEFORE_PERSON_WINDOW = 28
_GREETING = re.compile(
    r"(?<![A-Za-z])(?:[Tt]hanks|[Tt]hank you|[Mm]orning|[Aa]fternoon|[Ee]vening|Hi|Hello|Hey|Dear|Cheers|[Ss]orry),? \Z"
)
_BEHIND_GREETED = re.compile(r"\s?[,.!?–-]|[ \t]*(?:\n|\Z)")


def find_names_alone(text: str) -> Iterator[Span]:
    """Jennifer Kowalska, Hope Johnson, Thomas M. van der Berg, WANG Fang, Xiaoming Li; and Jennifer, who said so."""
    for run in _RUN.finditer(text):
        words = run[0].split(" ")
        if _PLACE_BEFORE.search(text, max(0, run.start() - _PLACE_BEFORE_WINDOW), run.start()):
            continue
        kinds = "".join(map(_kind, words))
        for first, last in (*_names(kinds), *_chinese_names(words)):
            start = run.start() + sum(len(word) + 1 for word in words[:first])
            end = start + len(" ".join(words[first:last]))
            bears_a_name = _FIRM_BEHIND.match(text, end) is not None
            if not bears_a_name and NOT_PEOPLE.isdisjoint(map(" ".join, pairwise(words[first:last]))):
                yield Span(start, end, _LIKELY)
        if _PAIR.fullmatch(kinds) and _does_what_people_do(text, run):
            yield Span(*run.span(), _LIKELY)
    yield from _given_names_alone(text)


def _does_what_people_do(text: str, run: re.Match[str]) -> bool:
    """Ekapad Koshy lives; her brother Ekapad Koshy."""
    before = max(0, run.start() - _BEFORE_PERSON_WINDOW)
    behind = _BEHIND_PERSON.match(text, run.end())
    return behind is not None or _BEFORE_PERSON.search(text, before, run.start()) is not None


def _given_names_alone(text: str) -> Iterator[Span]:
    """Jennifer said; Jennifer's bag; asked Jennifer to; Thanks Jennifer,."""
    for word in _WORD_ALONE.finditer(text):
        kind = _kind(word[0])
        if (kind in _SURE_GIVEN and word[0] not in NOT_ALONE and _stands_for_a_person(text, word)) or (
            kind in _ANY_GIVEN and _is_greeted(text, word)
        ):
            yield Span(*word.span(), _LIKELY)


def _is_greeted(text: str, given_name: re.Match[str]) -> bool:
    """Thanks Jennifer,."""
    start, end = given_name.span()
    before = max(0, start - _BEFORE_GIVEN_WINDOW)
    return _BEHIND_GREETED.match(text, end) is not None and _GREETING.search(text, before, start) is not None


def _stands_for_a_person(text: str, given_name: re.Match[str]) -> bool:
    """Whether what stands beside a given name goes with people."""
    start, end = given_name.span()
    behind = _BEHIND_GIVEN.match(text, end)
    if behind is None:
        return False
    before = _BEFORE_GIVEN.search(text, max(0, start - _BEFORE_GIVEN_WINDOW), start)
    place = before.lastgroup if before else None
    return (
        place == "joins"
        or (behind.lastgroup == "doing" and place != "other")
        or (behind.lastgroup in ("called", "listed") and place == "calls")
        or (behind.lastgroup == "begins" and place in ("line", "sentence"))
        or (behind.lastgroup == "speaking" and place == "line")
    )


def _names(kinds: str) -> Iterator[tuple[int, int]]:
    """Where names begin and end among words of these kinds."""
    for match in _NAME.finditer(kinds):
        if match["name"] is not None and match["thing"] is None:
            yield match.span("name")


def _chinese_names(words: list[str]) -> Iterator[tuple[int, int]]:
    """Zhang Wei, Li Xiaoming, WANG Fang, Xiaoming Li."""
    for place, (left, right) in enumerate(pairwise(words)):
        if f"{left} {right}" not in NOT_PINYIN and (
            (left[0].isupper() and left.capitalize() in PINYIN_SURNAMES and _is_chinese_given(right))
            or (right.capitalize() in PINYIN_SURNAMES and _is_chinese_given(left))
        ):
            yield place, place + 2


def _is_chinese_given(word: str) -> bool:
    return _CHINESE_GIVEN.fullmatch(word) is not None and word not in OTHER_WORDS and word not in THINGS


@lru_cache(maxsize=1 << 14)
def _kind(word: str) -> str:
    """What `word` of a run can be in a name."""
    if word in _PARTICLES:
        return _FROM if word.startswith("v") else _JOINS
    if word.endswith("."):
        return _INITIAL
    if len(word) == 1:
        return {"A": _ARTICLE, "I": _NO}.get(word, _SINGLE)
    if not all(part[:1].isupper() for part in word.split("-")):
        return _NO
    parts = [plain(part) for part in word.split("-")]
    capitals = word.isupper()
    given = _given(parts[0], capitals) if all(part in GIVEN_NAMES for part in parts) else ""
    surname = next((found for part in parts if (found := _surname(part, capitals))), "")
    key = parts[0] if len(parts) == 1 else ""
    if key in BEFORE_PLACES:
        return _BEFORE
    if key in OTHER_WORDS:
        return _MONTH if given else _NO
    if given or (surname and key not in THINGS):
        return _KINDS[given, surname]
    if key in THINGS:
        return _NAMED_THING if surname else _THING
    if capitals or parts[-1].endswith(WORD_ENDINGS):
        return _NO
    return _ENDING if parts[-1].endswith(SURNAME_ENDINGS) else _OPEN


def _given(word: str, capitals: bool) -> str:
    if word not in GIVEN_NAMES:
        return ""
    return "sure" if word not in WORD_GIVEN_NAMES else "" if capitals else "word"


def _surname(word: str, capitals: bool) -> str:
    if word not in SURNAMES:
        return ""
    return "sure" if word not in WORD_SURNAMES else "" if capitals else "word"
