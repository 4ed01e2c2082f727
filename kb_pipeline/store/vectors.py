"""Rows of the table `embeddings` as COPY BINARY takes them, made for a whole batch at once.

Writing them value by value costs more than PostgreSQL needs to take them in. The layout of a row is that of
PostgreSQL's COPY documentation; a halfvec is its dimension, two unused bytes, and the elements.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags, length of an extension
_TRAILER = b"\xff\xff"
_COLUMNS = 3
_HALFVEC_HEADER = 4  # bytes


def embedding_rows(hashes: Sequence[bytes], model: str, vectors: NDArray[np.float32]) -> bytes:
    """Rows (text_hash, model_fingerprint, embedding) for COPY BINARY.

    `hashes`: n of one length; `vectors`: (n, dimension).
    """
    import numpy as np

    count, dimension = vectors.shape
    halves = vectors.astype(">f2").view(np.uint8).reshape(count, 2 * dimension)
    fingerprint = model.encode()
    before = struct.pack("!hi", _COLUMNS, len(hashes[0]))
    between = struct.pack("!i", len(fingerprint)) + fingerprint
    between += struct.pack("!ihh", _HALFVEC_HEADER + 2 * dimension, dimension, 0)
    parts = [
        np.frombuffer(before, np.uint8),
        np.frombuffer(b"".join(hashes), np.uint8).reshape(count, -1),
        np.frombuffer(between, np.uint8),
        halves,
    ]
    rows = np.hstack([np.broadcast_to(part, (count, part.shape[-1])) for part in parts])
    return b"".join((_HEADER, rows.data, _TRAILER))
