"""A reranker over real HTTP: what it says, and what becomes of a search where it fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import RerankerUnavailable, SettingsError
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.rerank import Reranker
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import database
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation
from kb_pipeline_tests.reranking_server import RerankingServer, by_length, reranking_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.store.database import Connection

FAULTS = {
    "reset": "cannot be reached",
    "hang": "did not answer within 250 ms",
    "trickle": "did not answer within 250 ms",
    "html": "no ranking",
    "text": "no ranking",
    "object": "no ranking",
    "strings": "no ranking",
    "nan": "no numbers",
    "wrong-count": "2 scores for 3 texts",
    "wrong-index": "3 scores for 3 texts, or for others",
    "no-template": "with its chat template",
    "401": "KB_RERANKER__API_KEY",
    "404": "usually ends in /v1",
    "500": "status 500",
    "503": "status 503",
}
PASSAGES = [
    Passage("The pump."),
    Passage("The pump is delivered in May.", section_path=("Delivery",)),
    Passage("The pump is delivered in May by the supplier."),
]


@pytest.fixture
def server() -> Iterator[RerankingServer]:
    with reranking_server(by_length) as server:
        yield server


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with (
        instant_server(dimension=32) as server,
        database.connect(database_url, autocommit=True) as connection,
    ):
        from kb_pipeline.embedding.client import EmbeddingClient

        with EmbeddingClient.connect(server.base_url) as client:
            fill(connection, make_generation(connection, client.identity), PASSAGES)
        yield connection


def find(connection: Connection, reranker: Reranker, **options: Any) -> SearchResult:
    """By words, with at most one connection at a time and none while the reranker is asked."""
    held: list[Connection] = []

    @contextmanager
    def connect() -> Iterator[Connection]:
        assert not held
        held.append(connection)
        yield connection
        held.pop()

    class Watched(Reranker):
        def scores(self, *arguments: Any, **named: Any) -> list[float]:
            assert not held
            return Reranker.scores(self, *arguments, **named)

    return search(
        connect,
        SearchRequest("pump", mode="lexical", **options),
        embedder=lambda: pytest.fail("no vector is needed"),
        mask=lambda text, collections: [text],
        reranker=Watched(**asdict(reranker)),
    )


@pytest.mark.parametrize("shape", ["sglang", "cohere"])
def test_scores_come_back_in_the_order_of_the_texts_in_both_shapes(shape: Any) -> None:
    with reranking_server(by_length, shape=shape, api_key="secret") as server:
        reranker = Reranker(server.url, model="m", api_key="secret", instruction="Find it")
        assert reranker.scores("q", ["a", "aaa", "aa"]) == [1.0, 3.0, 2.0]
        assert reranker.scores("q", []) == []
        expected = {"query": "q", "documents": ["a", "aaa", "aa"], "return_documents": False}
        assert server.requests == [expected | {"model": "m", "instruct": "Find it"}]


def test_a_real_scorer_sorts_the_texts_of_the_check_and_one_that_does_not_understand_is_told_apart() -> None:
    with reranking_server() as server:
        assert Reranker(server.url).sorts()
        server.scorer = by_length
        assert not Reranker(server.url).sorts()


@pytest.mark.parametrize(("fault", "said"), FAULTS.items())
def test_whatever_goes_wrong_is_one_sentence_in_time(server: RerankingServer, fault: str, said: str) -> None:
    reranker = Reranker(server.url, budget=0.25 if fault in ("hang", "trickle") else 10.0)
    server.faults.append(fault)
    with pytest.raises(RerankerUnavailable, match=said):
        reranker.scores("q", ["a", "b", "c"])


def test_a_server_that_is_not_there_and_a_wrong_url_are_said() -> None:
    with pytest.raises(RerankerUnavailable, match=r"http://127\.0\.0\.1:9/v1 cannot be reached"):
        Reranker("http://user:secret@127.0.0.1:9/v1", budget=10.0).scores("q", ["a"])
    with pytest.raises(SettingsError, match="KB_RERANKER__URL is not a URL"):
        Reranker("127.0.0.1:9").scores("q", ["a"])


def test_the_rerankers_order_is_shown_and_explained(connection: Connection, server: RerankingServer) -> None:
    reranker = Reranker(server.url, budget=10.0)
    result = find(connection, reranker, explain=True)
    assert [hit.content for hit in result.hits] == [PASSAGES[2].content, PASSAGES[1].content, PASSAGES[0].content]
    assert result.reranked
    assert result.note is None
    assert [hit.score for hit in result.hits] == [45.0, 38.0, 9.0]
    assert [hit.explanation.rerank for hit in result.hits if hit.explanation] == [45.0, 38.0, 9.0]
    assert "rerank" in result.timings_ms
    assert "Delivery\nThe pump is delivered in May." in server.requests[0]["documents"]


def test_passages_beyond_its_depth_come_after(connection: Connection, server: RerankingServer) -> None:
    best, second, third = (hit.content for hit in find(connection, Reranker(server.url), rerank=False).hits)
    hits = find(connection, Reranker(server.url, depth=2, budget=10.0), k=2).hits
    assert {hit.content for hit in hits} == {best, second}
    assert hits[0].content == max(best, second, key=len)
    assert len(server.requests[0]["documents"]) == 2
    assert third


def test_without_the_reranker_the_order_is_the_fused_one_and_a_note_says_why(
    connection: Connection, server: RerankingServer
) -> None:
    plain = find(connection, Reranker(server.url), rerank=False)
    assert not server.requests
    server.faults.append("nan")
    result = find(connection, Reranker(server.url, budget=10.0))
    assert result.hits == plain.hits
    assert not result.reranked
    assert result.note is not None
    assert result.note.code == "reranker"
    assert "The order is that without it." in result.note.text
