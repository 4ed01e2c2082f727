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

    count, dimension = vectors.shape
    fingerprint = model.encode()
    before = struct.pack("!hi", _COLUMNS, len(hashes[0]))
    between = struct.pack("!i", len(fingerprint)) + fingerprint
    between += struct.pack("!ihh", _HALFVEC_HEADER + 2 * dimension, dimension, 0)
    row_of_bytes = np.dtype(
        [
            ("before", "V", len(before)),
            ("hash", "V", len(hashes[0])),
            ("between", "V", len(between)),
            ("elements", ">f2", (dimension,)),
        ]
    )
    rows = np.empty(min(count, PIECE_ROWS), row_of_bytes)
    rows["before"] = np.void(before)
    rows["between"] = np.void(between)
    order = sorted(range(count), key=hashes.__getitem__)
    yield _HEADER
    for start in range(0, count, PIECE_ROWS):
        chosen = order[start : start + PIECE_ROWS]
        piece = rows[: len(chosen)]
        piece["hash"] = np.frombuffer(b"".join([hashes[row] for row in chosen]), row_of_bytes["hash"])
        piece["elements"] = vectors[chosen]
        yield piece.tobytes()
    yield _TRAILER
