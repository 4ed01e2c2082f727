"""A database with the tables, of each test's own, and the handbook in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database
from kb_pipeline.store.generations import refresh_statistics
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.handbook import DIMENSION, HANDBOOK, MASKER
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation
from kb_pipeline_tests.sites import embedding_server, kb, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

__all__ = ["connection", "embedding_server", "kb", "parsers"]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        database.register_types(connection)
        yield connection


@pytest.fixture(scope="module")
def client() -> Iterator[EmbeddingClient]:
    with instant_server(dimension=DIMENSION) as server, EmbeddingClient.connect(server.base_url) as client:
        yield client


@pytest.fixture
def handbook(connection: Connection, client: EmbeddingClient) -> Generation:
    generation = make_generation(connection, client.identity)
    fill(connection, generation, [Passage(**{**vars(p), "content": MASKER.mask(p.content).text}) for p in HANDBOOK])
    refresh_statistics(connection, generation)
    return generation
