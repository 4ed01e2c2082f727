"""The SGLang server of a home: attached to when it is there, launched when it is not.

SGLang pins torch, transformers and openai exactly, so it lives in an environment of its own and is only
ever a process and a URL. Its owner (see `daemon`) launches it detached, waits until /health says 200, and
keeps it: loading a model takes minutes, so by default it is left running when its users are gone. Every
command and run of the home shares it; a server that someone else started at the same port is used as well.

Its flags, the key among them, go into a private file that is gone once the server is up: what stands on a
command line can be read by everyone on the machine. SGLang prints its flags into its log, which is private, too;
`redacted` takes the key out of what is shown of it.

    KB_HOME/sglang/venv/            the environment that `kb server install` makes
    KB_HOME/sglang/installed.json   which release that is, once it is complete
    KB_HOME/sglang/models.json      where the models of the hub are, each with its commit
    KB_HOME/run/sglang.json         the state file: process ids, URL, model
    KB_HOME/log/sglang.log          what SGLang prints
"""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.progress import waiting_for
from kb_pipeline.services.daemon import SGLANG, ServiceRequest, ensure, log_file, owner_lock
from kb_pipeline.services.home import make_home, run_folder
from kb_pipeline.system.files import write_atomically
from kb_pipeline.system.hosts import is_loopback
from kb_pipeline.system.locks import is_locked, locked
from kb_pipeline.system.process import adopt_orphans, child_setup, descendants, end, end_child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kb_pipeline.settings import SglangSettings

TITLE = "The SGLang server"
REMEDY = "Correct that and try again; kb server logs shows more."
HEALTH_SECONDS = 0.5  # between two looks at a server that is starting
HEALTH_ANSWER_SECONDS = 25.0  # SGLang's own probe gives up after 20
STOP_SECONDS = 60.0  # for requests in flight to be answered
KILL_SECONDS = 10.0
FIRST_HEX = 12  # of the hash of a local folder
SAMPLE_STEP = 16 * 1024 * 1024  # bytes; smaller than one matrix of the models concerned
SAMPLE_BYTES = 4096
_OWN_VARIABLES = ("KB_", "DAGSTER_")
_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH")


class Health(Enum):
    ABSENT = "nothing listens"
    STARTING = "it answers, but is not ready"
    READY = "it answers that it is healthy"
    FOREIGN = "something else listens"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """`path`: folder or hub name, as SGLang takes it. `revision`: what its weights are recognised by."""

    name: str
    path: str
    revision: str


# --- the model ---------------------------------------------------------------------------------


def wanted_model(home: Path, settings: SglangSettings) -> ServedModel:
    """The model that the settings ask for. Raises SettingsError when it is not on this machine."""
    if settings.model is None:
        raise SettingsError("No model is set for SGLang; set KB_SGLANG__MODEL to a local folder or a hub name.")
    folder = Path(settings.model).expanduser()
    name = settings.served_model_name or settings.model.rstrip("/").rsplit("/", 1)[-1]
    if ":" in name:
        raise SettingsError(
            f"SGLang takes the model name {name} for an adapter, because of its colon; set "
            "KB_SGLANG__SERVED_MODEL_NAME to one without."
        )
    if folder.is_dir():
        return ServedModel(name, str(folder.resolve()), f"files-{folder_hash(folder)}")
    if folder.is_absolute() or settings.model.startswith((".", "~")):
        raise SettingsError(f"KB_SGLANG__MODEL {folder} is not a folder; correct it, or give the name of a hub model.")
    recorded = recorded_models(home).get(settings.model)
    if recorded is None or settings.revision not in (None, recorded["asked"], recorded["revision"]):
        which = f" at revision {settings.revision}" if settings.revision else ""
        raise SettingsError(
            f"{settings.model}{which} is not on this machine yet; run kb server install, or set KB_SGLANG__MODEL to "
            "a folder that holds it."
        )
    return ServedModel(name, recorded["path"], recorded["revision"])


def folder_hash(folder: Path) -> str:
    """Hex digits over a model's files: small ones whole, large ones by size and samples every 16 MiB.

    Equal wherever a copy of the folder lies; another when a matrix of the weights was changed.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            size = path.stat().st_size
            digest.update(f"{path.relative_to(folder)}\0{size}\0".encode())
            with path.open("rb") as file:
                for offset in range(0, size, SAMPLE_STEP if size > SAMPLE_STEP else SAMPLE_BYTES):
                    file.seek(offset)
                    digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:FIRST_HEX]


def recorded_models(home: Path) -> dict[str, dict[str, Any]]:
    """Hub name -> `path`, `revision` (the commit) and `asked` (the revision that install was told)."""
    try:
        recorded: dict[str, dict[str, Any]] = json.loads(_models_file(home).read_text())
    except FileNotFoundError:
        return {}
    return recorded


def record_model(home: Path, name: str, *, path: str, revision: str, asked: str | None) -> None:
    models = recorded_models(home) | {name: {"path": path, "revision": revision, "asked": asked}}
    write_record(_models_file(home), models)


def write_record(file: Path, record: Mapping[str, Any]) -> None:
    """Write JSON in one step: whatever happens, the disk fills up or we are killed, there is no half of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(record, indent=1), mode=0o644)


def _models_file(home: Path) -> Path:
    return home / "sglang" / "models.json"


# --- reaching it -------------------------------------------------------------------------------


def ensure_sglang(home: Path, settings: SglangSettings, model: ServedModel, api_key: str | None) -> str:
    """Base URL of a healthy server at the port of the settings, which is launched when that is allowed.

    Whether it serves `model` is for the client to check. Raises EmbeddingServerUnavailable, SettingsError.
    """
    home = make_home(home)
    if not is_locked(owner_lock(home, SGLANG)):
        if _is_there(settings):
            return base_url(settings)
        if not settings.launch:
            raise EmbeddingServerUnavailable(
                f"No SGLang server answers at {base_url(settings)} and KB_SGLANG__LAUNCH is off; run kb server start."
            )
    python = interpreter(home, settings)
    _check_exposure(settings, api_key)
    flags = run_folder(home) / f"sglang-{os.getpid()}.yaml"
    request = ServiceRequest(
        name=SGLANG,
        title=TITLE,
        idle_seconds=math.inf if settings.idle_seconds is None else settings.idle_seconds,
        start_seconds=settings.start_seconds,
        remedy=REMEDY,
        error=EmbeddingServerUnavailable,
        options={
            "python": str(python),
            "flags": str(flags),
            "arguments": shlex.join(settings.extra_args),
            "host": _reached_at(settings.host),
            "port": str(settings.port),
            "model": model.name,
            "revision": model.revision,
        },
        replace=False,
        takes_long=True,
    )
    _write_private(flags, json.dumps(launch_flags(settings, model, api_key)))  # JSON is YAML
    try:
        with locked(_port_lock(settings.port)):
            # Another home of this user may have launched one at the port while we waited.
            if not is_locked(owner_lock(home, SGLANG)) and _is_there(settings):
                return base_url(settings)
            return ensure(home, request)
    except EmbeddingServerUnavailable as error:
        raise EmbeddingServerUnavailable(redacted(str(error), api_key)) from None
    finally:
        flags.unlink(missing_ok=True)


def interpreter(home: Path, settings: SglangSettings) -> Path:
    """The Python that has SGLang. Raises SettingsError when there is none."""
    if settings.python is None:
        python, there = environment(home) / "bin" / "python", stamp_file(home).is_file()
    else:
        python = settings.python.expanduser()
        there = python.is_file()
    if there:
        return python.absolute()  # not resolved: a link of a virtual environment says which one it is
    if settings.python is not None:
        raise SettingsError(f"KB_SGLANG__PYTHON {python} is not there; correct it, or leave it empty and install.")
    raise SettingsError("SGLang is not installed for this KB_HOME; run kb server install, or set KB_SGLANG__PYTHON.")


def environment(home: Path) -> Path:
    """The virtual environment that `kb server install` makes."""
    return home / "sglang" / "venv"


def stamp_file(home: Path) -> Path:
    """Written once that environment is complete."""
    return home / "sglang" / "installed.json"


def launch_flags(settings: SglangSettings, model: ServedModel, api_key: str | None) -> dict[str, Any]:
    """The flags of sglang.launch_server, as its --config file takes them; what is not set is left out."""
    flags = {
        "model-path": model.path,
        "served-model-name": model.name,
        "weight-version": model.revision,
        "is-embedding": True,
        "host": settings.host,
        "port": settings.port,
        "tp-size": settings.tp,
        "dp-size": settings.dp,
        "mem-fraction-static": settings.mem_fraction_static,
        "attention-backend": settings.attention_backend,
        "max-running-requests": settings.max_running_requests,
        "max-queued-requests": settings.max_queued_requests,
        "enable-priority-scheduling": True,  # a search says that it goes before documents
        "sleep-on-idle": True,  # or an idle server keeps a core busy
        "chunked-prefill-size": settings.chunked_prefill_size,
        "context-length": settings.context_length,
        "api-key": api_key,
    }
    return {name: value for name, value in flags.items() if value is not None}


def _port_lock(port: int) -> Path:
    """Held by whoever launches a server at `port`, whichever KB_HOME it works for."""
    return Path(tempfile.gettempdir()) / f"kb-sglang-{os.getuid()}-{port}.lock"


def base_url(settings: SglangSettings) -> str:
    return _url(_reached_at(settings.host), settings.port)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def health(host: str, port: int, seconds: float = HEALTH_ANSWER_SECONDS) -> Health:
    """What /health says. SGLang computes a probe for it, and says 503 while it starts or stops."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except TimeoutError:
        return Health.STARTING
    except OSError:
        return Health.ABSENT
    except http.client.HTTPException:
        return Health.FOREIGN
    finally:
        connection.close()
    return {200: Health.READY, 503: Health.STARTING}.get(status, Health.FOREIGN)


def health_at(settings: SglangSettings) -> Health:
    return health(_reached_at(settings.host), settings.port)


def redacted(text: str, api_key: str | None) -> str:
    """What SGLang printed, without the key."""
    text = re.sub(r"""(api_key['"]?\s*[=:]\s*)('[^']*'|"[^"]*")""", r"\1'…'", text)
    return text.replace(api_key, "…") if api_key else text


def log_lines(home: Path, name: str, count: int, api_key: str | None) -> list[str]:
    """The last `count` lines that a server of this home printed, without the key."""
    path = log_file(home, name)
    if not path.exists():
        return []
    with path.open(errors="replace") as file:
        return [redacted(line.rstrip("\n"), api_key) for line in deque(file, maxlen=count)]


def _is_there(settings: SglangSettings) -> bool:
    """Whether someone else's server is healthy at the port; waits for one that is starting."""
    deadline = time.monotonic() + settings.start_seconds
    told = False
    while True:
        match health_at(settings):
            case Health.READY | Health.ABSENT as found:
                return found is Health.READY
            case Health.STARTING if not told:
                told = True
                waiting_for(f"The server at {base_url(settings)} is starting, which may take minutes.")
            case Health.FOREIGN:
                raise SettingsError(
                    f"Something that is no SGLang server answers at port {settings.port}; set KB_SGLANG__PORT to a "
                    "free port."
                )
        if time.monotonic() > deadline:
            raise EmbeddingServerUnavailable(
                f"The server at {base_url(settings)} was not healthy after {settings.start_seconds:.0f} s; stop it and "
                "try again, or set KB_SGLANG__PORT to a free port."
            )
        time.sleep(HEALTH_SECONDS)


def _reached_at(host: str) -> str:
    """The address at which this machine reaches a server that listens at `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


def _check_exposure(settings: SglangSettings, api_key: str | None) -> None:
    """Raises SettingsError for a server that others could use, and its administration with it, without a key."""
    if not is_loopback(settings.host) and not api_key:
        raise SettingsError(
            f"KB_SGLANG__HOST {settings.host} can be reached from elsewhere; set KB_EMBEDDING_API_KEY as well."
        )


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


# --- the process -------------------------------------------------------------------------------


class SglangServer:
    """The server of one home, as its owner starts and stops it."""

    def __init__(self, home: Path, options: Mapping[str, str]) -> None:
        self._home = home
        self._options = options
        self._next_look = 0.0

    def start(self) -> subprocess.Popen[bytes]:
        adopt_orphans()  # schedulers whose server was killed would hold the card's memory
        command = [self._options["python"], "-m", "sglang.launch_server", "--config", self._options["flags"]]
        return subprocess.Popen(
            command + shlex.split(self._options["arguments"]),
            stdin=subprocess.DEVNULL,
            cwd=self._home / "tmp",
            env=launch_environment(os.environ, Path(self._options["python"])),
            preexec_fn=child_setup(signal.SIGKILL),  # noqa: PLW1509 - an owner has one thread
        )

    def url_when_ready(self) -> str | None:
        if time.monotonic() < self._next_look:
            return None
        host, port = self._options["host"], int(self._options["port"])
        ready = health(host, port) is Health.READY
        self._next_look = time.monotonic() + HEALTH_SECONDS
        if not ready:
            return None
        self._remove_flags()
        return _url(host, port)

    def is_in_use(self) -> bool:
        """Its users hold leases."""
        return False

    def stop(self, child: subprocess.Popen[bytes], *, graceful: bool) -> None:
        """Let it answer what is in flight; its schedulers and tokenizers must not outlive it and hold the card."""
        below = descendants(child.pid)
        end_child(child, [(signal.SIGTERM, STOP_SECONDS)] * graceful + [(signal.SIGKILL, KILL_SECONDS)])
        end(below, [(signal.SIGKILL, KILL_SECONDS)])
        self._remove_flags()

    def _remove_flags(self) -> None:
        """The command that wrote them removes them, too, but may have been killed while it waited."""
        Path(self._options["flags"]).unlink(missing_ok=True)


def launch_environment(ours: Mapping[str, str], python: Path) -> dict[str, str]:
    """Our environment for a process of `python`: without our settings, secrets among them, and without what would
    mix the two Pythons; its programs come first, since SGLang compiles kernels with the ninja of its environment.
    """
    kept = {
        name: value
        for name, value in ours.items()
        if not name.startswith(_OWN_VARIABLES) and name not in _PYTHON_VARIABLES
    }
    return kept | {"PATH": os.pathsep.join([str(python.parent), *filter(None, [ours.get("PATH")])])}
