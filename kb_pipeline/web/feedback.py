"""Writing what people say about hits, many at a time and without holding up a search.

Judgments wait in a bounded queue. One thread with a connection of its own takes all that wait and commits them
together; only then are they acknowledged. While PostgreSQL restarts they wait, and are written once it is back; what
waits too long, or does not fit into the queue, is answered with 503, so that the client sends it again. Sending
something twice changes nothing: a voter has one judgment on a hit.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

import psycopg

from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.store import feedback as store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.feedback import Judgment

MOST_WAITING = 5_000  # ten seconds at 500 a second
MOST_AT_ONCE = 500  # of one transaction
PATIENCE = 10.0  # seconds that a judgment waits
PAUSE = 0.2  # seconds until PostgreSQL is tried again
BUSY = "Feedback cannot be stored just now; send it again in a moment."


@dataclass(slots=True)
class _Waiting:
    judgment: Judgment
    withdrawn: bool
    done: Future[bool] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class FeedbackWriter:
    """Writes judgments in groups. `connect`: an idle autocommit connection for the length of a block."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._connect = connect
        self._waiting: deque[_Waiting] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="feedback", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits, or give it up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, judgment: Judgment, *, withdrawn: bool = False) -> Future[bool]:
        """Done once it is committed: whether there is such a hit. Raises DatabaseUnavailable when the queue is full."""
        waiting = _Waiting(judgment, withdrawn)
        waiting.done.set_running_or_notify_cancel()  # it is written even if its client hangs up
        with self._changed:
            if self._closing or len(self._waiting) >= MOST_WAITING:
                raise DatabaseUnavailable(BUSY)
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.done

    def _run(self) -> None:
        while batch := self._next():
            try:
                stored = self._write(batch)
            except (DatabaseUnavailable, psycopg.Error):
                self._put_back(batch)
                continue
            for waiting in batch:
                waiting.done.set_result(waiting.withdrawn or waiting.judgment.key in stored)

    def _next(self) -> list[_Waiting]:
        """All of one kind that wait in a row; empty at the end."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < MOST_AT_ONCE:
                if batch and self._waiting[0].withdrawn != batch[0].withdrawn:
                    break
                batch.append(self._waiting.popleft())
            return batch

    def _write(self, batch: list[_Waiting]) -> set[tuple[int, int, str]]:
        judgments = [waiting.judgment for waiting in batch]
        with self._connect() as connection:
            if batch[0].withdrawn:
                store.withdraw(connection, judgments)
                return set()
            return store.record(connection, judgments)

    def _put_back(self, batch: list[_Waiting]) -> None:
        """In their order, but for those that waited long enough; after a rest."""
        oldest = time.monotonic() - PATIENCE
        with self._changed:
            patient = [waiting for waiting in batch if waiting.since > oldest and not self._closing]
            self._waiting.extendleft(reversed(patient))
        for waiting in batch:
            if waiting not in patient:
                waiting.done.set_exception(DatabaseUnavailable(BUSY))
        time.sleep(PAUSE)
