"""The search server over a few passages, with a key for the collection `contracts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.web.serving import filled_database, served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterator


class Served(NamedTuple):
    """`reader` may read but not search."""

    url: str
    key: str
    reader: str


@pytest.fixture(scope="session")
def server(postgres_url: str) -> Iterator[Served]:
    with instant_server(dimension=32) as embeddings, new_database(postgres_url) as database_url:
        filled_database(database_url, embeddings)
        key, reader = (
            key_for(database_url, name, collections=("contracts",), rights=(name,))["authorization"].partition(" ")[2]
            for name in ("search", "read")
        )
        with served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
            yield Served(str(client.base_url), key, reader)
