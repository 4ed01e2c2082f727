"""Neighbouring passages of one document as one text.

What two neighbours both hold stands once: the captions and names of columns that each part of a long table begins
with, and text by which passages overlap.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_OVERLAP = 20  # characters; a shorter one is chance
SEPARATOR = "\n\n"


def joined(contents: Sequence[str]) -> str:
    """`contents`: of consecutive passages, at least one."""
    return reduce(_joined, contents[1:], contents[0])


def _joined(before: str, after: str) -> str:
    head = _common_lines(before, after)
    if head:
        return before + "\n" + "\n".join(after.split("\n")[head:])
    overlap = _overlap(before, after)
    if overlap >= LEAST_OVERLAP:
        return before + after[overlap:]
    return before + SEPARATOR + after


def _common_lines(before: str, after: str) -> int:
    """How many lines both begin with."""
    count = 0
    for one, other in zip(before.split("\n"), after.split("\n"), strict=False):
        if one != other:
            break
        count += 1
    return count


def _overlap(before: str, after: str) -> int:
    """The length of the longest end of `before` that `after` begins with (Knuth, Morris and Pratt)."""
    text = f"{after}\0{before[-len(after) :]}"
    borders = [0] * len(text)
    for at in range(1, len(text)):
        length = borders[at - 1]
        while length and text[at] != text[length]:
            length = borders[length - 1]
        borders[at] = length + (text[at] == text[length])
    return borders[-1]
