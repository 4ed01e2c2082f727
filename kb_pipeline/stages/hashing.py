"""Hashing the files that a scan found, as their source is best read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kb_pipeline.errors import DocumentError, SharedName
from kb_pipeline.source.listing import Entry
from kb_pipeline.source.place import Place

if TYPE_CHECKING:
    from kb_pipeline.stages.raw_documents import Scan


@contextmanager
def hashing(
    scan: Scan, place: Place, known: dict[str, bytes]
) -> Iterator[Callable[[Sequence[Entry]], list[bytes | DocumentError]]]:
    """A function that hashes a batch of files: one after another on a local disk, many at once over a network."""

    def digest(entry: Entry) -> bytes | DocumentError:
        if entry.path in scan.namesakes:
            return SharedName("Another file's name is stored as this one's would be; rename one of them.")
        try:
            return known.get(entry.path) or place.hash(scan.real_paths.get(entry.path, entry.path))
        except DocumentError as error:
            return error

    def expected(entries: Sequence[Entry]) -> Sequence[Entry]:
        place.expect([scan.real_paths.get(entry.path, entry.path) for entry in entries if entry.path not in known])
        return entries

    if place.readers == 1:
        yield lambda entries: [digest(entry) for entry in expected(entries)]
        return
    with ThreadPoolExecutor(place.readers) as pool:
        yield lambda entries: list(pool.map(digest, expected(entries)))
