"""Processes by identity, read from /proc.

A pid alone names a process badly: it is used again. An *identity* adds the start time in clock ticks
since boot and the boot itself. A zombie counts as gone: it runs nothing and holds nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.01
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    """`started`: clock ticks between boot and the start of the process."""

    pid: int
    started: int
    boot: str


def identify(pid: int) -> Identity | None:
    """The identity of a running process, or None when there is none with this pid."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return Identity(pid, int(fields[19]), _boot())


def own_identity() -> Identity:
    """The identity of this process."""
    process = identify(os.getpid())
    if process is None:
        raise SettingsError("/proc does not show this process; mount /proc and try again.")
    return process


def is_alive(process: Identity) -> bool:
    return identify(process.pid) == process


def is_stopped(process: Identity) -> bool:
    """Whether a process that is there was told to stand still, by SIGSTOP or a debugger."""
    fields = _stat_fields(process.pid)
    return fields is not None and fields[0] in ("T", "t") and is_alive(process)


def command_line(pid: int) -> tuple[str, ...]:
    """The command of a process with its arguments; empty when it is gone."""
    try:
        text = (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(os.fsdecode(part) for part in text.removesuffix(b"\0").split(b"\0"))


def send(process: Identity, number: signal.Signals) -> bool:
    """Send a signal; False when the process is gone."""
    if not is_alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(processes: Iterable[Identity], seconds: float) -> list[Identity]:
    """Wait until all have ended, at most `seconds`; return those that have not."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if is_alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if is_alive(process)]
    return left


def end(processes: Iterable[Identity], steps: Iterable[tuple[signal.Signals, float]]) -> list[Identity]:
    """Send each signal in turn to those still there, waiting its seconds; return those that survived all."""
    left = list(processes)
    for number, seconds in steps:
        left = [process for process in left if send(process, number)]
        left = wait_until_gone(left, seconds)
    return left


def end_child(child: subprocess.Popen[bytes], steps: Iterable[tuple[signal.Signals, float]]) -> None:
    """The same for a child of this process, which is waited for, so that no zombie of it is left."""
    for number, seconds in steps:
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            return


def processes_in(folder: Path, name: str) -> list[Identity]:
    """Processes called `name` whose working folder is `folder`, compared by inode."""
    wanted = folder.stat()
    found = []
    for pid in _pids():
        try:
            if (_PROC / str(pid) / "comm").read_text().strip() != name:
                continue
            current = (_PROC / str(pid) / "cwd").stat()
        except OSError:
            continue  # ended meanwhile, or another user's
        if (current.st_dev, current.st_ino) == (wanted.st_dev, wanted.st_ino) and (process := identify(pid)):
            found.append(process)
    return found


def descendants(pid: int) -> list[Identity]:
    """The children of `pid`, their children and so on, parents first; zombies left out."""
    children: dict[int, list[Identity]] = {}
    for candidate in _pids():
        fields = _stat_fields(candidate)
        if fields is not None and fields[0] not in ("Z", "X"):
            children.setdefault(int(fields[1]), []).append(Identity(candidate, int(fields[19]), _boot()))
    found: list[Identity] = []
    level = children.get(pid, [])
    while level:
        found += level
        level = [child for parent in level for child in children.get(parent.pid, [])]
    return found


def child_setup(death_signal: signal.Signals) -> Callable[[], None]:
    """What a child runs between fork and exec: it gets `death_signal` when its parent ends.

    Also unblocks signals, because a blocked set survives exec. For `subprocess.Popen(preexec_fn=…)`
    in a process without other threads.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def setup() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it ended before prctl could tell us
            os.kill(os.getpid(), signal.SIGKILL)

    return setup


def adopt_orphans() -> None:
    """Make this process the one that its orphaned descendants fall to, instead of init."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (field 3); the command before may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


@cache
def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
