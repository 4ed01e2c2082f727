"""The part of a text that a person wants to see in a line or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEFORE = 40  # characters that are shown before what is marked, for its context


def excerpt(text: str, marks: Sequence[tuple[int, int]], width: int, styled: Callable[[str], str]) -> str:
    """The stretch of `text` of `width` characters that holds most of what is marked, on one line.

    `marks`: [start, end) in order; `styled` is applied to each.
    """
    start = _start(text, marks, width)
    end = min(start + width, len(text))
    pieces = ["…"] if start else []
    at = start
    for first, last in marks:
        if first >= start and last <= end:
            pieces += [_flat(text[at:first]), styled(_flat(text[first:last]))]
            at = last
    pieces += [_flat(text[at:end]), "…" if end < len(text) else ""]
    return "".join(pieces).strip()


def _start(text: str, marks: Sequence[tuple[int, int]], width: int) -> int:
    """Where the stretch begins."""
    if len(text) <= width or not marks:
        return 0
    room = width - BEFORE

    def held(start: int) -> int:
        """Characters of different marked words."""
        words = {text[first:last].casefold() for first, last in marks if first >= start and last <= start + room}
        return sum(map(len, words))

    best = max((first for first, _ in marks), key=held)
    return 0 if best <= BEFORE else best - BEFORE


def _flat(text: str) -> str:
    """Runs of white space as one space."""
    words = " ".join(text.split())
    return f"{' ' if text[:1].isspace() else ''}{words}{' ' if words and text[-1:].isspace() else ''}"
