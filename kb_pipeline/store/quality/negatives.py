"""Triplets that were mined, by the names of their passages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.types.json import Jsonb

from kb_pipeline.store.database import register_types
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


class TripletTexts(NamedTuple):
    """Passages are (path of headings, content)."""

    query: str
    provenance: str
    positive: tuple[list[str], str]
    negatives: list[tuple[list[str], str]]


def scored(
    connection: Connection, generation: Generation, vector: np.ndarray, passages: Sequence[tuple[int, str]]
) -> dict[int, float]:
    """Row of a passage (document_id, chunk_key) → cosine similarity to `vector`, of those that the generation holds."""
    from pgvector import HalfVector

    register_types(connection)
    parameters = {
        "vector": HalfVector(vector),
        "documents": [document for document, _ in passages],
        "chunks": [chunk for _, chunk in passages],
    }
    statement = query("quality_negatives", "scored", table=generation.table)
    return dict(connection.execute(statement, parameters).fetchall())


def replace_all(connection: Connection, generation: str, triplets: Sequence[dict[str, Any]]) -> None:
    """Store `triplets` in the place of all that were there, in one transaction."""
    with connection.transaction():
        connection.execute(query("quality_negatives", "delete"))
        connection.execute(
            query("quality_negatives", "insert"), {"generation": generation, "triplets": Jsonb(list(triplets))}
        )


def texts(connection: Connection) -> list[TripletTexts]:
    """Of the triplets whose positive is still there."""
    rows = connection.execute(query("quality_negatives", "texts"))
    return [
        TripletTexts(asked, provenance, (path, content), [(each[0], each[1]) for each in negatives])
        for asked, provenance, path, content, negatives in rows
    ]
