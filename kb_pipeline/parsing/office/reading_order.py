"""The order in which a person reads shapes on a slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
Frame = tuple[float, float, float, float]
_SAME_EDGE = 360_000  # EMU, 1 cm


def reading_order(items: Sequence[tuple[T, Frame]]) -> list[T]:
    """The items as a person reads them: cut along the widest gap that runs across all of them, above before
    below and left before right, and so on inside both parts. Where shapes overlap, from top to bottom."""
    ordered: list[T] = []
    waiting = [list(items)]
    while waiting:
        part = waiting.pop()
        cuts = [(*widest_gap(part, axis), axis) for axis in (0, 1)] if len(part) > 1 else []
        width, position, axis = max(cuts, key=by_width, default=(0.0, 0.0, 0))
        if width > 0:
            waiting.append([pair for pair in part if pair[1][axis] >= position])
            waiting.append([pair for pair in part if pair[1][axis] < position])
        else:
            ordered += [item for item, _ in sorted(part, key=lambda pair: (pair[1][1], pair[1][0]))]
    return ordered


def by_width(cut: tuple[float, float, int]) -> tuple[float, int]:
    """Of gaps of one width, the one between rows."""
    width, _, axis = cut
    return width, axis


def widest_gap(items: Sequence[tuple[object, Frame]], axis: int) -> tuple[float, float]:
    """(width, where the part behind begins) of the widest gap along an axis, 0 for x; width 0 where there is none."""
    spans = sorted((frame[axis], frame[axis + 2]) for _, frame in items)
    best, position = 0.0, 0.0
    reach = spans[0][1]
    for start, end in spans[1:]:
        gap = start - reach
        if gap >= 0 and gap + 1 > best:  # shapes that touch are apart, too
            best, position = gap + 1, start
        reach = max(reach, end)
    return best, position


def under_heads(items: Sequence[tuple[T, Frame, int]]) -> list[tuple[list[T], Frame]]:
    """The items, given with how many lines each says, a single line together with the lines that stand next below it
    at the same left edge: it is their head however far above, and heads of columns that stand side by side are not
    read before what is below them."""
    bodies: dict[int, int] = {}
    for number, (_, head, lines) in enumerate(items):
        below = [
            (frame[1], other)
            for other, (_, frame, _) in enumerate(items)
            if frame[1] >= head[3] and abs(frame[0] - head[0]) < _SAME_EDGE
        ]
        nearest = min(below)[1] if below and lines == 1 else None
        if nearest is not None and items[nearest][2] > 1:
            bodies[number] = nearest
    taken = set(bodies.values())
    found = []
    for number, (item, frame, _) in enumerate(items):
        if number in bodies:
            body, below_it, _ = items[bodies[number]]
            around = (min(frame[0], below_it[0]), frame[1], max(frame[2], below_it[2]), max(frame[3], below_it[3]))
            found.append(([item, body], around))
        elif number not in taken:
            found.append(([item], frame))
    return found
