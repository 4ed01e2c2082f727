"""A source whose carriers are folders, too: what they hold is listed and read as if it lay below them.

A path such as `mail.eml/offer.pdf` leads through the first carrier on it that is a file; see `parsing.carriers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kb_pipeline.parsing.carriers import Carried, contents, extract, is_carrier
from kb_pipeline.source.listing import Listing, is_file
from kb_pipeline.source.place import Known, Place, ReadWhole, nothing_known
from kb_pipeline.source.selection import Selection


@dataclass(frozen=True, slots=True)
class _Within(ReadWhole):
    """Files inside carriers of `outside`."""

    outside: Place
    unzipped_mb: int

    def read(self, path: str) -> bytes:
        carrier, below = _parted(self.outside.uri, path)
        with self.outside.open(carrier) as file:
            return extract(file, carrier, below, unzipped_mb=self.unzipped_mb)


@dataclass(frozen=True, slots=True)
class Inside:
    """`outside`: the source itself; `unzipped_mb`: what a carrier may unpack to, in MiB."""

    outside: Place
    unzipped_mb: int

    @property
    def uri(self) -> str:
        return self.outside.uri

    @property
    def readers(self) -> int:
        return self.outside.readers

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:
        return self.outside.list_files(selection, known)

    def is_empty(self) -> bool:
        return self.outside.is_empty()

    def expect(self, paths: Sequence[str]) -> None:
        self.outside.expect(paths)

    def names(self, folder: str) -> list[str]:
        carrier, below = _parted(self.uri, folder + "/")
        if not carrier:
            return self.outside.names(folder)
        prefix = f"{below}/".lstrip("/") if below.strip("/") else ""
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        found = (one.path.removeprefix(prefix) for one in self.contents(carrier) if one.path.startswith(prefix))
        return list(dict.fromkeys(path.partition("/")[0] for path in found))

    def contents(self, path: str) -> list[Carried]:
        with self.outside.open(path) as file:
            return contents(file, path, unzipped_mb=self.unzipped_mb)

    def hash(self, path: str) -> bytes:
        return self._place(path).hash(path)

    def read_start(self, path: str, most: int) -> bytes:
        return self._place(path).read_start(path, most)

    def open(self, path: str) -> BinaryIO:
        return self._place(path).open(path)

    def copy(self, path: str, scratch: Path) -> AbstractContextManager[Path]:
        return self._place(path).copy(path, scratch)

    def _place(self, path: str) -> Place | _Within:
        carrier, _ = _parted(self.uri, path)
        return _Within(self.outside, self.unzipped_mb) if carrier else self.outside


def _parted(uri: str, path: str) -> tuple[str, str]:
    """The carrier that a path leads through and the path in it; an empty one where it leads through none."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        carrier = "/".join(parts[:count])
        if is_carrier(carrier) and is_file(uri, carrier):
            return carrier, "/".join(parts[count:])
    return "", path
