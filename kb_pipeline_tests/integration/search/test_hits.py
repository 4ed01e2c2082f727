"""What becomes of the ranking: folded copies, limits per document, merged neighbours, explanations."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import database
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.store.database import Connection


@pytest.fixture(scope="module")
def client() -> Iterator[EmbeddingClient]:
    with instant_server(dimension=32) as server, EmbeddingClient.connect(server.base_url) as client:
        yield client


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def ask(connection: Connection, client: EmbeddingClient) -> Any:
    def ask(passages: list[Passage], question: str, **options: Any) -> SearchResult:
        fill(connection, make_generation(connection, client.identity), passages)
        request = SearchRequest(question, **options)
        return search(
            lambda: nullcontext(connection), request, embedder=lambda: client, mask=lambda text, collections: [text]
        )

    return ask


def test_copies_are_one_hit_that_names_where_else_it_stands_and_k_hits_remain(ask: Any) -> None:
    copies = [
        Passage("The pump is delivered within thirty days.", f"contract {n}.pdf", page_number=n) for n in range(1, 301)
    ]
    others = [Passage(f"The pump of {name} is blue.", f"{name}.md") for name in ("Anna", "Ben", "Cleo", "Dora")]
    result = ask([*copies, *others], "pump delivered thirty days", k=5, mode="lexical")
    assert len(result.hits) == 5
    assert result.hits[0].source_file == "contract 1.pdf"
    assert len({place.source_file for place in result.hits[0].also_in}) == 299
    assert result.hits[0].also_in[0].page_number == 2
    assert {hit.source_file for hit in result.hits[1:]} == {"Anna.md", "Ben.md", "Cleo.md", "Dora.md"}


def test_copies_stand_by_themselves_where_that_is_asked_for(ask: Any) -> None:
    copies = [Passage("The pump is delivered.", f"{n}.pdf") for n in range(3)]
    result = ask(copies, "pump", mode="lexical", fold=False)
    assert [hit.also_in for hit in result.hits] == [(), (), ()]


@pytest.mark.parametrize("mode", ["lexical", "hybrid", "vector"])
def test_a_large_document_leaves_room_for_the_others(ask: Any, mode: str) -> None:
    manual = [Passage(f"Pump pump pump, part {n}.", "manual.pdf", document_id=1, ordinal=n) for n in range(400)]
    others = [
        Passage(f"Of {name}, the pump and some more words.", f"{n}.md", document_id=n)
        for n, name in enumerate("abcd", start=2)
    ]
    result = ask([*manual, *others], "pump", k=5, per_document=1, mode=mode)
    assert sorted(hit.document_id for hit in result.hits) == [1, 2, 3, 4, 5]
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5]
    assert list(result.hits) == sorted(result.hits, key=lambda hit: -hit.score)


def test_neighbours_become_one_hit_with_their_pages(ask: Any) -> None:
    pages = [
        Passage("Delivery of the pump is due in May.", "a.pdf", page_number=3, document_id=1, ordinal=7),
        Passage("The pump is paid in June.", "a.pdf", page_number=4, document_id=1, ordinal=8),
        Passage("A pump elsewhere.", "a.pdf", page_number=9, document_id=1, ordinal=20),
    ]
    first, second = ask(pages, "pump", merge=True, mode="lexical").hits
    merged, alone = (first, second) if len(first.chunk_keys) == 2 else (second, first)
    assert merged.content == "Delivery of the pump is due in May.\n\nThe pump is paid in June."
    assert (merged.page_number, merged.page_end) == (3, 4)
    assert [merged.content[start:end] for start, end in merged.highlights] == ["pump", "pump"]
    assert merged.chunk_key in merged.chunk_keys
    assert alone.content == "A pump elsewhere."


def test_a_hit_says_what_its_place_comes_from(ask: Any) -> None:
    passages = [Passage("The pump is here."), Passage("水泵在这里。"), Passage("Something else.")]
    hits = ask(passages, "pump", explain=True).hits
    by_text = {hit.content: hit.explanation for hit in hits}
    pump = by_text["The pump is here."]
    assert pump.words.rank == 1
    assert pump.words.normalised == 1.0
    assert pump.meaning.weight + pump.words.weight == pytest.approx(1.0)
    assert by_text["Something else."].words is None
    for hit in hits:
        assert hit.explanation.fused == pytest.approx(hit.score, abs=1e-6)
    assert pump.coverage <= 1
    assert ask([], "pump", fusion="rrf", explain=True).hits[0].explanation.words.normalised == 1.0
