"""From native vectors to serving vectors: keep the first numbers, restore the length to 1.

Models trained for it (Matryoshka) pack what matters most into the first numbers. After the cut the
vector is shorter than 1, and servers compute in bfloat16, so it is always renormalised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_dimension(vectors: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """(n, native) -> (n, dimension), float32, each row of length 1.

    Raises SettingsError when the vectors have fewer numbers than asked for.
    """
    native = vectors.shape[1]
    if not 1 <= dimension <= native:
        raise SettingsError(
            f"Dimension {dimension} cannot be cut from vectors of {native}; choose KB_DIMENSION between 1 and {native}."
        )
    return normalized(vectors[:, :dimension])


def normalized(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, d) -> (n, d), float32, each row of length 1. A row of zeros stays as it is."""
    rows = np.array(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)).astype(np.float32)[:, np.newaxis]
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows
