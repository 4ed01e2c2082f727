"""Progress bars for a person at a terminal; nothing is drawn for what is over within two seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kb_pipeline.progress import listening

PATIENCE = 2.0  # seconds


@contextmanager
def showing_bars() -> Iterator[None]:
    """Draw the progress of everything in this context on stderr."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress, listening(_Bars(progress)):
        yield


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def open(self, what: str, total: int) -> _Bar:
        return _Bar(self._progress, what, total)


class _Bar:
    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._begun = time.monotonic()
        self._tokens = 0
        self._task = progress.add_task(what, total=total, visible=False, rate="")

    def advance(self, count: int = 1, *, tokens: int = 0) -> None:
        self._tokens += tokens
        seconds = time.monotonic() - self._begun
        rate = f"{self._tokens / seconds:,.0f} tokens/s" if self._tokens and seconds > 0 else ""
        self._progress.update(self._task, advance=count, visible=seconds > PATIENCE, rate=rate)

    def close(self) -> None:
        self._progress.remove_task(self._task)
