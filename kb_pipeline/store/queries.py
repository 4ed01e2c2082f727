"""Named queries out of the `.sql` files beside this module.

A file holds queries, each under a line `-- name: some_name`. `{placeholders}` in a query are
identifiers or literals that psycopg quotes; values travel as parameters. Python never builds a
statement from strings.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from psycopg import sql

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def _queries(file: str) -> dict[str, str]:
    text = resources.files("kb_pipeline.store").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    pieces = _NAME.split(text)
    return {name: body.strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def query(file: str, name: str, **placeholders: sql.Composable) -> sql.Composed:
    """The query `name` of `sql/<file>.sql` with its placeholders filled in."""
    return sql.SQL(_queries(file)[name]).format(**placeholders)


def serving_table(generation_id: int) -> sql.Identifier:
    """The name of a generation's own table."""
    return sql.Identifier(f"generation_{generation_id:d}")
