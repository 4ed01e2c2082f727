"""Documents over real HTTP: which there are, their passages in order, their text page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database
from kb_pipeline_tests.integration.search.serving import Passage, make_generation
from kb_pipeline_tests.integration.web.serving import load, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from kb_pipeline_tests.instant_embedding_server import InstantServer

MANUAL = [
    Passage(f"Step {step} of the manual.", "manual.pdf", "policies", 1 + step // 3, document_id=4, ordinal=step)
    for step in range(10)
]
OTHERS = [Passage(f"Note {n}.", f"note-{n}.md", "notes", document_id=n) for n in (1, 2, 3, 5)]


@pytest.fixture
def client(database_url: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    database.migrate(database_url)
    with (
        database.connect(database_url, autocommit=True) as connection,
        EmbeddingClient.connect(embeddings.base_url) as embedder,
    ):
        load(connection, make_generation(connection, embedder.identity), OTHERS + MANUAL)
    with served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


def walked(client: httpx.Client, path: str, name: str, **params: Any) -> list[Any]:
    """Everything, part by part."""
    found: list[Any] = []
    cursor: int | None = 0
    while cursor is not None:
        part = client.get(path, params={**params, "cursor": cursor}).json()
        assert len(part[name]) <= params["limit"]
        found += part[name]
        cursor = part["next_cursor"]
    return found


def test_documents_are_listed_in_parts_and_found_by_name(client: httpx.Client) -> None:
    for limit in (1, 2, 5):
        listed = walked(client, "/v1/documents", "documents", limit=limit)
        assert [document["id"] for document in listed] == [1, 2, 3, 4, 5]
    in_notes = client.get("/v1/documents", params={"collection": ["notes", "none"]}).json()["documents"]
    assert [document["id"] for document in in_notes] == [1, 2, 3, 5]
    (manual,) = client.get("/v1/documents", params={"name": "manual.pdf"}).json()["documents"]
    assert (manual["id"], manual["source_file"], manual["collection"], manual["chunks"]) == (
        4,
        "manual.pdf",
        "policies",
        10,
    )
    shown = client.get("/v1/documents/4").json()
    assert shown == manual | {"format": "markdown", "page_count": None, "warnings": [], "fields": {}}


def test_passages_come_in_their_order_and_with_their_neighbours(client: httpx.Client) -> None:
    for limit in (1, 3, 10):
        chunks = walked(client, "/v1/documents/4/chunks", "chunks", limit=limit)
        assert [chunk["content"] for chunk in chunks] == [passage.content for passage in MANUAL]
    sixth = {"around": chunks[6]["chunk_key"], "limit": 3}
    part = client.get("/v1/documents/4/chunks", params=sixth).json()
    assert [chunk["ordinal"] for chunk in part["chunks"]] == [5, 6, 7]
    assert client.get("/v1/documents/1/chunks", params=sixth).status_code == 404


def test_text_is_read_page_by_page(client: httpx.Client) -> None:
    pages = walked(client, "/v1/documents/4/pages", "pages", limit=2)
    assert [page["page_number"] for page in pages] == [1, 2, 3, 4]
    assert pages[0]["text"] == "\n\n".join(passage.content for passage in MANUAL[:3])
    middle = client.get("/v1/documents/4/pages", params={"first": 2, "last": 3}).json()
    assert [page["page_number"] for page in middle["pages"]] == [2, 3]
    (whole,) = client.get("/v1/documents/1/pages").json()["pages"]
    assert whole == {"page_number": None, "text": "Note 1."}


def test_what_is_not_there_is_404_and_what_is_no_number_400(client: httpx.Client) -> None:
    for rest in ("", "/chunks", "/pages"):
        assert client.get(f"/v1/documents/99{rest}").status_code == 404
        for wrong in ("0", "x", str(2**63), "-1"):
            assert client.get(f"/v1/documents/{wrong}{rest}").status_code == 400
    past = client.get("/v1/documents/4/chunks", params={"cursor": 1000}).json()
    assert past == {"chunks": [], "next_cursor": None}
    assert client.get("/v1/documents", params={"cursor": 2**63}).status_code == 400
    for query in ("name=a%00b", "collection=%00", "collection=x&collection=%00"):
        assert client.get(f"/v1/documents?{query}").status_code == 400
