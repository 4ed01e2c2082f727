"""Pieces of text in which values are replaced, and which of them are looked at again afterwards; see `masking`."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from kb_pipeline.privacy.pseudonyms import PSEUDONYM

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

REACH_CHARACTERS = 60  # how far what stands beside a value can count


def put_in(
    texts: list[str],
    ends: Sequence[int],
    found: Iterable[tuple[str, int, int, str]],
    counts: Counter[str],
) -> list[int]:
    """Put what stands for each value into the piece where it starts; returns which pieces changed."""
    cuts: dict[int, list[tuple[int, int, str]]] = {}
    for entity, value_start, value_end, replacement in found:
        index = bisect_right(ends, value_start)
        first = True
        while index < len(texts) and (begin := ends[index] - len(texts[index])) < value_end:
            start, end = max(value_start, begin) - begin, min(value_end, ends[index]) - begin
            if start < end:
                counts[entity] += first
                cuts.setdefault(index, []).append((start, end, replacement if first else ""))
                first = False
            index += 1
    changed = []
    for index, places in cuts.items():
        text, parts, done = texts[index], [], 0
        for start, end, replacement in places:
            parts += [text[done:start], replacement]
            done = end
        texts[index] = "".join((*parts, text[done:]))
        if texts[index] != text:
            changed.append(index)
    return sorted(changed)


# What is looked at again after a change nearby: of a long piece not all.
_STRETCH = re.compile(rf".{{{REACH_CHARACTERS},}}?[\s,.;:!?)，。；：！？）、]|.+", re.DOTALL)
_CHARACTER = re.compile(r"[^\W_]")


def stretches(piece: str) -> list[str]:
    """`piece` in parts that are a little longer than anything reaches."""
    return [piece] if len(piece) <= REACH_CHARACTERS else _STRETCH.findall(piece)


def is_left(text: str) -> bool:
    """Whether anything but pseudonyms and signs is left, which may be a value."""
    return _CHARACTER.search(PSEUDONYM.sub("", text) if "<" in text else text) is not None


def widened(indexes: Sequence[int], texts: Sequence[str]) -> list[int]:
    """`indexes` and those around them, as far as any label or pattern reaches."""
    middle = set(indexes)
    found = set(indexes)
    for places in (range(len(texts)), reversed(range(len(texts)))):
        left = 0
        for place in places:
            if place in middle:
                left = REACH_CHARACTERS
            elif left > 0:
                found.add(place)
                left -= len(texts[place]) + 1
    return sorted(found)
