"""Where to cut a sequence of blocks so that an edit moves only the cuts beside it.

Greedy packing fills each chunk to its limit, so one inserted paragraph shifts every later cut of its
section, and every later chunk is embedded again. Here a cut is a property of its neighbourhood: each
place between two blocks has a rank, a hash of the block that follows, and is a cut if its rank is the
lowest of all places within `spacing` characters on both sides. An edit can only change cuts within that
distance. What is then still longer than `target` is cut again, by a rule that looks at that stretch only.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise


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
    ranks = {i: (zlib.crc32(texts[i].encode()), i) for i in places}
    cuts = [0, *_local_minima(places, ranks, ends, spacing), len(texts)]
    groups: list[range] = []
    for start, end in pairwise(cuts):
        groups.extend(_divided(range(start, end), ranks, ends, target + glue, spacing))
    return groups


def _local_minima(
    places: Sequence[int], ranks: dict[int, tuple[int, int]], ends: Sequence[int], spacing: int
) -> list[int]:
    """The places with the lowest rank within `spacing` characters, not nearer than that to either end."""
    found: list[int] = []
    total = ends[-1]
    low = high = 0  # places[low:high] are within `spacing` of the current one
    for place in places:
        position = ends[place - 1]
        while ends[places[low] - 1] < position - spacing:
            low += 1
        while high < len(places) and ends[places[high] - 1] <= position + spacing:
            high += 1
        inside = spacing <= position <= total - spacing
        if inside and ranks[place] == min(ranks[p] for p in places[low:high]):
            found.append(place)
    return found


def _divided(
    group: range, ranks: dict[int, tuple[int, int]], ends: Sequence[int], target: int, spacing: int
) -> list[range]:
    """`group` cut at its lowest-ranked place that leaves `spacing` on both sides, until the parts fit."""
    pending, done = [group], []
    while pending:
        part = pending.pop()
        start = ends[part.start - 1] if part.start else 0
        length = ends[part.stop - 1] - start
        places = [i for i in range(part.start + 1, part.stop) if i in ranks]
        if length <= target or not places:
            done.append(part)
            continue
        roomy = [i for i in places if spacing <= ends[i - 1] - start <= length - spacing]
        if roomy:
            cut = min(roomy, key=ranks.__getitem__)
        else:
            cut = min(places, key=lambda i: (abs(2 * (ends[i - 1] - start) - length), i))
        pending += [range(cut, part.stop), range(part.start, cut)]
    return done
