"""Lexemes: the words under which PostgreSQL's full-text index knows a text.

PostgreSQL's own parser makes one word of a whole Chinese clause, so texts are cut here, and the index uses
the `simple` configuration, which changes nothing any more. A text and a query about it must be cut by the
same version of this module: store `TOKENIZER_VERSION` with what it made.

Rules
  Chinese, Japanese, Korean   every character, and every pair of neighbours
  words                       NFKC, lower case, English plural and possessive endings removed
  codes (GB/T, ISO-9001, V2.3.1, cn_x7)   whole, and their parts of two and more characters
  single letters (R&D, R & D, A-B, x-ray)   the same: their parts alone would not say it
  numbers                     whole, without thousands separators
  pseudonyms (<CN_MOBILE_…>)  one lexeme, without the brackets
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from kb_pipeline.privacy.pseudonyms import PSEUDONYM_DIGITS

TOKENIZER_VERSION = 2
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
_POSSESSIVE = re.compile(r"['’]s?$")

_STOP_WORD_LIST = (
    "a about above after all also an and any are as at be been being but by can could did do does doing for from had "
    "has have having he her his how i if in into is it its may me might more most must my no not of on or our should "
    "so some such than that the their them then there these they this those to up us was we were what when where "
    "which while who whom whose why will with would you your 的 了 是 在 和 与 及 或 吗 呢 吧 什么 哪些 哪个 多少 怎么 "
    "如何 为何 请问 有 被 把 对 由 于 其 之 这 那 个 哪 些 么"
)
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


def tokens(text: str) -> list[str]:
    """The lexemes of `text` in order, repeated as often as they occur."""
    found: list[str] = []
    for cjk, pseudonym, number, word in _TOKEN.findall(_folded(text)):
        if word:
            found += _word_lexemes(word)
        elif cjk:
            found += cjk
            found += map(str.__add__, cjk, cjk[1:])
        else:
            found.append(number.replace(",", "") or pseudonym)
    return found


def located(text: str) -> Iterator[tuple[str, int, int]]:
    """What `tokens` finds, each with where it stands in `text`, [start, end): (lexeme, start, end).

    Of a code, the whole and its parts stand where the code does.
    """
    folded = _folded(text)
    starts, ends = _origins(text, folded)
    for match in _TOKEN.finditer(folded):
        start, end = match.span()
        if match["cjk"]:
            for length in (1, 2):
                for at in range(start, end - length + 1):
                    yield folded[at : at + length], starts[at], ends[at + length - 1]
        elif match["word"]:
            for lexeme in _word_lexemes(match["word"]):
                yield lexeme, starts[start], ends[end - 1]
        else:
            yield (match["number"] or "").replace(",", "") or match["pseudonym"], starts[start], ends[end - 1]


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _folded(text: str) -> str:
    return _nfkc(text).lower()


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
def _word_lexemes(word: str) -> tuple[str, ...]:
    """The stem of a word; of one with a digit or a sign in it, the whole if it may be a code, and its parts."""
    if word.isalpha():
        return (_stem(word),)
    word = _POSSESSIVE.sub("", word).replace(" ", "")
    parts = _PART.findall(word)
    is_code = any(c in word for c in "/_+#.") or any(c.isdigit() for c in word) or any(len(part) == 1 for part in parts)
    whole = (word,) if is_code or len(parts) == 1 else ()
    return (*whole, *(_stem(part) for part in parts if len(part) > 1)) if len(parts) > 1 else whole


def _stem(word: str) -> str:
    """Harman's S stemmer: -ies, -es and -s of English plurals."""
    if len(word) < 4 or word[-1] != "s" or word[-2] in "su" or not word.isascii():
        return word
    if word.endswith("ies"):
        return word if word[-4] in "ae" else word[:-3] + "y"
    return word[:-1]


def query_terms(text: str) -> list[str]:
    """The distinct lexemes of a query in order, without words that nearly every text has, and those that none can have.

    A query of nothing but common words keeps them.
    """
    distinct = [term for term in dict.fromkeys(tokens(text)) if len(term.encode()) <= LONGEST_LEXEME]
    return [term for term in distinct if term not in _STOP_WORDS] or distinct
