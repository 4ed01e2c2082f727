"""A Ctrl-C that is not lost on its way.

Dagster puts handlers of its own in place of Python's while it runs a job, and a signal that comes between two of its
contexts can be forgotten. What Python's runtime is told of a signal, whatever handler is in place, it also writes to a
file descriptor (signal.set_wakeup_fd); that is kept here and looked at where nothing is half done.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_noted: list[socket.socket] = []  # the reading ends of the blocks that are open, the innermost last


@contextmanager
def noted() -> Iterator[None]:
    """Note each SIGINT that comes while the block runs, and raise KeyboardInterrupt at its end, however it ends.

    Only the main thread is told of signals; in another the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        _noted.append(reader)
        try:
            yield
        except Exception:
            raise_noted()  # psycopg, interrupted by anything but KeyboardInterrupt, says that the connection is lost
            raise
        else:
            raise_noted()
        finally:
            _noted.pop()
            signal.set_wakeup_fd(previous)


def raise_noted() -> None:
    """Raise KeyboardInterrupt when a SIGINT was noted that nobody has raised since."""
    if not _noted:
        return
    try:
        signals = _noted[-1].recv(4096)
    except BlockingIOError:
        return
    if signal.SIGINT in signals:
        raise KeyboardInterrupt from None
