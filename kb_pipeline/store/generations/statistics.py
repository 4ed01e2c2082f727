"""What the rankings need to know of a whole serving table: its words, and where each language lies."""

from __future__ import annotations

from typing import Literal

from psycopg import sql

from kb_pipeline.store import postings
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import Generation
from kb_pipeline.store.queries import query

# Statistics are refreshed when the number of rows changed by more than this share.
STATISTICS_DRIFT = 0.1
FRESH_ENOUGH = 500  # rows whose words are worth a block of postings of their own
MOST_COUNTED = 10_000_000

Change = Literal["nothing", "more", "all"]


def refresh_statistics(connection: Connection, generation: Generation) -> bool:
    """Bring words and languages up to date where enough rows came and went; True when it did. Commits."""
    words = refresh_words(connection, generation)
    languages = _refresh_languages(connection, generation, at_once=words == "all")
    if words != "nothing" or languages:
        connection.execute(query("generations", "analyze", table=generation.table))
    return words != "nothing" or languages


def refresh_words(connection: Connection, generation: Generation) -> Change:
    """Cover rows that came with postings; count all words again when many went. Returns what was done. Commits.

    BM25 needs how many rows hold each lexeme. A slightly stale count moves no ranking; counting at every query would.
    """
    if _words_to_count(connection, generation) == "nothing":
        return "nothing"
    upto = postings.settled(connection, generation)
    with connection.transaction():
        connection.execute(query("generations", "lock_statistics", generation=sql.Literal(generation.id)))
        change = _words_to_count(connection, generation)  # another run may have done it meanwhile
        if change == "all":
            postings.rebuild(connection, generation, upto)
        elif change == "more":
            row = connection.execute(query("words", "statistics"), {"generation": generation.id}).fetchone()
            rows, mean_length = row or (0, 0.0)
            postings.extend(connection, generation, upto, row_count=rows, mean_length=mean_length)
    return change


def _words_to_count(connection: Connection, generation: Generation) -> Change:
    row = connection.execute(query("generations", "statistics"), {"generation": generation.id}).fetchone()
    if row is None:
        return "nothing"  # dropped meanwhile
    _, held, counted = row
    if counted is None:
        return "all"
    covered = postings.covered(postings.blocks(connection, generation))
    fresh = postings.fresh_rows(connection, generation, covered, MOST_COUNTED)
    if counted + fresh - held > STATISTICS_DRIFT * counted:
        return "all"
    return "more" if fresh > min(STATISTICS_DRIFT * counted, FRESH_ENOUGH) else "nothing"


def _refresh_languages(connection: Connection, generation: Generation, *, at_once: bool) -> bool:
    parameters = {"generation": generation.id}
    literal = sql.Literal(generation.id)
    row = connection.execute(query("generations", "statistics"), parameters).fetchone()
    if row is None:
        return False
    churn, held, _ = row
    if not at_once and churn <= STATISTICS_DRIFT * held:
        return False
    with connection.transaction():
        connection.execute(query("generations", "lock_statistics", generation=literal))
        connection.execute(query("generations", "delete_languages"), parameters)
        connection.execute(query("generations", "record_languages", generation=literal, table=generation.table))
        connection.execute(query("generations", "forget_churn"), parameters | {"churn": churn})
    return True
