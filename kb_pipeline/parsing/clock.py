"""The clocks of one document: wall time and CPU time, kept by the kernel.

When one runs out, its signal ends the process, whatever the process is doing: no library can outwait it. A
page that needs OCR adds to both, since a scan takes seconds where a text layer takes milliseconds. A page of a PDF
has a clock of its own besides: it is read within milliseconds, if it does not draw itself without end.
"""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

PAGE_SIGNAL = signal.SIGPROF
_CPU_FACTOR = 4  # CPU seconds allowed per wall second, for readers that use threads


def start(seconds: float) -> None:
    """Let the process live for so long, from now on."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _limit_cpu(seconds)


def extend(seconds: float) -> None:
    """Give the document more time. Does nothing where no clock was started."""
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if left > 0:
        start(left + seconds)


@contextmanager
def page(seconds: float) -> Iterator[None]:
    """What is done inside may take `seconds` of CPU. Does nothing where no clock was started."""
    if signal.getitimer(signal.ITIMER_REAL)[0] <= 0:
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def stop() -> None:
    """The document is done; the process waits for the next as long as it takes."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = math.ceil(used.ru_utime + used.ru_stime + seconds * _CPU_FACTOR) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
