"""Leases: how a home knows whether anyone still uses its services.

A *lease* is a shared lock on `KB_HOME/run/lease`, held by every process that uses the services of the
home. The kernel releases it when the process ends, even by SIGKILL, so nothing can be leaked. A home
is *unused* while nobody holds a lease; an owner that wants to stop its idle service *claims* the home,
and whoever wants a lease meanwhile waits until that is over.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kb_pipeline.services.home import make_home, run_folder
from kb_pipeline.system.locks import lock, locked, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

_kept: dict[Path, Lease] = {}


class Lease:
    """One process's share in the services of a home, until `release` or the end of the process."""

    def __init__(self, home: Path) -> None:
        home = make_home(home)
        descriptor = lock(_lease_file(home), shared=True)
        self._home = home
        self._descriptor: int | None = descriptor
        os.utime(descriptor)

    @property
    def is_current(self) -> bool:
        """False once released, or when the home was deleted, even if there is a new one of that name."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), _lease_file(self._home).stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.utime(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def hold(home: Path) -> Lease:
    """Take a lease on the home's services; use it as a context manager, or call `release`."""
    return Lease(home)


def keep(home: Path) -> None:
    """Hold a lease on the home's services for the rest of this process's life."""
    home = make_home(home)
    if home not in _kept or not _kept[home].is_current:
        _kept[home] = Lease(home)


@contextmanager
def claim(home: Path) -> Iterator[bool]:
    """Yield whether the home is unused; if it is, nobody can take a lease until the block ends."""
    # Claims go one after another, or the claim of one owner would look like use to another.
    with locked(run_folder(home) / "claim.lock"):
        descriptor = try_lock(_lease_file(home))
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)


def last_taken(home: Path) -> int:
    """When a lease was last taken or released, in nanoseconds of the file system's clock."""
    try:
        return _lease_file(home).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _lease_file(home: Path) -> Path:
    return run_folder(home) / "lease"
