"""The files that documents were read from, as they lie in their sources: nothing of them is masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kb_pipeline.errors import UnreadableFile
from kb_pipeline.source.originals import open_unchanged
from kb_pipeline.store.reading import origin

if TYPE_CHECKING:
    from kb_pipeline.source.names import Names
    from kb_pipeline.store.database import Connection


@dataclass(frozen=True, slots=True)
class Original:
    """`name`: of the file, without its folders. Whoever asked closes `file`."""

    name: str
    file: BinaryIO


def open_original(names: Names, connection: Connection, document: int) -> Original:
    """The file that the stored text of a document was made of. Raises UnreadableFile, ChangedWhileRead."""
    found = origin(connection, document)
    if found is None:
        raise UnreadableFile("The file was removed from its source; its text goes with the next run.")
    path = names.real_path(found.source, found.path)
    return Original(path.rpartition("/")[2], open_unchanged(names.sources.of(found.source), path, found.content_hash))
