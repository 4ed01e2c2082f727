"""A document's own file, as long as it holds the bytes that the stored text was made of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kb_pipeline.errors import ChangedWhileRead
from kb_pipeline.source.listing import READ_BYTES, open_file, reading

if TYPE_CHECKING:
    from typing import BinaryIO


def open_unchanged(uri: str, path: str, content_hash: bytes) -> BinaryIO:
    """The file at `path` of a source, if sha256 of its bytes is `content_hash`; no copy of it is made.

    Raises UnreadableFile, ChangedWhileRead.
    """
    file = open_file(uri, path)
    try:
        digest = hashlib.sha256()
        with reading(uri, path):
            while piece := file.read(READ_BYTES):
                digest.update(piece)
            file.seek(0)
        if digest.digest() != content_hash:
            raise ChangedWhileRead("The file has changed since it was read; ask again after the next run.")
    except BaseException:
        file.close()
        raise
    return file
