"""What tuning reads: native vectors of texts, as they were embedded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.store.database import register_types
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.store.database import Connection


def stored_vectors(
    connection: Connection, model_fingerprint: str, hashes: Sequence[bytes]
) -> dict[bytes, NDArray[np.float32]]:
    """sha256 of a text → its vector, (native dimension,), of those that are stored."""
    import numpy as np

    register_types(connection)
    parameters = {"model": model_fingerprint, "hashes": list(hashes)}
    found = connection.execute(query("quality_tuning", "stored_vectors"), parameters)
    return {bytes(key): np.asarray(vector.to_numpy(), np.float32) for key, vector in found}
