"""What a source is, whatever its kind: something that can be listed, and whose files can be read.

A *place* is one source, opened by its settings. Each kind of source is a class with the methods of `Place`, and a line
in `source.kinds`.
"""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from kb_pipeline.parsing.carriers import Carried
from kb_pipeline.source import listing
from kb_pipeline.source.boundary import Boundary
from kb_pipeline.source.listing import FETCHED_PREFIX, Listing
from kb_pipeline.source.selection import Selection
from kb_pipeline.system.scratch import scratch_folder

REMOTE_READERS = 16


# The signatures of what the ledger knows of a source.
Known = Callable[[], frozenset[str]]


def nothing_known() -> frozenset[str]:
    return frozenset()


class Place(Protocol):
    """Paths are those of the listing. What reads raises DocumentError, what lists SourceUnavailable, SettingsError."""

    @property
    def uri(self) -> str: ...

    @property
    def readers(self) -> int:
        """How many files are best read at once."""

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:
        """All that is there now and selected, or an error: never a part."""

    def names(self, folder: str) -> list[str]:
        """The names in one folder ('' is the source itself)."""

    def contents(self, path: str) -> Sequence[Carried]:
        """What the file carries."""

    def is_empty(self) -> bool: ...

    def expect(self, paths: Sequence[str]) -> None:
        """Hear which files are read next, in order, and may be fetched together."""

    def hash(self, path: str) -> bytes:
        """sha256 of a file's bytes."""

    def read_start(self, path: str, most: int) -> bytes:
        """The first `most` bytes of a file."""

    def open(self, path: str) -> BinaryIO:
        """A file to read, from its beginning and again."""

    def copy(self, path: str, scratch: Path) -> AbstractContextManager[Path]:
        """A local file with the bytes of `path`, for as long as the context lasts."""


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of this machine, or files behind a protocol of fsspec."""

    uri: str
    boundary: Boundary

    @property
    def readers(self) -> int:
        return 1 if listing.is_local(self.uri) else REMOTE_READERS

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:  # noqa: ARG002 - of `Place`
        return listing.list_source(self.uri, selection, boundary=self.boundary)

    def names(self, folder: str) -> list[str]:
        return listing.list_names(self.uri, folder)

    def contents(self, path: str) -> Sequence[Carried]:  # noqa: ARG002 - `inside` looks into files
        return ()

    def is_empty(self) -> bool:
        return listing.is_empty(self.uri)

    def expect(self, paths: Sequence[str]) -> None:
        """Files are fetched one by one."""

    def hash(self, path: str) -> bytes:
        return listing.hash_file(self.uri, path)

    def read_start(self, path: str, most: int) -> bytes:
        return listing.read_start(self.uri, path, most)

    def open(self, path: str) -> BinaryIO:
        return listing.open_file(self.uri, path)

    def copy(self, path: str, scratch: Path) -> AbstractContextManager[Path]:
        return listing.local_copy(self.uri, path, scratch)


class ReadWhole(ABC):
    """The part of `Place` that follows where a file comes all at once, as the bytes of `read`."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """All bytes of a file. Raises DocumentError."""

    def hash(self, path: str) -> bytes:
        return hashlib.sha256(self.read(path)).digest()

    def read_start(self, path: str, most: int) -> bytes:
        return self.read(path)[:most]

    def open(self, path: str) -> BinaryIO:
        return io.BytesIO(self.read(path))

    @contextmanager
    def copy(self, path: str, scratch: Path) -> Iterator[Path]:
        data = self.read(path)
        with scratch_folder(scratch, FETCHED_PREFIX) as folder:
            target = folder / ("download" + Path(path).suffix)
            target.write_bytes(data)
            yield target
