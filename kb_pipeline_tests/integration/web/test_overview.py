"""What those see who look after the corpus, and that nobody else does."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.web import recent
from kb_pipeline_tests.instant_embedding_server import InstantServer
from kb_pipeline_tests.integration.web.serving import served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


def test_documents_are_counted_by_collection_format_and_age(client: httpx.Client) -> None:
    found = client.get("/v1/overview").json()
    assert found["documents"] == 3
    assert {row["collection"]: row["documents"] for row in found["collections"]} == {"contracts": 2, "policies": 1}
    assert {row["format"]: row["documents"] for row in found["formats"]} == {"pdf": 2, "html": 1}
    assert [row["age"] for row in found["freshness"]] == ["day", "week", "month", "quarter", "year", "older"]
    assert sum(row["documents"] for row in found["freshness"]) == 3
    assert datetime.fromisoformat(found["as_of"]).tzinfo is not None
    assert {server["name"] for server in found["servers"]} == {"postgres", "embedding"}


def test_searches_that_found_nothing_are_listed_once_and_masked(client: httpx.Client) -> None:
    for query in ("pump", "zyxwv 13812345678", "zyxwv 13812345678", "vwxyz"):
        client.post("/v1/search", json={"query": query, "mode": "lexical"})
    listed = client.get("/v1/searches/unanswered").json()["searches"]
    assert [(row["query"], row["times"]) for row in listed] == [("vwxyz", 1), ("zyxwv <M>", 2)]
    assert len(client.get("/v1/searches/unanswered", params={"limit": 1}).json()["searches"]) == 1
    assert client.get("/v1/searches/unanswered", params={"limit": 0}).status_code == 400


def test_only_who_has_the_right_admin_sees_them(client: httpx.Client, filled: str) -> None:
    keeper = key_for(filled, "keeper", rights=("admin",))
    reader = key_for(filled, "reader", rights=("search", "read", "original", "feedback", "write"))
    for path in ("/v1/overview", "/v1/searches/unanswered"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=reader).status_code == 403
        assert client.get(path, headers=keeper).status_code == 200


def test_figures_are_asked_for_once_in_some_seconds(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, statement: Any, *rest: Any, **options: Any) -> Any:
        asked.append(str(statement))
        return execute(cursor, statement, *rest, **options)

    def statements() -> int:
        """That one more look at the overview makes, but for those about keys."""
        asked.clear()
        assert client.get("/v1/overview").json()["documents"] == 3
        return sum("api_keys" not in statement for statement in asked)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    monkeypatch.setattr(recent, "SECONDS", float("inf"))
    assert statements() > 5
    assert [statements() for _ in range(3)] == [0, 0, 0]
    monkeypatch.setattr(recent, "SECONDS", 0.0)
    assert statements() > 5
