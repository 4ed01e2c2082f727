"""Rows of the table `embeddings` as COPY BINARY takes them, made many at once.

Writing them value by value costs more than PostgreSQL needs to take them in. The layout of a row is that of
PostgreSQL's COPY documentation; a halfvec is its dimension, two unused bytes, and the elements.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECE_ROWS = 128  # PostgreSQL takes in one piece while the next is made
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags, length of an extension
_TRAILER = b"\xff\xff"
_COLUMNS = 3
_HALFVEC_HEADER = 4  # bytes


def embedding_rows(hashes: Sequence[bytes], model: str, vectors: NDArray[np.float32]) -> Iterator[bytes]:
    """Rows (text_hash, model_fingerprint, embedding) for COPY BINARY, in order of the hash and in pieces.

    `hashes`: n of one length; `vectors`: (n, dimension).
    """
    import numpy as np

    dimension = vectors.shape[1]
    fingerprint = model.encode()
    before = struct.pack("!hi", _COLUMNS, len(hashes[0]))
    between = struct.pack("!i", len(fingerprint)) + fingerprint
    between += struct.pack("!ihh", _HALFVEC_HEADER + 2 * dimension, dimension, 0)
    order = sorted(range(len(hashes)), key=hashes.__getitem__)
    yield _HEADER
    for start in range(0, len(order), PIECE_ROWS):
        chosen = order[start : start + PIECE_ROWS]
        parts = (
            np.frombuffer(before, np.uint8),
            np.frombuffer(b"".join([hashes[row] for row in chosen]), np.uint8).reshape(len(chosen), -1),
            np.frombuffer(between, np.uint8),
            vectors[chosen].astype(">f2").view(np.uint8).reshape(len(chosen), -1),
        )
        yield np.hstack([np.broadcast_to(part, (len(chosen), part.shape[-1])) for part in parts]).tobytes()
    yield _TRAILER
