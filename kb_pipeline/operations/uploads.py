"""Documents that come in over HTTP: files in a source folder that the server owns.

A document is named by its collection and its file name, and lies as COLLECTION/NAME in the folder. It is written beside
its place under a hidden name, which no scan looks at, and put there whole: the next scan finds it as it finds any other
file. Whoever dies on the way leaves a hidden file, which the next start removes.

Terms
  state   of a document by its name. waiting: the file lies there, and a run has not come to it. loaded: what it says
          can be found. failed: it could not be processed, for the reason given. leaving: the file is gone, and what it
          says can still be found until the next run.
"""

from __future__ import annotations

import os
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.sidecars import is_sidecar
from kb_pipeline.parsing.formats import is_readable_name
from kb_pipeline.source.listing import canonical_uri
from kb_pipeline.source.walk import is_ignored
from kb_pipeline.store import ledger

if TYPE_CHECKING:
    from kb_pipeline.settings import Settings
    from kb_pipeline.source.names import Names
    from kb_pipeline.store.database import Connection

State = Literal["waiting", "loaded", "failed", "leaving"]

LONGEST_NAME = 200  # bytes of UTF-8; file systems hold 255, and the hidden name is longer
PARTIAL = ".upload-"
STALE_SECONDS = 24 * 3600  # no upload takes that long
# What Windows takes for a device, whatever follows behind a dot.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))})


class NameTaken(SettingsError):
    """Another file has this name but for capitals."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a document has come; `reason`: why it failed. `document_id`: once a run has seen it."""

    state: State
    reason: str | None
    document_id: int | None


@dataclass(frozen=True, slots=True)
class Uploads:
    """`names`: how paths are stored, asked for when one is first needed."""

    folder: Path
    largest: int  # bytes
    names: Callable[[], Names]

    @property
    def uri(self) -> str:
        return canonical_uri(str(self.folder))

    def remove_partial(self) -> None:
        """Remove what uploads left that were cut off."""
        oldest = time.time() - STALE_SECONDS
        for file in self.folder.glob(f"*/{PARTIAL}*"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    @contextmanager
    def writing(self, collection: str, name: str) -> Iterator[BinaryIO]:
        """A file to write a document to; in its place once the block ends without an error, else nowhere.

        Raises SettingsError for a name that cannot be one, OSError.
        """
        place = self._place(collection, name)
        if not is_readable_name(place.name):
            raise SettingsError(
                "No reader knows this kind of file; send one that docs/formats.md lists, or convert it."
            )
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        other = _same_but_for_capitals(place)
        if other is not None:
            raise NameTaken(f"There is {other} already, which differs only by capitals; use that name.")
        descriptor, partial = tempfile.mkstemp(dir=place.parent, prefix=PARTIAL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            Path(partial).replace(place)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise

    def register(self, connection: Connection) -> None:
        """Have scans look at the folder from now on."""
        ledger.register_source(connection, self.uri)

    def remove(self, collection: str, name: str) -> bool:
        """Whether there was such a file. Raises SettingsError, OSError."""
        try:
            self._place(collection, name).unlink()
        except FileNotFoundError:
            return False
        return True

    def standing(self, connection: Connection, collection: str, name: str) -> Standing | None:
        """None for a document that is not here. Raises SettingsError, OSError."""
        place = self._place(collection, name)
        try:
            info = place.stat()
        except FileNotFoundError:
            info = None
        path = self.names().stored_path(f"{collection}/{place.name}")
        found = ledger.progress(connection, self.uri, path)
        if found is None:
            return None if info is None else Standing("waiting", None, None)
        if info is None:
            return Standing("leaving", None, found.document_id)
        if (found.size, found.modified_ns) != (info.st_size, info.st_mtime_ns):
            return Standing("waiting", None, found.document_id)
        if found.failure is not None:
            return Standing("failed", found.failure, found.document_id)
        return Standing("loaded" if found.is_loaded else "waiting", None, found.document_id)

    def _place(self, collection: str, name: str) -> Path:
        return self.folder / _checked(collection, "collection") / _checked(name, "document")


def uploads_of(settings: Settings, names: Callable[[], Names]) -> Uploads:
    folder = settings.server.uploads or settings.home_path / "uploads"
    return Uploads(folder.expanduser().resolve(), settings.server.largest_upload_mb << 20, names)


def _checked(name: str, what: str) -> str:
    """`name` as it is written. Raises SettingsError for one that leads elsewhere, or that no scan would look at."""
    plain = unicodedata.normalize("NFC", name)
    if not plain.isprintable() or "/" in plain or "\\" in plain:
        raise SettingsError(f"The name of the {what} holds a character that no file name can; use letters and digits.")
    if len(plain.encode()) > LONGEST_NAME:
        raise SettingsError(f"The name of the {what} is longer than {LONGEST_NAME} bytes; shorten it.")
    if (
        not plain
        or is_ignored(plain)
        or plain != plain.strip().rstrip(".")
        or plain.partition(".")[0].lower() in _DEVICES
    ):
        raise SettingsError(
            f"The {what} cannot have this name: hidden, temporary and reserved ones are passed over; use another."
        )
    if is_sidecar(plain):
        raise SettingsError("This name is that of a file which describes others; put those into a source folder.")
    return plain


def _same_but_for_capitals(place: Path) -> str | None:
    return next(
        (
            other
            for other in os.listdir(place.parent)  # noqa: PTH208 - names are wanted
            if other != place.name and other.casefold() == place.name.casefold()
        ),
        None,
    )
