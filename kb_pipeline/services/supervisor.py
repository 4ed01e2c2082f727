"""Programs that live and die together: `python -m kb_pipeline.services.supervisor`, a plan on stdin.

The supervisor starts the programs of a *plan*, says where they answer, and waits until one of them ends or
SIGTERM comes; then it ends all of them with everything they started. It adopts what its programs
orphan, so nothing can slip away, and its own starter adopts what it would leave if it were killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb_pipeline.services.daemon import SERVERS, SGLANG, last_lines, log_file, read_state, rotate, stop_servers
from kb_pipeline.system.process import Identity, adopt_orphans, child_setup, command_line, descendants, end, send

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KILL_SECONDS = 5.0  # for the kernel to end what was killed
READY_SECONDS = 120.0  # a program that others wait for must answer within this
_POLL_SECONDS = 0.1
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_WATCHED = STOP_SIGNALS | {signal.SIGCHLD}


@dataclass(frozen=True)
class Program:
    """One program. It answers at `socket`: a port of 127.0.0.1, the path of a Unix socket, or nowhere.

    `address` is what a person opens. Programs after one with `first=True` start when it answers. One that
    `keeps_nothing` is killed at the end, where others are asked to stop.
    """

    name: str
    title: str
    command: tuple[str, ...]
    socket: int | str | None = None
    address: str | None = None
    first: bool = False
    keeps_nothing: bool = False


@dataclass(frozen=True)
class Plan:
    """What to run for `home`. Its servers are stopped at the end, too.

    `stop_seconds`: for the programs to end by themselves; a run may have to record that it was stopped.
    """

    home: Path
    programs: tuple[Program, ...]
    environment: Mapping[str, str]
    stop_seconds: float = 20.0

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        data: dict[str, Any] = json.loads(text)
        programs = tuple(Program(**{**fields, "command": tuple(fields["command"])}) for fields in data["programs"])
        return cls(Path(data["home"]), programs, data["environment"], data["stop_seconds"])


class Supervisor:
    """The programs of one plan while they run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._started: dict[int, tuple[Program, subprocess.Popen[bytes], int]] = {}
        self._failures: list[str] = []

    def run(self) -> int:
        """Run until asked to stop (0) or until a program ends by itself (1)."""
        try:
            for program in self.plan.programs:
                self._start(program)
                if program.first and not self._wait_until_answering([program], READY_SECONDS):
                    break
            else:
                self._wait_until_answering(self.plan.programs, None)
            for sentence in self._failures:
                say(sentence)
        finally:
            end_descendants(self.plan)
        return 1 if self._failures else 0

    def _start(self, program: Program) -> None:
        path = log_file(self.plan.home, program.name)
        offset = rotate(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.plan.environment},
                start_new_session=True,
                preexec_fn=child_setup(signal.SIGTERM),  # noqa: PLW1509 - a supervisor has one thread
            )
        self._started[process.pid] = (program, process, offset)

    def _wait_until_answering(self, programs: Iterable[Program], seconds: float | None) -> bool:
        """Wait for all to answer and say where. With `seconds` None, go on until the end of the whole.

        False when a program ended, a stop signal came, or one did not answer in time.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        silent = [program for program in programs if program.socket is not None]
        while silent or deadline is None:
            received = signal.sigtimedwait(_WATCHED, _POLL_SECONDS if silent else 5.0)
            self._reap()
            if (received and received.si_signo in STOP_SIGNALS) or self._failures:
                return False
            for program in [program for program in silent if answers(program.socket)]:
                silent.remove(program)
                if program.address:
                    say(f"{program.title}: {program.address}")
            if deadline is not None and time.monotonic() > deadline:
                self._failures += [
                    self._sentence(program, f"did not answer in {seconds:.0f} s", 0) for program in silent
                ]
                return False
        return True

    def _reap(self) -> None:
        """Collect what ended: programs, and orphans of theirs that fell to us."""
        while (pid := _next_ended()) is not None:
            if pid in self._started:
                program, process, offset = self._started[pid]
                self._failures.append(self._sentence(program, f"ended with code {process.wait()}", offset))
            else:
                os.waitpid(pid, 0)

    def _sentence(self, program: Program, what: str, offset: int) -> str:
        path = log_file(self.plan.home, program.name)
        lines = last_lines(path, offset)
        because = f"; its log {path} ends with: {lines}" if lines else f"; its log {path} is empty"
        return f"{program.title} {what}{because}. Everything else is stopped."


def answers(place: int | str | None) -> bool:
    """True when something accepts connections at a port of 127.0.0.1 or at a Unix socket."""
    family, address = (socket.AF_UNIX, place) if isinstance(place, str) else (socket.AF_INET, ("127.0.0.1", place))
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(address)
        except OSError:
            return False
    return True


def end_descendants(plan: Plan) -> None:
    """End everything below this process, then the servers of the home, and wait until all of it is gone.

    SGLang goes on: one of the programs started it, but not for this `kb up` alone. Another stop signal cuts the
    time short that programs get to end by themselves.
    """
    expendable = {program.command for program in plan.programs if program.keeps_nothing}
    for process in _programs_below(plan.home):
        send(process, signal.SIGKILL if command_line(process.pid) in expendable else signal.SIGTERM)
    deadline = time.monotonic() + plan.stop_seconds
    while _programs_below(plan.home) and time.monotonic() < deadline:
        received = signal.sigtimedwait(_WATCHED, _POLL_SECONDS)
        if received and received.si_signo in STOP_SIGNALS:
            break
        while (ended := _next_ended()) is not None:
            os.waitpid(ended, 0)
    end(_programs_below(plan.home), [(signal.SIGKILL, KILL_SECONDS)])
    stop_servers(plan.home)
    end(_below_without(plan.home, [SGLANG]), [(signal.SIGKILL, KILL_SECONDS)])


def _programs_below(home: Path) -> list[Identity]:
    """What runs below this process, without the home's servers: those are stopped last, and by their owners."""
    return _below_without(home, [SGLANG, *SERVERS])


def _below_without(home: Path, services: Iterable[str]) -> list[Identity]:
    """What runs below this process, without the owners of these services and what they started."""
    states = [state for name in services if (state := read_state(home, name)) is not None]
    owners = {state.owner.pid for state in states}
    spared = owners.union(*({process.pid for process in descendants(pid)} for pid in owners))
    return [process for process in descendants(os.getpid()) if process.pid not in spared]


def _next_ended() -> int | None:
    """The pid of a child that has ended and was not waited for yet."""
    try:
        status = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return status.si_pid if status else None


def say(text: str) -> None:
    """Tell the person at the terminal, if there still is one."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    adopt_orphans()
    return Supervisor(Plan.from_json(sys.stdin.read())).run()


if __name__ == "__main__":
    sys.exit(main())
