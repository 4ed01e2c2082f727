"""Temporary folders that nobody forgets: each holds a lock of its owners, and one without an owner is removed.

The kernel gives a lock back when the last process that holds it ends, however it ends; a process id says less,
since it is given to another process sooner or later. What lies in such folders is often text that nobody has masked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_NAME = "lock"


def owned_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and the descriptor of its lock: who has it open, owns the folder."""
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    # Until the lock is there, nobody takes the folder for a stale one.
    lock = os.open(folder / _LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder of this process that goes with the context."""
    folder, lock = owned_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_stale_folders(parent: Path, prefix: str) -> None:
    """Remove the folders whose owners are gone."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder / _LOCK_NAME, os.O_RDWR)
        except OSError:  # being made just now, or another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use
            continue
        finally:
            os.close(lock)
