"""What tuning reads: native vectors of texts, as they were embedded once, and the rows of passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.store.database import register_types
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


def stored_vectors(
    connection: Connection, model_fingerprint: str, hashes: Sequence[bytes]
) -> dict[bytes, NDArray[np.float32]]:
    """sha256 of a text → its vector, (native dimension,), of those that are stored."""
    import numpy as np

    register_types(connection)
    parameters = {"model": model_fingerprint, "hashes": list(hashes)}
    found = connection.execute(query("quality_tuning", "stored_vectors"), parameters)
    return {bytes(key): np.asarray(vector.to_numpy(), np.float32) for key, vector in found}


def rows_of(connection: Connection, generation: Generation, passages: Collection[tuple[int, str]]) -> list[int]:
    """The rows of `passages` (document_id, chunk_key), of those that the generation holds."""
    parameters = {
        "documents": [document for document, _ in passages],
        "chunks": [chunk for _, chunk in passages],
    }
    statement = query("quality_tuning", "rows_of", table=generation.table)
    return [row[0] for row in connection.execute(statement, parameters)]


def set_adapter(connection: Connection, generation: Generation, name: str | None, folder: str | None) -> None:
    """Queries go through the adapter from now on; None: through the model as it is."""
    connection.execute(
        query("quality_tuning", "set_adapter"), {"generation": generation.id, "name": name, "folder": folder}
    )
