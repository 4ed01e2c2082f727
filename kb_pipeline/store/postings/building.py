"""Making the blocks of a serving table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.store.postings.reading import SPAN, Block, blocks, covered, fresh_rows
from kb_pipeline.store.postings.words import ROWS_AT_ONCE, Words, words_of
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations.generation import Generation


def settled(connection: Connection, generation: Generation) -> int:
    """The number of a row up to which no other will appear any more. Commits.

    Not within another transaction: until it ends, nobody could write.
    """
    with connection.transaction():
        connection.execute(query("postings", "settle", table=generation.table))
        row = connection.execute(query("postings", "newest_row", table=generation.table)).fetchone()
    return int(row[0]) if row else 0


def rebuild(connection: Connection, generation: Generation, upto: int) -> None:
    """Make all blocks of the rows up to `upto`, and count all words anew."""
    row = connection.execute(query("postings", "mean_length", table=generation.table), {"upto": upto}).fetchone()
    mean_length = float(row[0]) if row else 0.0
    connection.execute(query("postings", "delete_lexemes"), {"generation": generation.id})
    rows, length = _build(connection, generation, after=0, upto=upto, counted=0, mean_length=mean_length)
    _record(connection, generation, rows, length)


def extend(connection: Connection, generation: Generation, upto: int, *, row_count: int, mean_length: float) -> None:
    """Cover fresh rows up to `upto`, too; `row_count` and `mean_length` are those of the covered ones."""
    known = blocks(connection, generation)
    counted = after = covered(known)
    size = fresh_rows(connection, generation, after, SPAN)
    for block in reversed(known):
        if block.rows > size or upto - block.first >= SPAN:
            break
        after, size = block.first - 1, size + block.rows
    rows, length = _build(connection, generation, after=after, upto=upto, counted=counted, mean_length=mean_length)
    _record(connection, generation, row_count + rows, round(row_count * mean_length) + length)


def _record(connection: Connection, generation: Generation, rows: int, length: int) -> None:
    parameters = {"generation": generation.id, "rows": rows, "mean_length": length / rows if rows else 0.0}
    connection.execute(query("postings", "record_statistics"), parameters)


def _build(
    connection: Connection, generation: Generation, *, after: int, upto: int, counted: int, mean_length: float
) -> tuple[int, int]:
    """Make the blocks of the rows after `after` up to `upto`; the words of those after `counted` are counted as new.

    Returns how many rows were counted, and their length in tokens.
    """
    given = {"generation": generation.id, "first": after + 1}
    connection.execute(query("postings", "delete_blocks"), given)
    connection.execute(query("postings", "delete_postings"), given)
    connection.execute(query("postings", "create_counts"))
    rows = length = 0
    for block, words in _words_of_blocks(connection, generation, after, upto):
        new = words.counted_after(counted)
        rows, length = rows + new.rows, length + new.length
        connection.execute(
            query("postings", "insert_block"),
            {"generation": generation.id, "first": block.first, "last": block.last, "rows": block.rows},
        )
        with connection.cursor() as cursor:
            with cursor.copy(query("postings", "copy_postings")) as copy:
                copy.set_types(["int8", "text", "int8", "bytea"])
                for lexeme, data in words.postings(mean_length):
                    copy.write_row((generation.id, lexeme, block.first, data))
            with cursor.copy(query("postings", "copy_counts")) as copy:
                copy.set_types(["text", "int4"])
                for item in new.frequencies.items():
                    copy.write_row(item)
    connection.execute(query("postings", "add_counts"), {"generation": generation.id})
    return rows, length


def _words_of_blocks(
    connection: Connection, generation: Generation, after: int, upto: int
) -> Iterator[tuple[Block, Words]]:
    while True:
        found = connection.execute(
            query("postings", "row_range", table=generation.table), {"after": after, "upto": upto}
        ).fetchone()
        if found is None:
            return
        first = int(found[0])
        after = last = min(first + SPAN - 1, upto)
        with connection.cursor("words of rows") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query("postings", "words_of_rows", table=generation.table), {"first": first, "last": last})
            words = words_of(cursor, first)
        yield Block(first, last, len(words.rows)), words
