"""A disk that is full: a small file system in memory, mounted for one test.

Mounting needs privileges; without them a mount namespace of one's own does not help either, since the
servers of a home outlive the command. Then a quota stands in: RLIMIT_FSIZE, under which no file of the
command or of the servers that it starts grows beyond a size. PostgreSQL reports both in the same words'
class: what it cannot write fails one transaction.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """`fill` leaves only so many bytes free; `free` gives everything back."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, *, leave: int) -> None:
        state = os.statvfs(self.folder)
        size = state.f_bavail * state.f_frsize - leave
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        self._ballast.unlink()


@cache
def can_mount() -> bool:
    """True when this user may mount a file system in memory; found out by trying."""
    with tempfile.TemporaryDirectory() as folder:
        if not _mount(Path(folder), 1):
            return False
        _unmount(Path(folder))
    return True


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    folder.mkdir()
    if not _mount(folder, megabytes):
        raise OSError(f"{folder} cannot be mounted")
    try:
        yield SmallDisk(folder)
    finally:
        _unmount(folder)


def _mount(folder: Path, megabytes: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "kb-tests", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
