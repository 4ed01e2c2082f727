"""The search server as OpenAI's own client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database
from kb_pipeline_tests.integration.web.serving import served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.instant_embedding_server import InstantServer


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[openai.OpenAI]:
    key = key_for(filled, collections=("contracts",))["authorization"].removeprefix("Bearer ")
    with (
        served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as http,
        openai.OpenAI(base_url=f"{http.base_url}/v1", api_key=key, max_retries=0) as client,
    ):
        yield client


def test_collections_are_vector_stores(client: openai.OpenAI) -> None:
    (store,) = client.vector_stores.list()
    assert (store.id, store.object, store.status, store.file_counts.total) == (
        "contracts",
        "vector_store",
        "completed",
        2,
    )
    assert client.vector_stores.retrieve("contracts") == store
    for name in ("policies", "no such", "a/b"):
        with pytest.raises(openai.NotFoundError):
            client.vector_stores.retrieve(name)


def test_vector_stores_come_in_parts(filled: str, embeddings: InstantServer) -> None:
    with (
        served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as http,
        openai.OpenAI(base_url=f"{http.base_url}/v1", api_key="none yet", max_retries=0) as client,
    ):
        http.get("/healthz")
        names = [store.id for store in client.vector_stores.list(limit=1, order="asc", extra_headers=NO_KEY)]
        assert sorted(names) == ["contracts", "policies"]


NO_KEY = {"authorization": openai.Omit()}


def test_a_store_is_searched_and_its_attributes_filter(client: openai.OpenAI) -> None:
    assert len(list(client.vector_stores.search("contracts", query="pump", max_num_results=1))) == 1
    hits = client.vector_stores.search("contracts", query=["pump", "delivery"])
    (found,) = [hit for hit in hits if hit.filename == "contract.pdf"]
    assert "pump" in found.content[0].text
    assert found.attributes is not None
    assert (found.attributes["page_number"], found.attributes["section_title"]) == (3, "Delivery")

    def pages(filters: Any) -> list[str]:
        return [hit.filename for hit in client.vector_stores.search("contracts", query="pump", filters=filters)]

    on_three = {"type": "eq", "key": "page_number", "value": 3}
    named = {"type": "in", "key": "source_file", "value": ["contract.pdf", "o'dd.html"]}
    assert pages(on_three) == ["contract.pdf"]
    assert pages({"type": "and", "filters": [on_three, named]}) == ["contract.pdf"]
    assert (
        pages({"type": "and", "filters": [on_three, {"type": "nin", "key": "source_file", "value": ["contract.pdf"]}]})
        == []
    )
    assert pages({"type": "or", "filters": [{"type": "gt", "key": "page_number", "value": 3}, named]}) == [
        "contract.pdf"
    ]
    assert pages({"type": "eq", "key": "metadata.it's", "value": "x"}) == []
    none = client.vector_stores.search("contracts", query="pump", ranking_options={"score_threshold": 1.0})
    assert all(hit.score >= 1 for hit in none)


WRONG: list[Any] = [
    {"type": "eq", "key": "colour", "value": "red"},
    {"type": "eq", "key": "1 = 1 or x", "value": "red"},
    {"type": "eq", "key": "page_number", "value": [3]},
    {"type": "in", "key": "page_number", "value": []},
    {"type": "like", "key": "source_file", "value": "%"},
    {"type": "and", "filters": []},
    {"type": "eq", "key": "source_file"},
]


def test_a_wrong_filter_is_refused(client: openai.OpenAI) -> None:
    for filters in WRONG:
        with pytest.raises(openai.BadRequestError, match=r"400 - .+\.$"):
            client.vector_stores.search("contracts", query="pump", filters=filters)
    with pytest.raises(openai.BadRequestError):
        client.vector_stores.search("contracts", query="x" * 3000)
    nested: Any = {"type": "eq", "key": "page_number", "value": 3}
    for _ in range(40):
        nested = {"type": "and", "filters": [nested]}
    with pytest.raises(openai.BadRequestError):
        client.vector_stores.search("contracts", query="pump", filters=nested)


def test_embeddings_are_those_of_the_knowledge_base(
    client: openai.OpenAI, filled: str, embeddings: InstantServer
) -> None:
    with EmbeddingClient.connect(embeddings.base_url) as embedder:
        model = embedder.identity.name
        asked = embedder.embed_query("pump", "")
    texts = ["The supplier delivers the pump within thirty days.", "call 13812345678"]
    answer = client.embeddings.create(model=model, input=texts)
    assert [one.index for one in answer.data] == [0, 1]
    assert answer.usage.total_tokens > 0
    with database.connect(filled) as connection:
        database.register_types(connection)
        row = connection.execute("SELECT embedding FROM knowledge_chunks WHERE source_file = 'contract.pdf'").fetchone()
    assert row is not None
    assert np.dot(row[0].to_numpy(), answer.data[0].embedding) == pytest.approx(1, abs=1e-3)
    masked = client.embeddings.create(model=model, input="call <M>", encoding_format="float")
    assert np.allclose(masked.data[0].embedding, answer.data[1].embedding, atol=1e-6)
    query = client.embeddings.create(model=model, input="pump", extra_body={"input_type": "query"})
    assert np.allclose(query.data[0].embedding, asked, atol=1e-6)
    short = client.embeddings.create(model=model, input="pump", dimensions=16)
    assert len(short.data[0].embedding) == 16
    with pytest.raises(openai.NotFoundError, match=model):
        client.embeddings.create(model="text-embedding-3-small", input="pump")
    for wrong in ("", [], [""], [[1, 2]]):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model, input=wrong)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=model, input="pump", dimensions=16_000)
