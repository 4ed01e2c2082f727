"""Files that others may be writing, replacing or holding back: written whole or not at all, opened without waiting."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write a file so that readers see the old content or the new, never a part, whenever this process is killed."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it. Raises OSError at once for a pipe, a device or what else would wait for somebody."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def in_time(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns or raises. Raises TimeoutError after `seconds`, and leaves the thread that waits behind.

    For calls that the kernel may never come back from, such as reading from a share whose server is gone.
    """
    return while_it_moves(work, int, seconds)


def while_it_moves(work: Callable[[], T], progress: Callable[[], int], seconds: float) -> T:
    """As `in_time`, for work that may take long: `seconds` are counted from the last change of `progress`."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def attempt() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again by the caller)
            failure.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    seen = -1
    while thread.is_alive() and seen != (seen := progress()):
        thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise TimeoutError
    return outcome[0]
