"""Where to cut a sequence of blocks so that an edit moves only the cuts beside it.

Greedy packing fills each chunk to its limit, so one inserted paragraph shifts every later cut of its
section, and every later chunk is embedded again. Here a cut is a property of its neighbourhood: each
place between two blocks has a rank, a hash of the block that follows, and is a cut if its rank is the
lowest of all places within `spacing` characters on both sides. An edit can only change cuts within that
distance. What is then still longer than `target` is cut again, by a rule that looks at that stretch only.
Time is n log n in the number of blocks, whatever they hold: a file of equal lines is no worse than another.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

Rank = tuple[int, int]  # the hash of the block after a place, and its index, so that no two are equal


def stable_groups(texts: Sequence[str], *, target: int, spacing: int, glue: int, tied: frozenset[int]) -> list[range]:
    """Consecutive groups of `texts`, as index ranges.

    A group is at most `target` characters long, counting `glue` between blocks, unless a single block or
    blocks that are tied together are longer. `spacing`: the least characters in a group, where the blocks
    allow it. `tied`: indices before which there is never a cut (what follows a heading).
    """
    ends: list[int] = []
    total = 0
    for text in texts:
        total += len(text) + glue
        ends.append(total)
    if total - glue <= target:
        return [range(len(texts))] if texts else []
    places = [i for i in range(1, len(texts)) if i not in tied]
    positions = [ends[i - 1] for i in places]
    ranks = [(zlib.crc32(texts[i].encode("utf-8", "surrogatepass")), i) for i in places]
    minima = [places[k] for k in _local_minima(positions, ranks, total, spacing)]
    stretches = _Stretches(places, positions, _RangeMinimum(ranks))
    groups: list[range] = []
    for start, end in pairwise([0, *minima, len(texts)]):
        groups.extend(stretches.divided(range(start, end), ends, target + glue, spacing))
    return groups


def _local_minima(positions: Sequence[int], ranks: Sequence[Rank], total: int, spacing: int) -> list[int]:
    """Indices of the places with the lowest rank within `spacing` characters, not nearer than that to either end."""
    found: list[int] = []
    lowest: deque[int] = deque()  # places of the window that nothing behind them undercuts, lowest first
    high = 0
    for place, position in enumerate(positions):
        while high < len(positions) and positions[high] <= position + spacing:
            while lowest and ranks[lowest[-1]] > ranks[high]:
                lowest.pop()
            lowest.append(high)
            high += 1
        while positions[lowest[0]] < position - spacing:
            lowest.popleft()
        if lowest[0] == place and spacing <= position <= total - spacing:
            found.append(place)
    return found


class _RangeMinimum:
    """The lowest of any stretch of ranks, in logarithmic time (a segment tree)."""

    def __init__(self, ranks: Sequence[Rank]) -> None:
        self._leaves = len(ranks)
        self._nodes: list[Rank] = [*ranks, *ranks]
        for node in range(self._leaves - 1, 0, -1):
            self._nodes[node] = min(self._nodes[2 * node], self._nodes[2 * node + 1])

    def lowest(self, first: int, end: int) -> Rank:
        """Of the ranks [first, end), which are not none."""
        nodes = self._nodes
        left, right = first + self._leaves, end + self._leaves
        best = nodes[left]
        while left < right:
            if left & 1:
                best = min(best, nodes[left])
                left += 1
            if right & 1:
                right -= 1
                best = min(best, nodes[right])
            left >>= 1
            right >>= 1
        return best


class _Stretches:
    """Stretches of blocks that are too long, and the places in them: their indices, positions and ranks."""

    def __init__(self, places: Sequence[int], positions: Sequence[int], ranks: _RangeMinimum) -> None:
        self._places = places
        self._positions = positions
        self._ranks = ranks

    def divided(self, group: range, ends: Sequence[int], target: int, spacing: int) -> list[range]:
        """`group` cut at its lowest-ranked place that leaves `spacing` on both sides, until the parts fit."""
        pending, done = [group], []
        while pending:
            part = pending.pop()
            start = ends[part.start - 1] if part.start else 0
            end = ends[part.stop - 1]
            first, stop = bisect_right(self._places, part.start), bisect_left(self._places, part.stop)
            if end - start <= target or first == stop:
                done.append(part)
                continue
            roomy = bisect_left(self._positions, start + spacing, first, stop)
            tight = bisect_right(self._positions, end - spacing, first, stop)
            cut = self._ranks.lowest(roomy, tight)[1] if roomy < tight else self._middle(first, stop, start, end)
            pending += [range(cut, part.stop), range(part.start, cut)]
        return done

    def _middle(self, first: int, stop: int, start: int, end: int) -> int:
        """The place nearest to the middle of [start, end)."""
        after = bisect_left(self._positions, (start + end) / 2, first, stop)
        near = [k for k in (after - 1, after) if first <= k < stop]
        # Blocks without a character share a position: the first of them is meant.
        near = [max(first, bisect_left(self._positions, self._positions[k])) for k in near]
        return self._places[min(near, key=lambda k: (abs(2 * self._positions[k] - start - end), k))]
