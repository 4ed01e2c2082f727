"""The SGLang server of a home, launched and found again. SGLang itself needs a GPU: a stand-in takes its place,
a real server process with SGLang's arguments, log lines, answers and children (kb_pipeline_tests/stand_in).
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.operations.status import servers
from kb_pipeline.progress import telling
from kb_pipeline.services.daemon import SGLANG, log_file, read_state, running, stop, stop_all
from kb_pipeline.services.home import make_home
from kb_pipeline.services.sglang import log_lines, wanted_model
from kb_pipeline.services.supervisor import Plan, Program
from kb_pipeline.settings import Settings, load_settings
from kb_pipeline.site import Site, connect_embedding
from kb_pipeline.system.process import end
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from kb_pipeline.embedding.client import ModelIdentity
    from kb_pipeline_tests.integration.services.conftest import ProcessesOf, RunCommand, WaitFor

    MakeSite = Callable[..., Settings]

STAND_IN = Path(__file__).resolve().parents[2] / "stand_in"
CONNECT = """
import sys
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site, connect_embedding
client = connect_embedding(load_settings())
print(client.identity.name, client.identity.revision, len(client.embed_query("hello", "")))
"""


# What a run under `kb up` does: it launches the server, and goes on.
RUN = f"""{CONNECT}
import socket, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""
UP = """
import signal, sys
from kb_pipeline.cli import up
from kb_pipeline.services import supervisor
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(up.run_plan(supervisor.Plan.from_json(sys.argv[1]), address="http://stand-in"))
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has the stand-in as its `sglang`."""
    script = tmp_path / "bin" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={STAND_IN} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Tiny-Embedding"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(100))
    return folder


@pytest.fixture
def site(home: Path, python: Path, model: Path) -> MakeSite:
    port = _free_port()

    def make(*, api_key: str | None = None, **sglang: Any) -> Settings:
        given = {"model": str(model), "python": str(python), "port": port, "start_seconds": 20} | sglang
        return load_settings(home=home, sglang=given, embedding_api_key=api_key)

    return make


def variables(settings: Settings) -> dict[str, str]:
    return {
        "KB_HOME": str(settings.home_path),
        "KB_SGLANG__MODEL": str(settings.sglang.model),
        "KB_SGLANG__PYTHON": str(settings.sglang.python),
        "KB_SGLANG__PORT": str(settings.sglang.port),
    }


def identity_of(settings: Settings) -> ModelIdentity:
    with connect_embedding(settings) as client:
        return client.identity


def test_it_is_launched_once_and_shared_and_leaves_nothing(
    site: MakeSite, home: Path, run_command: RunCommand, processes_of: ProcessesOf
) -> None:
    settings = site()
    environment = os.environ | variables(settings)
    started = [
        subprocess.Popen([sys.executable, "-c", CONNECT], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in started]
    revision = wanted_model(home, settings.sglang).revision
    assert answers == [f"Tiny-Embedding {revision} 8"] * 2
    assert log_file(home, SGLANG).read_text().count("fired up and ready to roll") == 1
    # Its users are gone, and it still serves the next one.
    assert run_command(CONNECT, env=environment) == answers[0]
    assert log_file(home, SGLANG).read_text().count("fired up and ready to roll") == 1
    assert stop_all(home) == [SGLANG]
    assert processes_of(home) == []


def test_the_end_of_a_kb_up_spares_what_one_of_its_runs_launched(
    site: MakeSite, home: Path, processes_of: ProcessesOf
) -> None:
    settings = site()
    port = _free_port()
    command = (sys.executable, "-c", RUN, str(port))
    run = Program(name="run", title="A run", command=command, socket=port, address="launched")
    plan = Plan(make_home(home), (run,), variables(settings), stop_seconds=1.0)
    with subprocess.Popen([sys.executable, "-c", UP, plan.to_json()], stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        assert "launched" in up.stderr.readline()
        up.terminate()
        up.communicate(timeout=60)
    assert [state.name for state in running(home)] == [SGLANG]
    identity_of(settings)
    assert stop_all(home) == [SGLANG]
    assert processes_of(home) == []


def test_a_crash_at_the_start_is_an_error_with_the_last_lines_of_its_log(
    site: MakeSite, processes_of: ProcessesOf, home: Path
) -> None:
    with pytest.raises(EmbeddingServerUnavailable, match=r"did not start.*Not enough memory.*kb server logs"):
        connect_embedding(site(extra_args=["--stand-in", "crash"]))
    assert processes_of(home) == []
    identity_of(site())  # the next one, set right, starts


def test_one_that_never_becomes_healthy_is_given_up(
    site: MakeSite, home: Path, wait_for: WaitFor, processes_of: ProcessesOf
) -> None:
    with pytest.raises(EmbeddingServerUnavailable, match=r"was not ready after 1 s.*Uvicorn running"):
        connect_embedding(site(extra_args=["--stand-in", "sleepy"], start_seconds=1))
    wait_for(lambda: processes_of(home) == [], "the server that was given up is gone")


def test_another_model_than_wanted_is_an_error_that_names_both(site: MakeSite, model: Path) -> None:
    with pytest.raises(SettingsError, match=r"serves Qwen3-Embedding-8B instead of Tiny-Embedding.*KB_SGLANG__MODEL"):
        connect_embedding(site(extra_args=["--stand-in", "other"]))


def test_other_weights_than_those_it_runs_are_an_error_until_it_is_started_anew(
    site: MakeSite, home: Path, model: Path
) -> None:
    settings = site()
    first = identity_of(settings)
    (model / "model.safetensors").write_bytes(bytes(99) + b"1")
    with pytest.raises(SettingsError, match=r"serves revision files-\w+ of Tiny-Embedding instead of files-\w+; "):
        connect_embedding(settings)
    assert stop(home, SGLANG)
    assert identity_of(settings).fingerprint != first.fingerprint


def test_who_waits_for_a_launch_is_told_once(site: MakeSite, home: Path) -> None:
    told: list[str] = []
    with telling(told.append):
        identity_of(site())
        identity_of(site())
    assert len(told) == 1
    assert "is being started" in told[0]
    assert str(log_file(home, SGLANG)) in told[0]
    assert stop(home, SGLANG)


def test_a_killed_server_is_started_by_the_next_run(
    site: MakeSite, home: Path, wait_for: WaitFor, processes_of: ProcessesOf
) -> None:
    settings = site()
    identity_of(settings)
    state = read_state(home, SGLANG)
    assert state is not None
    assert state.server is not None
    assert end([state.server], [(signal.SIGKILL, 20.0)]) == []
    identity_of(settings)
    after = read_state(home, SGLANG)
    assert after is not None
    assert after.server != state.server
    # What the killed one had started holds the card no longer.
    assert len([process for process in processes_of(home) if "sglang::scheduler" in process]) == 1
    assert stop(home, SGLANG)


def test_the_key_is_asked_for_and_stands_nowhere(site: MakeSite, home: Path, processes_of: ProcessesOf) -> None:
    settings = site(api_key="hunter2-secret")
    told = servers(Site(settings, "postgresql:///"))[1]
    assert (told["kind"], told["address"], told["running"]) == ("SGLang", None, False)
    identity_of(settings)
    told = servers(Site(settings, "postgresql:///"))[1]
    assert (told["address"], told["running"]) == (f"http://127.0.0.1:{settings.sglang.port}/v1", True)
    assert running(home)[0].url == f"http://127.0.0.1:{settings.sglang.port}/v1"
    assert "hunter2" not in " ".join(processes_of(home))
    assert "hunter2" not in "".join(path.read_text() for path in (home / "run").iterdir())
    assert stat.S_IMODE(log_file(home, SGLANG).stat().st_mode) == 0o600
    shown = "\n".join(log_lines(home, SGLANG, 100, None))
    assert "api_key" in shown
    assert "hunter2" not in shown
    with pytest.raises(SettingsError, match="KB_EMBEDDING_API_KEY"):
        connect_embedding(site(api_key="another"))


def test_the_key_is_not_left_in_a_file_when_the_command_is_killed_that_launches(
    site: MakeSite, home: Path, wait_for: WaitFor
) -> None:
    environment = os.environ | variables(site()) | {"KB_EMBEDDING_API_KEY": "s3cr3t"}
    with subprocess.Popen([sys.executable, "-c", CONNECT], env=environment) as command:
        wait_for(lambda: log_file(home, SGLANG).exists() and "Uvicorn" in log_file(home, SGLANG).read_text(), "a start")
        command.kill()
    wait_for(lambda: [state.name for state in running(home)] == [SGLANG], "the server is ready")
    assert [path for path in home.rglob("*.yaml") if "s3cr3t" in path.read_text()] == []


def test_a_server_that_someone_else_started_is_used(site: MakeSite, home: Path, tmp_path: Path) -> None:
    with instant_server(dimension=16, model_name="Tiny-Embedding") as server:
        settings = site(port=_port(server), python="/nowhere")
        with connect_embedding(settings) as client:
            assert client.identity.native_dimension == 16
        assert servers(Site(settings, "postgresql:///"))[1]["running"]
    assert running(home) == []


def test_nothing_is_launched_where_that_is_not_allowed(site: MakeSite, home: Path) -> None:
    with pytest.raises(EmbeddingServerUnavailable, match=r"KB_SGLANG__LAUNCH is off; run kb server start"):
        connect_embedding(site(launch=False))
    assert running(home) == []


def test_a_port_of_something_else_is_named(site: MakeSite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(SettingsError, match="KB_SGLANG__PORT"):
            connect_embedding(site(port=listener.getsockname()[1]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"python": "/nowhere/python"}, "KB_SGLANG__PYTHON"),
        ({"python": None}, "kb server install"),
        ({"model": "/nowhere/model"}, "KB_SGLANG__MODEL"),
        ({"model": "Qwen/Qwen3-Embedding-4B"}, "kb server install"),
        ({"host": "0.0.0.0"}, "KB_EMBEDDING_API_KEY"),  # noqa: S104
    ],
)
def test_what_is_missing_for_a_launch_is_named(site: MakeSite, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        connect_embedding(site(**wrong))


def test_one_that_nobody_uses_stops_where_that_is_wished(
    site: MakeSite, home: Path, run_command: RunCommand, wait_for: WaitFor, processes_of: ProcessesOf
) -> None:
    run_command(CONNECT, env=os.environ | variables(site()) | {"KB_SGLANG__IDLE_SECONDS": "0.2"})
    wait_for(lambda: processes_of(home) == [], "the unused server is gone")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _port(server: InstantServer) -> int:
    return int(server.base_url.rpartition(":")[2].removesuffix("/v1"))
