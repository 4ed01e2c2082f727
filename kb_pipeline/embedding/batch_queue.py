"""The queue in front of a model on the CPU.

Texts of requests that arrive together are taken in *batches* of similar length, as large as suits the model. An
*urgent* request (somebody is searching) does not wait for the others (somebody is indexing): it has a thread of its
own, and the operating system shares the cores between them. So a search takes longer while documents come in, but
never waits for a batch, and neither starves the other.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kb_pipeline.embedding.encoder import TokenIds

SPARE_PADDING = 32  # tokens; less than this is cheaper than another batch
WINDOW_TEXTS = 512  # how far ahead the queue looks for texts of similar length

_log = logging.getLogger(__name__)


class QueueFull(Exception):
    """The queue cannot take all texts of a request."""


class QueueClosed(Exception):
    """The server is stopping."""


@dataclass(slots=True, eq=False)
class _Request:
    """One request in the queue; `result` resolves when all of its texts have a vector."""

    vectors: NDArray[np.float32]
    missing: int
    result: Future[NDArray[np.float32]] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class _Text:
    """One text of a request: its token ids, and the row its vector goes to."""

    request: _Request
    row: int
    ids: TokenIds


@dataclass(slots=True)
class QueueCounts:
    """Totals since the start, for /metrics."""

    texts: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0


class BatchQueue:
    """A bounded queue of texts and the threads that compute them: `workers`, and one for urgent texts alone."""

    def __init__(
        self,
        encode: Callable[[Sequence[TokenIds]], NDArray[np.float32]],
        dimension: int,
        *,
        max_queued_texts: int,
        batch_tokens: int,
        workers: int,
    ) -> None:
        """`encode`: called from several threads at once. `batch_tokens`: the padded size of a batch."""
        self.counts = QueueCounts()
        self._encode = encode
        self._dimension = dimension
        self._max_queued_texts = max_queued_texts
        self._batch_tokens = batch_tokens
        self._urgent: deque[_Text] = deque()
        self._waiting: deque[_Text] = deque()
        self._changed = threading.Condition()
        self._closed = False
        lanes = [(self._urgent,), *[(self._urgent, self._waiting)] * workers]
        self._threads = [threading.Thread(target=self._work, args=[own], name="encoder", daemon=True) for own in lanes]
        for thread in self._threads:
            thread.start()

    @property
    def queued_texts(self) -> int:
        return len(self._urgent) + len(self._waiting)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads) and not self._closed

    def submit(self, texts: Sequence[TokenIds], *, urgent: bool = False) -> Future[NDArray[np.float32]]:
        """Queue the texts of one request; the future resolves to (n, dimension). Cancelling it frees its place.

        `urgent`: do not wait for those that are not, see the module's docstring. Raises QueueFull when not all
        of them fit (the request is refused whole), QueueClosed after `close`.
        """
        request = _Request(np.empty((len(texts), self._dimension), dtype=np.float32), missing=len(texts))
        items = [_Text(request, row, ids) for row, ids in enumerate(texts)]
        with self._changed:
            if self._closed:
                raise QueueClosed
            if self.queued_texts + len(items) > self._max_queued_texts:
                raise QueueFull
            (self._urgent if urgent else self._waiting).extend(items)
            self._changed.notify_all()
        return request.result

    def close(self) -> None:
        """Compute what is queued, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, lanes: Sequence[deque[_Text]]) -> None:
        while batch := self._next_batch(lanes):
            self._compute(batch)

    def _compute(self, batch: list[_Text]) -> None:
        try:
            vectors = self._encode([text.ids for text in batch])
        except Exception as error:  # noqa: BLE001  the requests of this batch fail, the server lives on
            _log.exception("A batch of %d texts failed", len(batch))
            for text in batch:
                _resolve(text.request.result, error=error)
            return
        with self._changed:
            self._count(batch)
            for text, vector in zip(batch, vectors, strict=True):
                text.request.vectors[text.row] = vector
                text.request.missing -= 1
        for request in {text.request for text in batch if text.request.missing == 0}:
            _resolve(request.result, value=request.vectors)

    def _next_batch(self, lanes: Sequence[deque[_Text]]) -> list[_Text]:
        """Wait for texts in one of `lanes`, the first one first; empty once the queue is closed and drained."""
        with self._changed:
            while True:
                for lane in lanes:
                    if batch := _take_batch(lane, self._batch_tokens):
                        return batch
                if self._closed:
                    return []
                self._changed.wait()

    def _count(self, batch: list[_Text]) -> None:
        lengths = [len(text.ids) for text in batch]
        self.counts.texts += len(lengths)
        self.counts.tokens += sum(lengths)
        self.counts.padded_tokens += max(lengths) * len(lengths)
        self.counts.batches += 1


def _resolve(
    result: Future[NDArray[np.float32]],
    *,
    value: NDArray[np.float32] | None = None,
    error: Exception | None = None,
) -> None:
    try:
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]
    except InvalidStateError:
        return  # the client went away, or another batch of the same request failed before


def _take_batch(lane: deque[_Text], batch_tokens: int) -> list[_Text]:
    """Remove the oldest text from `lane`, and those nearest to it in length that fit into one batch.

    Texts whose request was cancelled or has failed are forgotten; empty when no others are there.
    """
    alive: list[_Text] = []
    while lane and len(alive) < WINDOW_TEXTS:
        text = lane.popleft()
        if not text.request.result.done():
            alive.append(text)
    if not alive:
        return []
    oldest = alive[0]
    by_length = sorted(alive, key=lambda text: len(text.ids))
    low, high = nearest_in_length([len(text.ids) for text in by_length], len(oldest.ids), batch_tokens)
    chosen = by_length[low:high]
    if oldest not in chosen:  # equal lengths: the slice may hold its peers instead
        chosen[0] = oldest
    taken = set(map(id, chosen))
    lane.extendleft(text for text in reversed(alive) if id(text) not in taken)
    return chosen


def nearest_in_length(lengths: Sequence[int], around: int, batch_tokens: int) -> tuple[int, int]:
    """The slice [low, high) of ascending `lengths` around the value `around` that makes one batch.

    Its padded size (the longest times the count) fits, and no text is padded to more than about twice its
    length. One text is always taken, however long.
    """
    low = bisect_left(lengths, around)
    high = low + 1
    while low > 0 or high < len(lengths):
        down = lengths[high - 1] - lengths[low - 1] if low > 0 else None
        up = lengths[high] - lengths[high - 1] if high < len(lengths) else None
        go_up = down is None or (up is not None and up <= down)
        new_low, new_high = (low, high + 1) if go_up else (low - 1, high)
        shortest, longest = lengths[new_low], lengths[new_high - 1]
        if longest * (new_high - new_low) > batch_tokens or longest > 2 * shortest + SPARE_PADDING:
            break
        low, high = new_low, new_high
    return low, high
