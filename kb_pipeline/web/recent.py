"""Figures that several people ask for within seconds, computed once for all of them."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")
SECONDS = 5.0  # that a value is given again


class Recent(Generic[Value]):
    """What `compute` returned last, while that is younger than SECONDS. Who asks while it is computed waits for it and
    computes nothing; what `compute` raises is not kept."""

    def __init__(self, compute: Callable[[], Value]) -> None:
        self._compute = compute
        self._lock = Lock()
        self._found: tuple[float, Value] | None = None

    def get(self) -> Value:
        with self._lock:
            now = time.monotonic()
            if self._found is None or now - self._found[0] >= SECONDS:
                self._found = now, self._compute()
            return self._found[1]
