"""Declared fields in the database: which there are, and what documents have in them.

The columns themselves are made by `store.field_columns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.fields.values import Given, Typed, plain_given
from kb_pipeline.parsing.elements import unpack
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from kb_pipeline.store.conditions import Condition
    from kb_pipeline.store.generations import Generation

COLUMN_TYPES: Mapping[FieldType, sql.SQL] = {
    "text": sql.SQL("text"),
    "number": sql.SQL("numeric"),
    "date": sql.SQL("date"),
    "boolean": sql.SQL("boolean"),
    "list of text": sql.SQL("text[]"),
}
ELEMENTS_PER_BATCH = 500
MOST_VALUES = 100  # of a facet


@dataclass(frozen=True, slots=True)
class DescribedDocument:
    """A live document, as far as what is said of it depends on it."""

    id: int
    source_id: int
    path: str


def declared(connection: Connection) -> dict[str, FieldType]:
    """The fields that there are, in the order of their declaration."""
    return {name: kind for name, kind, _ in connection.execute(query("fields", "declared"))}


def are_filled(connection: Connection) -> bool:
    """Whether every document was looked at since the newest field was declared."""
    row = connection.execute(query("fields", "are_filled")).fetchone()
    return bool(row and row[0])


def note_filled(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(query("fields", "note_filled"), {"names": list(names)})


def documents_after(connection: Connection, after: int, limit: int) -> list[DescribedDocument]:
    """Live documents in order of their id, from the one behind `after` on."""
    with connection.cursor(row_factory=class_row(DescribedDocument)) as cursor:
        return cursor.execute(query("fields", "documents"), {"after": after, "limit": limit}).fetchall()


def documents_by_id(connection: Connection, ids: Sequence[int]) -> list[DescribedDocument]:
    """Those of `ids` that are live."""
    with connection.cursor(row_factory=class_row(DescribedDocument)) as cursor:
        return cursor.execute(query("fields", "documents_by_id"), {"ids": list(ids)}).fetchall()


def said_by_files(connection: Connection, ids: Sequence[int]) -> dict[int, Given]:
    """Document id -> what its file itself says."""
    return dict(connection.execute(query("fields", "said_by_files"), {"ids": list(ids)}).fetchall())


def unpack_metadata(connection: Connection) -> int:
    """Make a column of what files say of themselves where it is only in stored elements; how many. Commits."""
    unpacked = 0
    while True:
        with connection.transaction():
            rows = connection.execute(query("fields", "packed_elements"), {"limit": ELEMENTS_PER_BATCH}).fetchall()
            parameters = {
                "content_hashes": [row[0] for row in rows],
                "extensions": [row[1] for row in rows],
                "parse_fingerprints": [row[2] for row in rows],
                "metadata": [Jsonb(plain_given(unpack(row[3]).metadata)) for row in rows],
            }
            connection.execute(query("fields", "unpack_metadata"), parameters)
        unpacked += len(rows)
        if len(rows) < ELEMENTS_PER_BATCH:
            return unpacked


def hold_declared(connection: Connection) -> dict[str, FieldType]:
    """The fields that there are; until the end of the transaction none of them goes."""
    return dict(connection.execute(query("fields", "hold_declared")).fetchall())


def store(connection: Connection, kinds: Mapping[str, FieldType], values: Mapping[int, Mapping[str, Typed]]) -> int:
    """Give documents, by id, their values in all the fields `kinds`; how many rows that changed."""
    names = [sql.Identifier(name) for name in kinds]
    parts: dict[str, sql.Composable] = {
        "columns": _each(names, ", {0}"),
        "values": _each(names, ", r.{0}"),
        "types": sql.SQL("").join(
            sql.SQL(", {} {}").format(name, COLUMN_TYPES[kind])
            for name, kind in zip(names, kinds.values(), strict=True)
        ),
        "updates": sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in names),
        "differences": sql.SQL(" OR ").join(
            sql.SQL("f.{0} IS DISTINCT FROM excluded.{0}").format(name) for name in names
        ),
    }
    rows = [{"document_id": document, **given} for document, given in values.items()]
    return connection.execute(query("fields", "store", **parts), {"rows": Jsonb(rows)}).rowcount


def facets(
    connection: Connection,
    shelves: Sequence[tuple[Generation, Condition]],
    names: Sequence[str],
    most: int = MOST_VALUES,
) -> tuple[int, list[tuple[str, Any, int]]]:
    """How many documents have a passage that passes, and (name, value, how many of them have it) for each of the `most`
    frequent values; `names`: declared fields, or collection. A value is given as JSON has it.

    `shelves`: generations, each with what passes of it, whose parameters have names of their own.
    """
    kinds = declared(connection)
    counted = [query("fields", "facet", facet=sql.Literal(name), values=_values(name, kinds)) for name in names]
    passing = [
        query("fields", "passing", table=generation.table, condition=condition.sql) for generation, condition in shelves
    ]
    parts = {
        "passing": sql.SQL(" UNION ALL ").join(passing),
        "counted": sql.SQL(" UNION ALL ").join([query("fields", "passing_documents"), *counted]),
    }
    parameters: dict[str, Any] = {"most": most}
    for _, condition in shelves:
        parameters |= condition.parameters
    rows = connection.execute(query("fields", "facets", **parts), parameters, prepare=False).fetchall()
    return sum(count for name, _, count in rows if name is None), [row for row in rows if row[0] is not None]


def _values(name: str, kinds: Mapping[str, FieldType]) -> sql.Composed:
    """Where the values of a facet come from, one row for each document and value."""
    if name not in kinds:
        return query("fields", "values_of_collection")
    one = "values_of_list" if kinds[name] == "list of text" else "values_of_field"
    return query("fields", one, column=sql.Identifier("f", name))


def counts(connection: Connection) -> dict[str, int]:
    """Field -> how many documents have a value in it."""
    names = list(declared(connection))
    if not names:
        return {}
    columns = sql.SQL(", ").join(sql.SQL("count({})").format(sql.Identifier(name)) for name in names)
    row = connection.execute(query("fields", "counts", counts=columns)).fetchone()
    return dict(zip(names, row or (), strict=True))


def _each(names: Sequence[sql.Identifier], template: str) -> sql.Composed:
    return sql.SQL("").join(sql.SQL(template).format(name) for name in names)
