"""Text that is printed twice on one place of a page, to look bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kb_pipeline.parsing.pdf.page import Span, visible

_OVERPRINT = 0.3  # of its height: a text that near to an equal one is the same, printed again to look bold
_SQUARE = 8.0  # points
_NEAR_SPANS = 3  # before a span that may hold the beginning of its text already


def without_overprints(spans: Sequence[Span]) -> tuple[tuple[Span, ...], int]:
    """The spans without those printed again on the same place, which then are bold, and how many characters went."""
    seen: dict[tuple[str, int, int], list[int]] = {}  # text and square of the page -> indexes of `kept`
    kept: list[Span] = []
    dropped = 0
    for span in spans:
        text, near = span.raw.strip(), _OVERPRINT * max(span.size, 1.0)
        column, row = int(span.x0 // _SQUARE), int(span.top // _SQUARE)
        squares = [(text, column + dx, row + dy) for dx in (0, -1, 1) for dy in (0, -1, 1)]
        places = (index for square in squares for index in seen.get(square, ()))
        twin = next(
            (i for i in places if abs(kept[i].x0 - span.x0) < near and abs(kept[i].top - span.top) < near), None
        )
        if twin is not None:
            kept[twin] = replace(kept[twin], bold=True)
            dropped += visible(span.raw)
            continue
        repeated = max((_repeated(before, span) for before in kept[-_NEAR_SPANS:]), default=0)
        if repeated:
            dropped += visible(span.raw[:repeated])
            if not span.raw[repeated:].strip():
                continue
        seen.setdefault(squares[0], []).append(len(kept))
        kept.append(_without_beginning(span, repeated) if repeated else span)
    return tuple(kept), dropped


def _without_beginning(span: Span, count: int) -> Span:
    """The span without its first `count` characters."""
    first = span.centres[count] - span.size * (0.5 if span.raw[count] >= "\u2e80" else 0.25)
    return replace(span, raw=span.raw[count:], centres=span.centres[count:], x0=max(span.x0, first))


def _repeated(before: Span, span: Span) -> int:
    """How many characters `span` begins with that stand on the same places at the end of the span before."""
    if abs(before.bottom - span.bottom) > _OVERPRINT * span.size or not before.x0 <= span.x0 < before.x1:
        return 0
    near = _OVERPRINT * max(span.size, 1.0)
    printed = list(zip(before.raw, before.centres, strict=True))
    for index, (character, centre) in enumerate(zip(span.raw, span.centres, strict=True)):
        if not any(character == other and abs(centre - place) < near for other, place in printed):
            return index if not character.isspace() else index + 1
    return len(span.raw)
