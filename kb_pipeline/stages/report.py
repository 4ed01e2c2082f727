"""What a stage tells about its run: numbers with stable names, and a few rows to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass
class StageReport:
    """`counts`: the same keys at each run, so that they become plots. `details`: tables and notes."""

    counts: Counter[str]
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *names: str) -> StageReport:
        """A report that counts `names`, each from 0."""
        return cls(Counter(dict.fromkeys(names, 0)))


def batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """`items` in tuples of `size`; itertools has it from Python 3.12 on."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch
