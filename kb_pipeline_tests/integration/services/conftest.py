"""Commands and process tables for the tests of services.

`run_command(code)` runs Python code in a process of its own, as a `kb` command would be, and returns what
it printed. `processes_of(home)` lists what runs for a home, with the command lines, for messages.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

RunCommand = Callable[..., str]
ProcessesOf = Callable[[Path], list[str]]
WaitFor = Callable[..., None]


@pytest.fixture
def run_command() -> RunCommand:
    def run(code: str, *arguments: object, **options: object) -> str:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()

    return run


@pytest.fixture
def processes_of() -> ProcessesOf:
    return _processes_of


@pytest.fixture
def wait_for() -> WaitFor:
    def wait(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
            time.sleep(0.02)

    return wait


def _processes_of(home: Path) -> list[str]:
    """Every process that names the home in its command line or works inside it; zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            folder = (entry / "cwd").readlink()
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and (str(home) in command or folder.is_relative_to(home)):
            found.append(f"{entry.name} {command}")
    return found
