"""Files of another machine, by SFTP, SMB or WebDAV: walked folder by folder, as a local one is.

A server that gives nothing for a while is given up, and so is everything else that is asked of it until the next look
at the source: a hundred files on a share that hangs cost half a minute, and not a hundred times that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from kb_pipeline.errors import DocumentError, SettingsError, SourceUnavailable, UnreadableFile
from kb_pipeline.parsing.carriers import Carried
from kb_pipeline.settings import SourceSettings
from kb_pipeline.source.listing import FETCHED_PREFIX, PATIENCE_SECONDS, READ_BYTES, Gathered, Listing
from kb_pipeline.source.place import Known, ReadWhole, nothing_known
from kb_pipeline.source.selection import Selection
from kb_pipeline.source.walk import is_ignored
from kb_pipeline.system.files import in_time, while_it_moves
from kb_pipeline.system.scratch import scratch_folder

T = TypeVar("T")


@dataclass
class Share(ReadWhole):
    """A folder of a server."""

    uri: str
    own: SourceSettings
    readers: int = 4
    _filesystem: Any = field(default=None, repr=False)
    _is_silent: bool = False

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:  # noqa: ARG002 - of `Place`
        self._filesystem, self._is_silent = None, False
        found = Gathered(self.uri, selection)
        looked_at = [0]
        try:
            while_it_moves(lambda: self._walk(found, looked_at), lambda: looked_at[0], PATIENCE_SECONDS)
        except TimeoutError:
            self._is_silent = True
            raise self._silent() from None
        return found.listing()

    def names(self, folder: str) -> list[str]:
        return self._in_time(lambda: [_name(info) for info in self._ls(folder)])

    def contents(self, path: str) -> Sequence[Carried]:  # noqa: ARG002 - of `Place`
        return ()

    def is_empty(self) -> bool:
        self._filesystem, self._is_silent = None, False
        try:
            return not self._in_time(lambda: self._listed(""))
        except UnreadableFile:
            raise self._silent() from None

    def expect(self, paths: Sequence[str]) -> None:
        """Files are fetched one by one."""

    def read(self, path: str) -> bytes:
        data = bytearray()
        self._pieces(path, data.extend)
        return bytes(data)

    def read_start(self, path: str, most: int) -> bytes:
        def start() -> bytes:
            with self._reach().open(self._place(path), "rb") as file:
                return file.read(most)  # type: ignore[no-any-return]

        with self._reading():
            return self._in_time(start)

    def hash(self, path: str) -> bytes:
        digest = hashlib.sha256()
        self._pieces(path, digest.update)
        return digest.digest()

    @contextmanager
    def copy(self, path: str, scratch: Path) -> Iterator[Path]:
        with scratch_folder(scratch, FETCHED_PREFIX) as folder:
            target = folder / ("download" + Path(path).suffix)
            with target.open("wb") as file:
                self._pieces(path, file.write)
            yield target

    def _walk(self, found: Gathered, looked_at: list[int]) -> None:
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = self._listed(folder)
            except SourceUnavailable as error:
                if not folder:
                    raise
                if not isinstance(error.__cause__, PermissionError | FileNotFoundError):
                    raise
                found.unlisted[f"{folder}/"] = "it may not be listed"
                continue
            for info in entries:
                looked_at[0] += 1
                path = f"{folder}/{_name(info)}" if folder else _name(info)
                if info["type"] == "directory":
                    if is_ignored(_name(info)) or found.selection.excludes(f"{path}/"):
                        found.ignored += 1
                    else:
                        pending.append(path)
                elif info["type"] == "file":
                    found.take(path, int(info["size"] or 0), _modified_ns(info), info.get("etag"))
                else:  # a link, which may lead anywhere
                    found.ignored += 1

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        """What is in a folder. Raises SourceUnavailable."""
        try:
            return self._ls(folder)
        except (SettingsError, SourceUnavailable):
            raise
        except Exception as error:
            raise SourceUnavailable(
                f"The source {self.uri} cannot be listed ({type(error).__name__}); check the address, the network, the "
                "credentials and, of SFTP, that the server's key is in known_hosts."
            ) from error

    def _ls(self, folder: str) -> list[dict[str, Any]]:
        filesystem = self._reach()
        filesystem.invalidate_cache()
        place = self._place(folder)
        found = filesystem.ls(place, detail=True)
        return [info for info in found if info["name"].strip("/") != place.strip("/")]

    def _place(self, path: str) -> str:
        root = ROOTS[_scheme(self.uri)](urlsplit(self.uri))
        return f"{root}/{path}".rstrip("/") or "/"

    def _reach(self) -> Any:
        """The filesystem, connected at first use. Raises SettingsError, SourceUnavailable."""
        if self._filesystem is None:
            scheme = _scheme(self.uri)
            try:
                self._filesystem = OPENERS[scheme](urlsplit(self.uri), self._secrets())
            except ImportError:
                extra = scheme.removesuffix("s") if scheme == "webdavs" else scheme
                raise SettingsError(
                    f"The source {self.uri} needs a package that is not installed; install kb_pipeline[{extra}]."
                ) from None
        return self._filesystem

    def _secrets(self) -> dict[str, str]:
        missing = next((variable for variable in self.own.secrets.values() if variable not in os.environ), None)
        if missing:
            raise SourceUnavailable(f"The source {self.uri} needs the variable {missing}, which is not set; set it.")
        return {option: os.environ[variable] for option, variable in self.own.secrets.items()}

    def _pieces(self, path: str, take: Callable[[bytes], object]) -> None:
        """Hand over a file in pieces, for as long as they come. Raises UnreadableFile."""
        moved = [0]

        def read() -> None:
            with self._reach().open(self._place(path), "rb") as file:
                while piece := file.read(READ_BYTES):
                    take(piece)
                    moved[0] += 1

        with self._reading():
            self._unless_silent()
            try:
                while_it_moves(read, lambda: moved[0], PATIENCE_SECONDS)
            except TimeoutError:
                self._is_silent = True
                raise self._no_answer() from None

    def _in_time(self, work: Callable[[], T]) -> T:
        self._unless_silent()
        try:
            return in_time(work, PATIENCE_SECONDS)
        except TimeoutError:
            self._is_silent = True
            raise self._no_answer() from None

    def _unless_silent(self) -> None:
        if self._is_silent:
            raise self._no_answer()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise UnreadableFile("The file vanished while it was being read; the next scan looks again.") from None
        except (DocumentError, SettingsError):
            raise
        except SourceUnavailable as error:
            raise UnreadableFile(str(error)) from None
        except Exception as error:  # noqa: BLE001 - each protocol raises errors of its own kind
            raise UnreadableFile(
                f"The file cannot be fetched ({type(error).__name__}); check the network and the permissions."
            ) from None

    def _no_answer(self) -> UnreadableFile:
        return UnreadableFile(
            "The file cannot be read: its server does not answer; check it, the next scan looks again."
        )

    def _silent(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"The source {self.uri} does not answer: its server gave nothing for {PATIENCE_SECONDS:.0f} seconds; check "
            "it and run again."
        )


def _name(info: dict[str, Any]) -> str:
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def _modified_ns(info: dict[str, Any]) -> int | None:
    """When a file was modified, unless an etag tells more."""
    moment = info.get("mtime") or info.get("modified")
    if info.get("etag") or moment is None:
        return None
    seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
    return int(seconds * 1_000_000) * 1_000


def _scheme(uri: str) -> str:
    return uri.partition("://")[0]


def _sftp(parts: SplitResult, secrets: dict[str, str]) -> Any:
    from sshfs import SSHFileSystem

    # Of its own accord it would take any server for the right one; an empty tuple stands for the user's known_hosts.
    own = {"known_hosts": (), "connect_timeout": PATIENCE_SECONDS, "skip_instance_cache": True}
    login = {"username": unquote(parts.username)} if parts.username else {}
    return SSHFileSystem(parts.hostname, port=parts.port or 22, **own, **login, **secrets)


def _smb(parts: SplitResult, secrets: dict[str, str]) -> Any:
    from fsspec.implementations.smb import SMBFileSystem

    login = {"username": unquote(parts.username)} if parts.username else {}
    own = {"timeout": int(PATIENCE_SECONDS), "auto_mkdir": False, "skip_instance_cache": True}
    return SMBFileSystem(parts.hostname, port=parts.port or 445, **own, **login, **secrets)


def _webdav(parts: SplitResult, secrets: dict[str, str]) -> Any:
    from webdav4.fsspec import WebdavFileSystem

    host = parts.netloc.rpartition("@")[2]
    scheme = "https" if parts.scheme == "webdavs" else "http"
    login = (unquote(parts.username), secrets.get("password", "")) if parts.username else None
    return WebdavFileSystem(f"{scheme}://{host}{parts.path}", auth=login, timeout=PATIENCE_SECONDS)


OPENERS: dict[str, Callable[[SplitResult, dict[str, str]], Any]] = {
    "sftp": _sftp,
    "smb": _smb,
    "webdav": _webdav,
    "webdavs": _webdav,
}
# Where the source begins in the paths of its filesystem.
ROOTS: dict[str, Callable[[SplitResult], str]] = {
    "sftp": lambda parts: unquote(parts.path).rstrip("/"),
    "smb": lambda parts: unquote(parts.path).rstrip("/"),
    "webdav": lambda _: "",
    "webdavs": lambda _: "",
}
