"""The database fixture that other tests stand on."""

from __future__ import annotations

import psycopg
import pytest


@pytest.mark.parametrize("turn", range(3))
def test_each_test_gets_an_empty_database_with_vector(database_url: str, turn: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE t (v halfvec(3))")
        connection.execute("INSERT INTO t VALUES ('[1,2,3]')")
        row = connection.execute("SELECT count(*), current_setting('fsync') FROM t").fetchone()
    assert row == (1, "off")
