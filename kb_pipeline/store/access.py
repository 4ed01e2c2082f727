"""Who may read which document, as the database holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.types.json import Jsonb

from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query


def store(connection: Connection, groups: Mapping[int, Sequence[str]]) -> int:
    """Let these groups read documents, by id, and nobody else; how many rows that changed."""
    rows = [{"document_id": document, "groups": list(names)} for document, names in groups.items()]
    return connection.execute(query("access", "store"), {"rows": Jsonb(rows)}).rowcount
