"""What every test can ask for.

Fixtures
    database_url     URL of a fresh, empty database with the extension `vector`; dropped after the test.
    home             a fresh KB_HOME (not yet made); whatever services were started for it are stopped.
    postgres_url     URL of the maintenance database of the server behind `database_url` (superuser).
    shared_folder    one folder for the whole run, shared by all xdist workers; guard what you make in it
                     with `kb_pipeline.system.locks.locked`.

One embedded PostgreSQL serves the whole run, whatever the number of workers; it starts when the first
test needs it and does not sync to disk. A test that kills or restarts PostgreSQL uses `home` and
`ensure_postgres` instead.

Every test runs in its own `tmp_path` as working folder, without the KB_*, PG* and DAGSTER_* variables of
the developer, so that no `.env` or `kb.toml` reaches it. Programs started as `python -m kb_pipeline…`
find the package from any folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from kb_pipeline.services.daemon import stop_all
from kb_pipeline.services.postgres import ensure_postgres
from kb_pipeline.system.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = "test_template"
IDLE_SECONDS = 30.0  # only matters when the run is killed
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
ROOMY = 4 << 30
SHARED_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # nohup and some runners start us with SIGINT ignored, which every program that a test starts would inherit.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(("KB_", "PG", "DAGSTER_"))]:
        del os.environ[name]
    root = str(Path(__file__).resolve().parents[1])
    # Fixtures of wider scope run in the checkout, whose kb.toml is for its user.
    os.environ["KB_CONFIG"] = str(Path(__file__).with_name("data") / "no_settings.toml")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[SHARED_FOLDER] = Path(worker["shared_folder"] if worker else tempfile.mkdtemp(prefix="kb-tests-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker, in the controller, where the shared folder is."""
    node.workerinput["shared_folder"] = str(node.config.stash[SHARED_FOLDER])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and SHARED_FOLDER in config.stash:
        stop_all(config.stash[SHARED_FOLDER] / "home")
        shutil.rmtree(config.stash[SHARED_FOLDER], ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KB_CONFIG")


@pytest.fixture(scope="session")
def shared_folder(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.stash[SHARED_FOLDER]


@pytest.fixture(scope="session")
def postgres_url(shared_folder: Path) -> str:
    url = _with_database(ensure_postgres(shared_folder / "home", idle_seconds=IDLE_SECONDS), "postgres")
    with locked(shared_folder / "template.lock"), psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone() is None:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE kb").format(sql.Identifier(TEMPLATE)))
    return url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url) as url:
        yield url


@contextmanager
def new_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh database on the server of `postgres_url`; for fixtures that share one."""
    name = f"test_{uuid.uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(create)
    yield _with_database(postgres_url, name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    stop_all(folder)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder for a test that writes small things to disk all the time; on disk where memory is short."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOMY
    with tempfile.TemporaryDirectory(prefix="kb-tests-", dir=MEMORY if roomy else None) as folder:
        yield Path(folder)


def _with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
