"""How many rows of a serving table hold each word, which the ranking by words needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import Generation
from kb_pipeline.store.queries import query

# Full-text statistics are refreshed when the number of rows changed by more than this share.
STATISTICS_DRIFT = 0.1


def refresh_statistics(connection: Connection, generation: Generation) -> bool:
    """Count lexemes again when enough rows came and went; True when it did. Commits.

    BM25 needs how many rows hold each lexeme. A slightly stale count moves no ranking; counting at
    every query would.
    """
    parameters = {"generation": generation.id}
    literal = sql.Literal(generation.id)
    if _churn_to_count(connection, parameters) is None:
        return False
    with connection.transaction():
        connection.execute(query("generations", "lock_statistics", generation=literal))
        churn = _churn_to_count(connection, parameters)
        if churn is None:
            return False
        statement = query("generations", "lexemes_statement", table=generation.table).as_string(connection)
        connection.execute(query("generations", "delete_lexemes"), parameters)
        connection.execute(query("generations", "insert_lexemes", generation=literal, statement=sql.Literal(statement)))
        connection.execute(query("generations", "record_statistics", generation=literal, table=generation.table))
        connection.execute(query("generations", "delete_languages"), parameters)
        connection.execute(query("generations", "record_languages", generation=literal, table=generation.table))
        connection.execute(query("generations", "forget_churn"), parameters | {"churn": churn})
    connection.execute(query("generations", "analyze", table=generation.table))
    return True


def _churn_to_count(connection: Connection, parameters: Mapping[str, Any]) -> int | None:
    """How many rows came or went since the lexemes were counted, when that is too many."""
    row = connection.execute(query("generations", "statistics"), parameters).fetchone()
    if row is None:
        return None  # dropped meanwhile
    churn, counted = row
    return None if counted is not None and churn <= STATISTICS_DRIFT * counted else int(churn)
