"""How long work tells whoever is watching how far it is.

A stage opens a *track* with a total and advances it. What becomes of that is up to the listener in
force: the command line draws bars, a Dagster run logs a line about every ten seconds, a test sees
nothing. The listener is a context variable, so that stages need not hand it down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

LOG_SECONDS = 10.0


class Track(Protocol):
    def advance(self, count: int = 1, *, tokens: int = 0) -> None:
        """`count` more steps are done; `tokens`: how much work they were, where that is known."""

    def close(self) -> None: ...


class Listener(Protocol):
    def open(self, what: str, total: int) -> Track: ...


class _Silence:
    """The track that nobody watches."""

    def advance(self, count: int = 1, *, tokens: int = 0) -> None:
        """Tell nobody."""

    def close(self) -> None:
        """Tell nobody."""


_listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report the progress of everything in this context to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


_tell: ContextVar[Callable[[str], None] | None] = ContextVar("progress_tell", default=None)


@contextmanager
def telling(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell `tell` in a sentence what this context has to wait for."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def waiting_for(sentence: str) -> None:
    """Say what begins now and may take minutes without a sign."""
    tell = _tell.get()
    if tell is not None:
        tell(sentence)


def is_heard() -> bool:
    """Whether somebody listens already."""
    return _listener.get() is not None


@contextmanager
def track(what: str, total: int) -> Iterator[Track]:
    """A piece of work of `total` steps, called `what` in a person's words."""
    listener = _listener.get()
    opened = listener.open(what, total) if listener else _Silence()
    try:
        yield opened
    finally:
        opened.close()


class LogLines:
    """A listener that writes a line about every ten seconds: done, total, rate, time left."""

    def __init__(self, log: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock

    def open(self, what: str, total: int) -> Track:
        return _LogTrack(what, total, self._log, self._clock)


class _LogTrack:
    def __init__(self, what: str, total: int, log: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._what, self._total, self._log, self._clock = what, total, log, clock
        self._started = self._last = clock()
        self._done = self._tokens = 0

    def advance(self, count: int = 1, *, tokens: int = 0) -> None:
        self._done += count
        self._tokens += tokens
        now = self._clock()
        if now - self._last >= LOG_SECONDS:
            self._last = now
            seconds = now - self._started
            self._log(progress_line(self._what, self._done, self._total, seconds, tokens=self._tokens))

    def close(self) -> None:
        if self._done:
            seconds = self._clock() - self._started
            self._log(f"{self._what}: {self._done:,} in {seconds:.1f} s{_token_rate(self._tokens, seconds)}")


def progress_line(what: str, done: int, total: int, seconds: float, *, tokens: int = 0) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    left = f", about {max(total - done, 0) / rate:.0f} s left" if rate else ""
    return f"{what}: {done:,} of {total:,}, {rate:,.1f} per second{_token_rate(tokens, seconds)}{left}"


def _token_rate(tokens: int, seconds: float) -> str:
    return f", {tokens / seconds:,.0f} tokens per second" if tokens and seconds > 0 else ""
