"""The sentences of an answer as it comes in, each with the passages that it cites.

A sentence is given once the text behind it has begun, since its citations may stand behind its full stop. A citation
is a number, or several, in square brackets of either width: [2], [1][3], [1, 3], [2-4], 【2】, [passage 2]. Numbers
that no passage has are taken out with the brackets; a sentence that is left with none is not given but counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.answers.prompt import NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

THOUGHT, THOUGHT_OVER = "<think>", "</think>"  # of models whose server leaves their thoughts in the answer
LONGEST_CITATION = 40  # characters
MOST_OF_RANGE = 20  # passages

_WORD = r"(?i:passages?|sources?|段落|来源|來源)?"
_SEPARATOR = r"\s*[,，、;；\-–~]\s*"
_NUMBERS = rf"{_WORD}\s*\^?\d{{1,3}}(?:(?:{_SEPARATOR}|\s+){_WORD}\s*\^?\d{{1,3}})*"
# The second is no passage for sure, unless it is part of a document's number: 银发[2023]15号.
_CITATION = re.compile(rf"\s*[\[【［]\s*(?:({_NUMBERS})\s*[\]】］]|\^?\d{{4,9}}\s*[\]】］](?![\d第]))")
_CITATIONS = rf"(?:{_CITATION.pattern})*"
_RANGE = re.compile(r"(\d+)\s*[-–~]\s*\^?(\d+)")
_MARK = rf"[。！？]+[”’」』）)\"']*{_CITATIONS}"
# A Chinese sentence ends at its mark, an English one where a blank and the beginning of another follow, and either at
# the end of its line. Citations behind the mark belong to it.
_END = re.compile(
    rf"{_MARK}"
    r"|(?<![A-Z])(?<!\b[A-Za-z])(?<!\b(?:Mr|Ms|Dr|No|vs|cf))(?<!\b(?:Mrs|Inc|Ltd|Fig|Sec|Art|Vol|etc|e\.g|i\.e))"
    rf"[.!?]+[\"'”’)]*{_CITATIONS}(?=\s+[\"'“‘(*]*[A-Z0-9\u4e00-\u9fff]|\n)"
    r"|\n+"
)
_ENDED = re.compile(rf"(?:{_MARK}|[.!?]+[\"'”’)]*{_CITATIONS})\s*\Z")
_ITEM_NUMBER = re.compile(r"\s*\(?\d{1,3}[.)、]")
_ITEM = re.compile(r"^(?:[-*•·#>]+\s+|\(?\d{1,3}[.)、]\s)+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` without its citations. `citations`: ranks of hits, in order. `starts_line`: it begins a line of the
    answer."""

    text: str
    citations: tuple[int, ...]
    starts_line: bool

    def __str__(self) -> str:
        return f"{self.text} {''.join(f'[{number}]' for number in self.citations)}"


@dataclass(slots=True)
class SentenceReader:
    """`given`: the numbers of the passages. `dropped`: sentences without a citation. `says_no`: the model says that the
    passages do not answer."""

    given: Collection[int]
    dropped: int = 0
    says_no: bool = False
    _rest: str = ""
    _starts_line: bool = True
    _begun: bool = False

    def read(self, text: str) -> list[Sentence]:
        """What is whole once this is added."""
        self._rest += text
        if not self._is_over_thinking():
            return []
        return [sentence for sentence in self._whole() if sentence is not None]

    def end(self, *, complete: bool) -> list[Sentence]:
        """What is left, unless the text broke off in the middle of it."""
        rest, self._rest = self._rest, ""
        if rest.lstrip().startswith(THOUGHT) or not (complete or _ENDED.search(rest)):
            return []
        last = self._sentence(rest)
        return [last] if last else []

    def _is_over_thinking(self) -> bool:
        if THOUGHT_OVER in self._rest:
            self._rest = self._rest.rpartition(THOUGHT_OVER)[2].lstrip()
            self._begun, self.dropped = True, 0
        if not self._begun:
            begin = self._rest.lstrip()
            if THOUGHT.startswith(begin[: len(THOUGHT)]):
                return False
            self._begun = True
        return True

    def _whole(self) -> Iterator[Sentence | None]:
        start = searched = 0
        while match := _END.search(self._rest, searched):
            searched = match.end()
            is_line_end = match.group().startswith("\n")
            if not is_line_end and (
                _ITEM_NUMBER.fullmatch(self._rest, start, match.end()) or not _has_begun(self._rest[match.end() :])
            ):
                continue
            yield self._sentence(self._rest[start : match.end()])
            start = match.end()
            self._starts_line = self._starts_line or is_line_end
        self._rest = self._rest[start:]

    def _sentence(self, raw: str) -> Sentence | None:
        cited = [number for found in _CITATION.finditer(raw) for number in _numbers(found[1] or "")]
        text = _ITEM.sub("", _CITATION.sub("", raw).strip()).replace("**", "").strip()
        if not any(map(str.isalnum, text)):
            return None
        if NO_ANSWER in text:
            self.says_no = True
            return None
        citations = tuple(number for number in sorted(set(cited)) if number in self.given)
        if not citations:
            self.dropped += 1
            return None
        starts_line, self._starts_line = self._starts_line, False
        return Sentence(text, citations, starts_line)


def _has_begun(rest: str) -> bool:
    """Whether what follows a full stop is no citation that is still coming."""
    follows = rest.lstrip(" \t")
    return bool(follows) and (follows[0] not in "[【［" or len(follows) > LONGEST_CITATION)


def _numbers(written: str) -> list[int]:
    numbers = [int(number) for number in re.findall(r"\d+", written)]
    for first, last in _RANGE.findall(written):
        if 0 < int(last) - int(first) < MOST_OF_RANGE:
            numbers += range(int(first) + 1, int(last))
    return numbers
