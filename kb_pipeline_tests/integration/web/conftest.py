"""A knowledge base of a few passages, and the embedding server that made its vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server
from kb_pipeline_tests.integration.web.serving import filled_database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def embeddings() -> Iterator[InstantServer]:
    with instant_server(dimension=32) as server:
        yield server


@pytest.fixture
def filled(database_url: str, embeddings: InstantServer) -> str:
    filled_database(database_url, embeddings)
    return database_url
