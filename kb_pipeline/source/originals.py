"""A document's own file, as long as it holds the bytes that the stored text was made of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kb_pipeline.errors import ChangedWhileRead
from kb_pipeline.source.listing import READ_BYTES, reading

if TYPE_CHECKING:
    from typing import BinaryIO

    from kb_pipeline.source.place import Place


def open_unchanged(place: Place, path: str, content_hash: bytes) -> BinaryIO:
    """The file at `path` of a source, if sha256 of its bytes is `content_hash`; no copy of it is made.

    Raises UnreadableFile, ChangedWhileRead.
    """
    file = place.open(path)
    try:
        digest = hashlib.sha256()
        with reading(place.uri, path):
            while piece := file.read(READ_BYTES):
                digest.update(piece)
            file.seek(0)
        if digest.digest() != content_hash:
            raise ChangedWhileRead("The file has changed since it was read; ask again after the next run.")
    except BaseException:
        file.close()
        raise
    return file
