"""`kb up` with stand-ins for Dagster: what one Ctrl-C, a closed terminal or a SIGKILL leaves behind.

Each stand-in starts a child of its own in another session, as Dagster's run workers are started by its
code server, and one of them ignores SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.cli.up import run_up
from kb_pipeline.errors import SettingsError
from kb_pipeline.services.daemon import UP, read_state, running, stop_all
from kb_pipeline.services.postgres import ensure_postgres
from kb_pipeline.services.supervisor import Plan, Program
from kb_pipeline.settings import load_settings
from kb_pipeline.system.locks import is_locked

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.integration.services.conftest import ProcessesOf, WaitFor

# argv: the home (so that the process table shows whose it is), then what to do.
STAND_IN = """
import signal, socket, subprocess, sys, time
home, deed, port = sys.argv[1:]
grandchild = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
if deed == "linger":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif deed != "end":
    subprocess.Popen([sys.executable, "-c", grandchild, home], start_new_session=True)
if deed == "ensure":
    from pathlib import Path
    from kb_pipeline.services.postgres import ensure_postgres
    ensure_postgres(Path(home), idle_seconds=600)
listener = socket.create_server(("127.0.0.1", int(port)))
if deed in ("fail", "end"):
    time.sleep(0.5)
    sys.exit("the stand-in has failed")
time.sleep(600)
"""
UP_COMMAND = """
import sys
from kb_pipeline.cli import up
from kb_pipeline.services import supervisor
sys.exit(up.run_plan(supervisor.Plan.from_json(sys.argv[1]), address="http://stand-in"))
"""


@pytest.fixture
def ports() -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    numbers = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return numbers


def _start(home: Path, ports: list[int], *deeds: str, stop_seconds: float = 1.0) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    for name in ("run", "log", "tmp"):
        (home / name).mkdir(exist_ok=True)
    programs = tuple(
        Program(
            name=deed,
            title=f"Stand-in {deed}",
            command=(sys.executable, "-c", STAND_IN, str(home), deed, str(port)),
            socket=port,
            address=f"http://127.0.0.1:{port}",
            keeps_nothing=deed == "linger",
        )
        for deed, port in zip(deeds, ports, strict=False)
    )
    plan = Plan(home, programs, {}, stop_seconds=stop_seconds)
    return subprocess.Popen(
        [sys.executable, "-c", UP_COMMAND, plan.to_json()],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_as_in_a_terminal,  # noqa: PLW1509 - no other thread forks meanwhile
    )


def _as_in_a_terminal() -> None:
    """What runs the tests may ignore signals, and a child inherits that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _read_until(process: subprocess.Popen[str], *texts: str) -> str:
    assert process.stderr
    seen = ""
    for line in process.stderr:
        seen += line
        if all(text in seen for text in texts):
            return seen
    raise AssertionError(f"ended with: {seen}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_leaves_nothing(
    home: Path, ports: list[int], number: signal.Signals, processes_of: ProcessesOf
) -> None:
    with _start(home, ports, "ensure", "listen") as up:
        _read_until(up, *(f"http://127.0.0.1:{port}" for port in ports))
        assert {state.name for state in running(home)} == {UP, "postgres"}
        up.send_signal(number)
        up.communicate(timeout=60)
    assert up.returncode == 0
    assert processes_of(home) == []
    assert running(home) == []


@pytest.mark.parametrize("victims", ["front", "supervisor"])
def test_killing_it_leaves_nothing(
    home: Path, ports: list[int], victims: str, processes_of: ProcessesOf, wait_for: WaitFor
) -> None:
    with _start(home, ports, "ensure", "listen") as up:
        _read_until(up, *(f"http://127.0.0.1:{port}" for port in ports))
        state = read_state(home, UP)
        assert state
        assert state.server
        os.kill(state.owner.pid if victims == "front" else state.server.pid, signal.SIGKILL)
        up.wait(timeout=60)
    assert up.returncode != 0
    wait_for(lambda: not processes_of(home), "nothing runs")


def test_a_program_that_ends_stops_the_rest_and_is_named(
    home: Path, ports: list[int], processes_of: ProcessesOf
) -> None:
    with _start(home, ports, "listen", "fail") as up:
        _, errors = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "Stand-in fail ended with code 1" in errors
    assert "the stand-in has failed" in errors
    assert processes_of(home) == []


def test_a_program_that_keeps_nothing_is_not_waited_for(
    home: Path, ports: list[int], processes_of: ProcessesOf
) -> None:
    with _start(home, ports, "linger", "end", stop_seconds=600.0) as up:
        _, errors = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "Stand-in end ended with code 1" in errors
    assert processes_of(home) == []


def test_kb_down_stops_it(home: Path, ports: list[int], processes_of: ProcessesOf) -> None:
    with _start(home, ports, "ensure", "listen") as up:
        _read_until(up, *(f"http://127.0.0.1:{port}" for port in ports))
        assert stop_all(home) == [UP, "postgres"]
        assert processes_of(home) == []
        up.communicate(timeout=60)
    assert up.returncode == 0


def test_a_second_one_names_the_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setenv("KB_HOME", str(home))
    ensure_postgres(home, idle_seconds=60)
    with (home / "run" / "up.owner").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match="already running"):
            run_up(load_settings())
    assert not is_locked(home / "run" / "up.owner")


def test_a_taken_port_names_the_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_HOME", str(home))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("KB_DAGSTER_PORT", str(taken.getsockname()[1]))
        with pytest.raises(SettingsError, match="KB_DAGSTER_PORT"):
            run_up(load_settings())
    assert not is_locked(home / "run" / "up.owner")
