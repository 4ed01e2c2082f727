"""The socket in a KB_HOME at which its search server answers `kb search`.

A search takes more than a second of imports, which the server has behind it. Who may write into a KB_HOME runs its
commands, and nobody else reaches the socket: no network leads to it, its folder is private, and its mode is 0600.

A conversation, one JSON object a line:

    server  {"identity": …}     whoever has another goes away before it has asked anything
    asker   {…}                 the question
    server  {"waiting": …}      a sentence, each time that something has to be waited for
    server  {"answer": …}, or {"error": …}: a sentence, of a question that is wrong

A server that cannot answer hangs up, and the asker does for itself what it wanted to have done. So an answer is never
another than without the server: an *identity* stands for the code that answers and for all that it was told.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from kb_pipeline.errors import SettingsError
from kb_pipeline.progress import telling
from kb_pipeline.services.home import make_home, run_folder
from kb_pipeline.settings import fingerprint
from kb_pipeline.system.locks import try_lock
from kb_pipeline.terminal.output import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedRWPair

    from kb_pipeline.settings import Settings

    # Plain data out of plain data; None where the asker has to find out. Raises SettingsError for a wrong question.
    Answer = Callable[[dict[str, Any]], dict[str, Any] | None]

NAME = "search.sock"
MODE = 0o600
GREETING_SECONDS = 2.0  # that an asker gives a server, which may have been stopped
QUESTION_SECONDS = 10.0
_ELSEWHERE = {"home", "search_port", "dagster_port"}  # settings that change no search
_PACKAGE = Path(__file__).resolve().parents[1]

_log = logging.getLogger(__name__)


def identity(settings: Settings) -> str:
    """Of a process with these settings: whatever has the same answers a search the same way."""
    values = settings.model_dump(exclude=_ELSEWHERE)
    postgres = {name: value for name, value in os.environ.items() if name.startswith("PG")}  # libpq reads them
    place = (str(settings.home_path), str(Path.cwd()), sys.prefix)
    return fingerprint(place, _files(str(_PACKAGE)), _revealed(values), postgres)


def ask(home: Path, own: str, question: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any] | None:
    """What the search server of `home` answers; None where none does that is as `own` says.

    `tell` is told what has to be waited for. Raises SettingsError when the question is wrong.
    """
    try:
        with _connected(run_folder(home)) as connection, connection.makefile("rwb") as lines:
            if _heard(lines) != {"identity": own}:
                return None
            connection.settimeout(None)
            _say(lines, question)
            while "waiting" in (said := _heard(lines)):
                tell(said["waiting"])
    except (OSError, ValueError):
        return None
    if "error" in said:
        raise SettingsError(said["error"])
    answer: dict[str, Any] = said["answer"]
    return answer


@contextmanager
def answering(home: Path, own: str, answer: Answer) -> Iterator[None]:
    """Answer at the socket of `home` for the length of a block, unless another server does or it cannot be made."""
    run = run_folder(make_home(home))
    lock = try_lock(run / "search.lock")
    listener = None if lock is None else _listening(run)
    try:
        if listener is not None:
            Thread(target=_accept, args=(listener, own, answer), name="kb search", daemon=True).start()
        yield
    finally:
        if listener is not None:
            (run / NAME).unlink(missing_ok=True)
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who waits in accept
            listener.close()
        if lock is not None:
            os.close(lock)


def _files(folder: str) -> list[tuple[str, int, int]]:
    """Path, size and time of each file of the code; an installation or an edit changes one of them."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found += _files(entry.path) if entry.name != "__pycache__" else []
            else:
                status = entry.stat()
                found.append((entry.path, status.st_size, status.st_mtime_ns))
    return sorted(found)


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _revealed(item) for name, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def _short(run: Path) -> Iterator[str]:
    """A path to the socket, of which an address takes 107 bytes at most, whatever the length of its folder's."""
    folder = os.open(run, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


def _connected(run: Path) -> socket.socket:
    """Raises OSError where nobody listens."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(GREETING_SECONDS)
    try:
        with _short(run) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _listening(run: Path) -> socket.socket | None:
    """None on a file system that has no sockets. One that a killed server left behind is removed."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), MODE)  # before there is a path, which then has it from the start
        (run / NAME).unlink(missing_ok=True)
        with _short(run) as path:
            listener.bind(path)
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


def _accept(listener: socket.socket, own: str, answer: Answer) -> None:
    with suppress(OSError):  # it was closed
        while True:
            connection, _ = listener.accept()
            Thread(target=_converse, args=(connection, own, answer), daemon=True).start()


def _converse(connection: socket.socket, own: str, answer: Answer) -> None:
    connection.settimeout(QUESTION_SECONDS)
    with suppress(OSError, ValueError), connection, connection.makefile("rwb") as lines:  # whoever asked has gone
        _say(lines, {"identity": own})
        question = _heard(lines)
        with telling(lambda sentence: _say(lines, {"waiting": sentence})):
            said = _said(answer, question)
        if said is not None:
            _say(lines, said)


def _said(answer: Answer, question: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found = answer(question)
    except SettingsError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - the command that asked meets it itself; its message may quote the query
        _log.warning("kb search was not answered: %s", type(error).__name__)
        return None
    return None if found is None else {"answer": found}


def _say(lines: BufferedRWPair, value: dict[str, Any]) -> None:
    lines.write(json.dumps(value, default=plain).encode() + b"\n")
    lines.flush()


def _heard(lines: BufferedRWPair) -> dict[str, Any]:
    """The next line. Raises ValueError where there is none, or one that is no object."""
    value = json.loads(lines.readline())
    if not isinstance(value, dict):
        raise ValueError("This is no object.")  # noqa: TRY004 - as what is no JSON
    return value
