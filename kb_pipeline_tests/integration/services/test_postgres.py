"""The embedded PostgreSQL with real processes and real signals."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.services import lease, postgres
from kb_pipeline.services.daemon import POSTGRES, ServiceState, log_file, read_state, running, stop_all, write_state
from kb_pipeline.services.home import make_home
from kb_pipeline.services.postgres import PostgresServer, cluster_folder, ensure_postgres, server_package
from kb_pipeline.system.process import Identity, end, identify, is_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.integration.services.conftest import ProcessesOf, RunCommand, WaitFor

ENSURE = """
import sys
from pathlib import Path
from kb_pipeline.services.postgres import ensure_postgres
print(ensure_postgres(Path(sys.argv[1]), idle_seconds=float(sys.argv[2])))
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become another user")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster that was made, used and stopped."""
    home = tmp_path_factory.mktemp("made") / "home"
    ensure_postgres(home, idle_seconds=60)
    stop_all(home)
    yield cluster_folder(home)
    shutil.rmtree(home)


@pytest.fixture
def used_home(home: Path, made: Path) -> Path:
    """A home with a cluster: to make one costs more than what most tests are about."""
    make_home(home)
    subprocess.run(["cp", "--archive", made, cluster_folder(home)], check=True)
    return home


def test_two_commands_at_once_get_one_server(home: Path) -> None:
    command = [sys.executable, "-c", ENSURE, str(home), "60"]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert len(urls) == 1
    assert _postmasters(home) == 1
    assert _scalar(urls.pop(), "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


def test_a_later_command_reuses_the_server(used_home: Path, run_command: RunCommand) -> None:
    first = run_command(ENSURE, used_home, 60)
    server = _state(used_home)
    assert run_command(ENSURE, used_home, 60) == first
    assert _state(used_home) == server


def test_committed_rows_survive_a_killed_server(used_home: Path) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _insert(url)
    _kill(_state(used_home)[1])
    assert _count(ensure_postgres(used_home, idle_seconds=60)) == 1


def test_committed_rows_survive_a_killed_owner(used_home: Path) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _insert(url)
    _kill(_state(used_home)[0])
    assert _count(ensure_postgres(used_home, idle_seconds=60)) == 1
    assert _postmasters(used_home) == 1


def test_a_busy_backend_that_lost_its_server_does_not_block_the_next_start(used_home: Path) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _insert(url)
    owner, server = _state(used_home)
    busy = "do $$ begin loop perform 1; end loop; end $$"
    with psycopg.connect(url, autocommit=True) as client, contextlib.ExitStack() as stack:
        client.pgconn.send_query(busy.encode())
        stack.callback(client.pgconn.finish)
        os.kill(server.pid, signal.SIGKILL)
        _kill(owner)
        assert _count(ensure_postgres(used_home, idle_seconds=60)) == 1
    assert _postmasters(used_home) == 1


def test_a_killed_backend_is_waited_for(used_home: Path) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _insert(url)
    with psycopg.connect(url) as client:
        os.kill(client.info.backend_pid, signal.SIGKILL)
        select.select([client.fileno()], [], [], 20)  # the server has noticed
        client.close()
    assert _count(ensure_postgres(used_home, idle_seconds=60)) == 1


def test_a_server_that_stands_still_is_named_at_once_and_goes_on_or_ends(used_home: Path, wait_for: WaitFor) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _, server = _state(used_home)
    os.kill(server.pid, signal.SIGSTOP)
    wait_for(lambda: is_stopped(server), "the server stands still")
    with pytest.raises(DatabaseUnavailable, match=f"kill -CONT {server.pid}, or end it with kb down"):
        ensure_postgres(used_home, idle_seconds=60)
    os.kill(server.pid, signal.SIGCONT)
    assert ensure_postgres(used_home, idle_seconds=60) == url
    _insert(url)
    os.kill(server.pid, signal.SIGSTOP)
    assert stop_all(used_home) == [POSTGRES]
    assert _scalar(ensure_postgres(used_home, idle_seconds=60), "SELECT count(*) FROM t") == 1


def test_a_server_that_recovers_from_a_crash_can_be_stopped(used_home: Path, processes_of: ProcessesOf) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    _insert(url)
    with psycopg.connect(url) as client:
        os.kill(client.info.backend_pid, signal.SIGKILL)
        select.select([client.fileno()], [], [], 20)
        client.close()
    started = time.monotonic()
    stop_all(used_home)
    assert time.monotonic() - started < postgres.FAST_SHUTDOWN_SECONDS / 2
    assert processes_of(used_home) == []
    assert _count(ensure_postgres(used_home, idle_seconds=60)) == 1


def test_the_server_goes_away_when_nobody_uses_it(
    used_home: Path, run_command: RunCommand, processes_of: ProcessesOf, wait_for: WaitFor
) -> None:
    run_command(ENSURE, used_home, 0.3)
    wait_for(lambda: not processes_of(used_home), "the server is gone")
    assert running(used_home) == []
    assert list((used_home / "run").glob("*.json")) == []


def test_the_server_stays_while_someone_holds_a_lease_or_a_connection(
    used_home: Path, run_command: RunCommand, processes_of: ProcessesOf, wait_for: WaitFor
) -> None:
    with lease.hold(used_home):
        url = run_command(ENSURE, used_home, 0.3)
        time.sleep(1.0)  # what must not happen has no event
        psql = psycopg.connect(url)
    with psql:
        time.sleep(1.0)
        assert psql.execute("SELECT 1").fetchone() == (1,)
    wait_for(lambda: not processes_of(used_home), "the server is gone")


def test_stopping_leaves_no_process(used_home: Path, processes_of: ProcessesOf) -> None:
    ensure_postgres(used_home, idle_seconds=60)
    assert processes_of(used_home)
    assert stop_all(used_home) == [POSTGRES]
    assert processes_of(used_home) == []
    assert stop_all(used_home) == []


def test_deleting_the_home_ends_its_server(home: Path, processes_of: ProcessesOf, wait_for: WaitFor) -> None:
    ensure_postgres(home, idle_seconds=1)
    shutil.rmtree(home)
    wait_for(lambda: not processes_of(home), "the server is gone")
    ensure_postgres(home, idle_seconds=60)


def test_homes_do_not_disturb_each_other(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    try:
        urls = [ensure_postgres(home, idle_seconds=60) for home in homes]
        _insert(urls[0])
        _kill(_state(homes[1])[1])
        assert stop_all(homes[1]) in ([], [POSTGRES])
        assert _count(urls[0]) == 1
    finally:
        for home in homes:
            stop_all(home)


@pytest.mark.parametrize(
    "name", ["with spaces & 100 % ünïcode 知识库", "comma, and 'quote'", "/".join(["long" * 20] * 3)]
)
def test_a_home_may_have_any_path(tmp_path: Path, name: str, processes_of: ProcessesOf) -> None:
    home = tmp_path / name
    try:
        url = ensure_postgres(home, idle_seconds=60)
        assert _scalar(url, "SELECT 1") == 1
        from sqlalchemy import create_engine, text

        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar() == "kb"
        engine.dispose()
    finally:
        stop_all(home)
    assert processes_of(home) == []
    assert not _links_into(home)


@as_root
def test_root_needs_no_open_folders(home: Path) -> None:
    home.parent.chmod(0o700)
    before = {folder: folder.stat().st_mode for folder in home.parents}
    url = ensure_postgres(home, idle_seconds=60)
    assert _scalar(url, "SELECT 1") == 1
    assert {folder: folder.stat().st_mode for folder in home.parents} == before
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert pwd.getpwuid(cluster_folder(home).stat().st_uid).pw_name == postgres.SERVICE_ACCOUNT


@as_root
def test_root_may_keep_the_binaries_where_no_other_user_can_read_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public_folder: Path
) -> None:
    package = server_package()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True, copy_function=os.link)
    monkeypatch.syspath_prepend(closed)
    assert server_package().is_relative_to(closed)
    monkeypatch.setattr(postgres, "BINARY_CACHE", public_folder)
    home.mkdir()
    server = PostgresServer(home)
    child = server.start()
    try:
        while server.url_when_ready() is None:
            assert child.poll() is None
            time.sleep(0.02)
        assert Path(f"/proc/{child.pid}/exe").readlink().is_relative_to(public_folder)
    finally:
        server.stop(child, graceful=True)


@as_root
def test_an_ordinary_user_runs_the_server_alone(run_command: RunCommand, public_folder: Path) -> None:
    user = pwd.getpwnam("nobody")
    home = public_folder / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
    try:
        run_command("import kb_pipeline", **identity)
    except (PermissionError, AssertionError):
        pytest.skip("the checkout or its Python is where other users cannot read it")
    try:
        run_command(ENSURE, home, 60, **identity)
        owner, server = _state(home)
        assert Path(f"/proc/{owner.pid}").stat().st_uid == Path(f"/proc/{server.pid}").stat().st_uid == user.pw_uid
        url = ensure_postgres(home, idle_seconds=60)  # root looks after someone else's home
        assert _scalar(url, "SELECT 1") == 1
        _kill(owner)
        assert _scalar(ensure_postgres(home, idle_seconds=60), "SELECT 1") == 1
        assert cluster_folder(home).stat().st_uid == user.pw_uid
    finally:
        stop_all(home)


def test_a_recycled_pid_is_neither_trusted_nor_ended(used_home: Path) -> None:
    ensure_postgres(used_home, idle_seconds=60)
    stop_all(used_home)
    account = cluster_folder(used_home).stat().st_uid  # PostgreSQL only minds processes of its own account
    with subprocess.Popen(["sleep", "60"], user=account) as stranger:
        found = identify(stranger.pid)
        assert found
        earlier = Identity(found.pid, found.started - 1, found.boot)
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (cluster_folder(used_home) / name).write_text(
                f"{stranger.pid}\n/proc/self/cwd\n1\n5432\n.\n\n 1 1\nready\n"
            )
        write_state(used_home, ServiceState(POSTGRES, earlier, earlier, "postgresql://nowhere"))
        assert running(used_home) == []
        assert _scalar(ensure_postgres(used_home, idle_seconds=60), "SELECT 1") == 1
        stop_all(used_home)
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_cannot_start_says_why(used_home: Path) -> None:
    ensure_postgres(used_home, idle_seconds=60)
    stop_all(used_home)
    with (cluster_folder(used_home) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match=r"no_such_setting.*KB_DATABASE_URL"):
        ensure_postgres(used_home, idle_seconds=60)


def test_logs_hold_no_text_of_statements_or_rows(used_home: Path) -> None:
    url = ensure_postgres(used_home, idle_seconds=60)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE person (name text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('Zhang-San-Secret')")
        for statement in (
            "INSERT INTO person VALUES ('Zhang-San-Secret')",
            "SELECT 'Zhang-San-Secret'::int",
            "SELECT 1/0 /* Zhang-San-Secret */",
            "DO $$ begin raise log 'seen'; end $$",
        ):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement)
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT %s::int", ["Zhang-San-Secret"])
    log = log_file(used_home, POSTGRES).read_text()
    assert "seen" in log
    assert "Secret" not in log


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="kb-public-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _state(home: Path) -> tuple[Identity, Identity]:
    state = read_state(home, POSTGRES)
    assert state
    assert state.server
    return state.owner, state.server


def _kill(process: Identity) -> None:
    """Kill it and wait until the kernel has done so."""
    assert end([process], [(signal.SIGKILL, 20.0)]) == []


def _postmasters(home: Path) -> int:
    found = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0")
            inside = (entry / "cwd").readlink() == cluster_folder(home)
            found += inside and command[0].endswith(b"/postgres")
    return found


def _links_into(home: Path) -> list[Path]:
    links = Path(f"/tmp/kb_pipeline-{os.geteuid()}")  # noqa: S108 - only listed
    return [link for link in links.glob("*") if link.readlink().is_relative_to(home)]


def _insert(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (x int)")
        connection.execute("INSERT INTO t VALUES (1)")


def _count(url: str) -> object:
    return _scalar(url, "SELECT count(*) FROM t")


def _scalar(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row
    return row[0]
