"""The `kb` command as a person runs it: a process of its own, with its output and its exit code.

A *site* is a KB_HOME together with the settings that its commands get.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from kb_pipeline.services.daemon import POSTGRES, read_state, stop_all
from kb_pipeline.system.process import Identity, descendants, identify, is_alive, send
from kb_pipeline_tests.forking import KbProcess

COMMAND_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `code` is negative for the signal that ended it."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaints(self) -> list[str]:
        """The lines that are neither warnings of libraries nor notes: what `kb` itself says went wrong."""
        return [line for line in self.stderr.splitlines() if line.startswith("kb: ")]

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class Site:
    """Runs commands for one KB_HOME. `settings` are KB_* variables without their prefix."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: object, own_group: bool = False) -> Running:
        """Start `kb ARGUMENTS`; with `own_group` in a process group of its own, as a terminal would."""
        environment = os.environ | {"KB_HOME": str(self.home), "KB_IDLE_SECONDS": "60"}
        environment |= {f"KB_{name.upper()}": value for name, value in self.settings.items()}
        return Running(KbProcess([str(argument) for argument in arguments], environment, Path.cwd(), own_group))

    def run(self, *arguments: object, expect: int | None = 0) -> Outcome:
        """Run `kb ARGUMENTS` to its end; `expect` is the exit code that it must have, None any."""
        outcome = self.start(*arguments).wait()
        said = f"kb {' '.join(map(str, arguments))} exited {outcome.code}\n{outcome.stdout}\n{outcome.stderr}"
        assert expect is None or outcome.code == expect, said
        return outcome

    def json(self, *arguments: object, expect: int = 0) -> Any:
        return self.run(*arguments, "--json", expect=expect).json()

    def found(self, query: str, *options: object) -> list[str]:
        """The source files of the hits, best first."""
        return [hit["source_file"] for hit in self.json("search", query, *options)["hits"]]

    @property
    def database_url(self) -> str:
        """Where the ledger is: the configured URL, or that of the embedded server, which must be running."""
        if "database_url" in self.settings:
            return self.settings["database_url"]
        state = read_state(self.home, POSTGRES)
        assert state is not None, "the embedded PostgreSQL was not started"
        assert state.url is not None, "the embedded PostgreSQL is not ready"
        return state.url

    def rows(self, statement: Any, *parameters: object) -> list[tuple[Any, ...]]:
        """What a DBA would see."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, parameters or None).fetchall()

    def contents(self) -> dict[str, list[str]]:
        """source_file -> its chunks in order."""
        found: dict[str, list[str]] = {}
        for source_file, content in self.rows(
            "SELECT source_file, content FROM knowledge_chunks ORDER BY source_file, ordinal"
        ):
            found.setdefault(source_file, []).append(content)
        return found

    def owner(self, name: str) -> Identity | None:
        state = read_state(self.home, name)
        return state.owner if state is not None and is_alive(state.owner) else None

    def server(self, name: str) -> Identity | None:
        state = read_state(self.home, name)
        return state.server if state is not None and state.server is not None and is_alive(state.server) else None

    def processes(self) -> list[str]:
        """Everything that runs for this home, with its command line; zombies left out."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or identify(int(entry.name)) is None:
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if str(self.home) in command or folder.is_relative_to(self.home):
                found.append(f"{entry.name} {command}")
        return found

    def stop(self) -> None:
        stop_all(self.home)


@dataclass
class Running:
    """A command that was started."""

    process: KbProcess

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def workers(self) -> list[Identity]:
        """Its parser processes."""
        return [child for child in descendants(self.pid) if "kb_pipeline.parsing.worker" in _command_line(child.pid)]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> bool:
        """Send a signal; False when the command had ended already."""
        process = identify(self.pid)
        return process is not None and send(process, number)

    def wait(self, seconds: float = COMMAND_SECONDS) -> Outcome:
        try:
            stdout, stderr = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(f"kb was not done after {seconds} s:\n{stdout}\n{stderr}") from None
        assert self.process.returncode is not None
        return Outcome(self.process.returncode, stdout, stderr)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return once `condition` holds; an AssertionError says what did not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.01)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
