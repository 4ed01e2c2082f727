"""How fast a run embedded, from its first second to its last: pure, bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

RESOLUTION = 1.0  # seconds between two remembered totals, at first
MOST_POINTS = 2048  # then every other one is forgotten, and the resolution halved


@dataclass(slots=True)
class Throughput:
    """Totals at moments, both growing; `note` them as they come, read `rows` at the end."""

    points: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    resolution: float = RESOLUTION

    def note(self, seconds: float, total: int) -> None:
        """`total` tokens were embedded `seconds` after the start."""
        if seconds - self.points[-1][0] < self.resolution:
            return
        self.points.append((seconds, total))
        if len(self.points) > MOST_POINTS:
            self.points = self.points[::2]
            self.resolution *= 2

    def rows(self, seconds: float, total: int, most: int) -> list[tuple[float, float]]:
        """(start in seconds, tokens a second) of at most `most` equal spans; the whole took `seconds` for `total`."""
        if seconds <= 0 or total <= 0:
            return []
        spans = max(1, min(most, int(seconds / self.resolution)))
        length = seconds / spans
        points = [*self.points, (seconds, total)]
        totals = [_total_at(points, number * length) for number in range(spans + 1)]
        return [
            (number * length, (later - earlier) / length) for number, (earlier, later) in enumerate(pairwise(totals))
        ]


def _total_at(points: list[tuple[float, int]], seconds: float) -> float:
    """The total at a moment, on a straight line between the points around it."""
    before = max((point for point in points if point[0] <= seconds), default=points[0])
    after = min((point for point in points if point[0] >= seconds), default=points[-1])
    if after[0] == before[0]:
        return float(after[1])
    return before[1] + (after[1] - before[1]) * (seconds - before[0]) / (after[0] - before[0])
