"""A database with the tables, of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.store import database
from kb_pipeline_tests.sites import embedding_server, kb, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

__all__ = ["connection", "embedding_server", "kb", "parsers"]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        database.register_types(connection)
        yield connection
