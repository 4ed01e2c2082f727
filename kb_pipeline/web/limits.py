"""How much the search server takes on: requests of one principal in a time, and requests in work at one time.

Both are decided before anything of a request is done, so that refusing costs next to nothing and says when to come
again.

Terms
  bucket   holds the requests that a principal may make at once; each takes one out, and they come back steadily.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

BURST_SECONDS = 10.0  # of the rate that a full bucket holds
MOST_BUCKETS = 10_000
MOST_IN_WORK = 64
NO_PLACE = "The server has as much to do as it can; try again in a second."
RETRY_AFTER = {"retry-after": "1"}


@dataclass(slots=True)
class Buckets:
    """`rate`: requests a second for each name; None: any number."""

    rate: float | None
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # name -> how many, and when that was

    def take(self, name: str) -> None:
        """Raises HTTPException where the bucket is empty."""
        if self.rate is None:
            return
        now, most = time.monotonic(), max(self.rate * BURST_SECONDS, 1.0)
        left, since = self._left.get(name, (most, now))
        left = min(left + (now - since) * self.rate, most)
        if left < 1:
            seconds = math.ceil((1 - left) / self.rate)
            raise HTTPException(
                429,
                f"These are more than {self.rate * 60:,.0f} requests a minute; wait {seconds} s and go on more slowly.",
                {"retry-after": str(seconds)},
            )
        if len(self._left) >= MOST_BUCKETS:  # those that are full again say nothing
            self._left = {
                other: kept for other, kept in self._left.items() if kept[0] + (now - kept[1]) * self.rate < most
            }
        self._left[name] = (left - 1, now)


@dataclass(slots=True)
class Places:
    """Requests that may be in work at once."""

    most: int = MOST_IN_WORK
    taken: int = 0

    @property
    def are_taken(self) -> bool:
        return self.taken >= self.most

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for the length of a block. Raises HTTPException."""
        if self.are_taken:
            raise HTTPException(503, NO_PLACE, RETRY_AFTER)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
