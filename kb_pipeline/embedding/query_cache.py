"""The vectors of the latest queries: people repeat each other, and page through results.

The key is the query as the model gets it, instruction included, and the adapter if there is one; a cache belongs to one
client and so to one model fingerprint. It is only ever in memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_QUERIES = 2048  # 8 MB at 1,024 dimensions


class QueryCache:
    """At most `most` vectors, the least recently used is forgotten first; safe to use from several threads."""

    def __init__(self, most: int = MOST_QUERIES) -> None:
        self._most = most
        self._vectors: OrderedDict[tuple[str, ...], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, query: tuple[str, ...]) -> NDArray[np.float32] | None:
        with self._lock:
            vector = self._vectors.get(query)
            if vector is not None:
                self._vectors.move_to_end(query)
            return vector

    def put(self, query: tuple[str, ...], vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Remember `vector`, and return it as `get` will: for reading only."""
        kept = vector.copy()  # it may be a row of a larger answer
        kept.flags.writeable = False
        with self._lock:
            self._vectors[query] = kept
            self._vectors.move_to_end(query)
            if len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
        return kept
