"""The binary tsvector equals what PostgreSQL makes of the same lexemes and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_pipeline.chunking.lexemes import Occurrence
from kb_pipeline.store.database import Connection, connect
from kb_pipeline.store.tsvector import LAST_POSITION, MOST_POSITIONS, TsVector

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["合同", "合", "the", "a", "it's", "a:b", "c\\d", "é", "😀", " ", "x" * 2046]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
TOKENS = st.lists(st.sampled_from(WORDS) | TEXTS, max_size=40)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, autocommit=True) as found:
        found.execute("CREATE TABLE t (v tsvector)")
        yield found


def literal(tokens: list[str]) -> str:
    """The same tokens in PostgreSQL's own notation."""
    quoted = ("'" + token.replace("\\", "\\\\").replace("'", "''") + "'" for token in tokens)
    return " ".join(f"{token}:{min(position, LAST_POSITION)}A" for position, token in enumerate(quoted, 1))


def words(tokens: list[str]) -> list[Occurrence]:
    return [Occurrence(token, place) for place, token in enumerate(tokens, 1)]


def copied(connection: Connection, tokens: list[str]) -> bool:
    """Whether the copied vector is the one that PostgreSQL parses, to the byte."""
    connection.execute("TRUNCATE t")
    with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["tsvector"])
        copy.write_row([TsVector(words(tokens))])
    row = connection.execute(
        "SELECT tsvectorsend(v) = tsvectorsend(%(text)s::tsvector) AND v = %(text)s::tsvector, strip(v)::text FROM t",
        {"text": literal(tokens)},
    ).fetchone()
    assert row is not None
    return bool(row[0])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=TOKENS)
def test_a_copied_tsvector_is_what_postgresql_parses(connection: Connection, tokens: list[str]) -> None:
    assert copied(connection, tokens)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        ["a"] * (MOST_POSITIONS + 50),
        [f"w{n}" for n in range(LAST_POSITION - 2)] + ["a", "b", "a", "b", "a"],
        ["b", "a", "bb", "aa", "合", "b"],
    ],
    ids=["empty", "many positions", "late positions", "unsorted"],
)
def test_limits_are_those_of_postgresql(connection: Connection, tokens: list[str]) -> None:
    assert copied(connection, tokens)


def test_what_no_tsvector_can_hold_is_left_out_and_the_rest_is_found(connection: Connection) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["tsvector"])
        copy.write_row([TsVector(words(["first", "合" * 1000, "last"]))])
        copy.write_row([TsVector(words([f"{n:0>40}" for n in range(40_000)]))])
    assert connection.execute("SELECT v @@ 'first & last'::tsquery, length(v) FROM t").fetchone() == (True, 2)
