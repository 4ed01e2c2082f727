"""Services that a home owns: started once, shared by every command, found again by their state file.

A *service* is a server of one home (PostgreSQL, the embedding server). Its *owner* is a detached process
that starts the server as its child, waits until it is ready, writes the *state file*
`KB_HOME/run/<name>.json`, and stops the server when the home is no longer used. The owner holds the lock
`run/<name>.owner` for its life, so that it can never be mistaken for another process; whoever starts an
owner holds `run/<name>.start` meanwhile, so that two commands at once start one server and both use it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb_pipeline.progress import waiting_for
from kb_pipeline.services import lease
from kb_pipeline.services.home import log_folder, make_home, run_folder
from kb_pipeline.system.files import write_atomically
from kb_pipeline.system.locks import is_locked, locked
from kb_pipeline.system.process import Identity, end, is_alive, send, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kb_pipeline.errors import UnavailableError

POSTGRES = "postgres"
EMBEDDING = "embedding"
SGLANG = "sglang"  # takes minutes to start, so it outlives a `kb up`
UP = "up"  # a `kb up`: its state file has the same form, its owner is the command itself
SERVERS = (EMBEDDING, POSTGRES)  # in the order in which they are stopped
ALL = (UP, SGLANG, *SERVERS)

STOP_SECONDS = 90.0  # an owner needs this long at most to stop its server
LOG_BYTES = 10_000_000  # a log larger than this is set aside when its service starts
MOST_LOG_READ = 4 << 20  # bytes of what one start wrote
_POLL_SECONDS = 0.02
# The line that ends a traceback, behind whatever a logger puts before each line.
_EXCEPTION = re.compile(
    r"Traceback \(most recent call last\):\n(?:.*\n)*?\S*?\b((?:\w+\.)*\w*(?:Error|Exception|Exit)\w*(?::.*)?)$",
    re.MULTILINE,
)
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ServiceState:
    """What a state file says. `url` and `server` are None until the server is ready.

    `options` are what the server was started with; another wish means a restart.
    """

    name: str
    owner: Identity
    server: Identity | None = None
    url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready_url(self) -> str | None:
        """The URL, while owner and server are both still there."""
        there = self.server is not None and is_alive(self.server) and is_alive(self.owner)
        return self.url if there else None


@dataclass(frozen=True)
class ServiceRequest:
    """A service that a command wants. `title` and `remedy` go into the error when it cannot be had.

    `replace`: a server that was started with other options is stopped and started anew; otherwise it is used.
    `takes_long`: a person who waits for it wants to know.
    """

    name: str
    title: str
    idle_seconds: float
    start_seconds: float
    remedy: str
    error: type[UnavailableError]
    options: Mapping[str, str] = field(default_factory=dict)
    replace: bool = True
    takes_long: bool = False

    def accepts(self, state: ServiceState) -> bool:
        return not self.replace or state.options == self.options


def ensure(home: Path, request: ServiceRequest) -> str:
    """The URL of this home's service, which is started when it is not there.

    Takes a lease for the rest of this process's life. Raises `request.error`.
    """
    home = make_home(home)
    lease.keep(home)
    state = read_state(home, request.name)
    if state is not None and (url := state.ready_url) is not None and request.accepts(state):
        return url
    if request.takes_long:
        waiting_for(
            f"{request.title} is being started, which may take a while; its log is {log_file(home, request.name)}."
        )
    with locked(run_folder(home) / f"{request.name}.start"):
        return _start(home, request)


def running(home: Path) -> list[ServiceState]:
    """What runs for this home and is ready, a `kb up` first."""
    states = (read_state(home.expanduser().resolve(), name) for name in ALL)
    return [state for state in states if state is not None and state.ready_url is not None]


def stop_all(home: Path) -> list[str]:
    """Stop what runs for this home, a `kb up` first; wait until it is gone, and name what was there."""
    there = [state.name for state in running(home)]
    stopped = [name for name in ALL if stop(home, name)]
    return [name for name in ALL if name in there or name in stopped]


def stop_servers(home: Path) -> list[str]:
    """The same for the servers alone, without SGLang."""
    return [name for name in SERVERS if stop(home, name)]


def stop(home: Path, name: str) -> bool:
    """Stop one service and wait until it is gone; False when it was not there."""
    home = home.expanduser().resolve()
    if not run_folder(home).is_dir():
        return False
    state = read_state(home, name)
    deadline = time.monotonic() + _POLL_SECONDS * 50
    while state is None and is_locked(owner_lock(home, name)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)  # an owner that has only just begun
        state = read_state(home, name)
    if state is None:
        return False
    there = is_alive(state.owner) or (state.server is not None and is_alive(state.server))
    if send(state.owner, signal.SIGTERM) and wait_until_gone([state.owner], STOP_SECONDS):
        end([state.owner], [(signal.SIGKILL, 1.0)])
    if state.server is not None and wait_until_gone([state.server], 10.0):
        end([state.server], [(signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)])
    remove_state(home, state)
    return there


def state_file(home: Path, name: str) -> Path:
    return run_folder(home) / f"{name}.json"


def owner_lock(home: Path, name: str) -> Path:
    return run_folder(home) / f"{name}.owner"


def log_file(home: Path, name: str) -> Path:
    return log_folder(home) / f"{name}.log"


def read_state(home: Path, name: str) -> ServiceState | None:
    """The state file, or None when there is none that can be read."""
    try:
        data: dict[str, Any] = json.loads(state_file(home, name).read_text())
        server = Identity(**data["server"]) if data["server"] else None
        return ServiceState(data["name"], Identity(**data["owner"]), server, data["url"], data["options"])
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def write_state(home: Path, state: ServiceState) -> None:
    path = state_file(home, state.name)
    write_atomically(path, json.dumps(asdict(state)))


def remove_state(home: Path, state: ServiceState) -> None:
    """Remove the state file if it is still the one of this owner."""
    current = read_state(home, state.name)
    if current is not None and current.owner == state.owner:
        state_file(home, state.name).unlink(missing_ok=True)


def last_lines(path: Path, offset: int = 0, *, characters: int = 600) -> str:
    """The last lines of a log from byte `offset` on, as one line."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(offset, size - 8192))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-3:])[:characters]


def failure_in(path: Path, offset: int = 0, *, characters: int = 600) -> str:
    """Why the program that wrote a log from byte `offset` on failed, as one line.

    The exception of its first traceback: a server that is given up prints others, and pages of help, after it. Without
    any traceback, the last lines.
    """
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read(MOST_LOG_READ).decode(errors="replace")
    if found := _EXCEPTION.search(text):
        return found[1].strip()[:characters]
    return last_lines(path, offset, characters=characters)


def rotate(log: Path) -> int:
    """Set a large log aside; return the byte at which what is written next begins."""
    size = log.stat().st_size if log.exists() else 0
    if size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
        return 0
    return size


def package_environment() -> dict[str, str]:
    """This process's environment, in which Python finds this package: a checkout may be the installation."""
    paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _start(home: Path, request: ServiceRequest) -> str:
    deadline = time.monotonic() + request.start_seconds
    lock = owner_lock(home, request.name)
    log = log_file(home, request.name)
    log_offset = 0
    spawned = False
    while time.monotonic() < deadline:
        state = read_state(home, request.name)
        if state is not None and (url := state.ready_url) is not None:
            if request.accepts(state):
                return url
            stop(home, request.name)
        elif is_locked(lock):
            time.sleep(_POLL_SECONDS)  # it is starting or ending
        elif spawned:
            raise request.error(_failure(request, log, log_offset, "did not start"))
        else:
            log_offset = rotate(log)
            spawned = _spawn_owner(home, request, log_offset)
    raise request.error(_failure(request, log, log_offset, f"was not ready after {request.start_seconds:.0f} s"))


def _spawn_owner(home: Path, request: ServiceRequest, log_offset: int) -> bool:
    """Start an owner; False when there is one already. When it returns, the owner holds its lock.

    `log_offset`: the byte of the log at which what it writes begins.
    """
    command = [sys.executable, "-P", "-m", "kb_pipeline.services.owner", request.name]
    command += ["--home", str(home), "--idle-seconds", str(request.idle_seconds)]
    command += ["--start-seconds", str(request.start_seconds), "--options", json.dumps(dict(request.options))]
    log_path = log_file(home, request.name)
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env=package_environment(),
            start_new_session=True,
            check=False,
        )
    if process.returncode not in (0, os.EX_TEMPFAIL):
        raise request.error(_failure(request, log_path, log_offset, "did not start"))
    return process.returncode == 0


def _failure(request: ServiceRequest, log: Path, offset: int, what: str) -> str:
    lines = failure_in(log, offset).rstrip(".")
    because = f"; its log {log} says: {lines}" if lines else f"; see its log {log}"
    return f"{request.title} {what}{because}. {request.remedy}"
