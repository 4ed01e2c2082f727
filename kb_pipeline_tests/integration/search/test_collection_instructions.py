"""A collection's own query instruction: kept with the generation, and used where only that collection is searched."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.settings import CollectionSettings
from kb_pipeline.store.generations import active_generation, generations
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server, instant_vector
from kb_pipeline_tests.sites import embedding_server, kb, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

__all__ = ["embedding_server", "kb", "parsers"]

DIMENSION = 1024
OWN = "Given a legal question, retrieve contract clauses that answer it"
QUERY = "notice period"


@pytest.fixture(scope="module")
def qwen() -> Iterator[InstantServer]:
    """A model that takes instructions."""
    with instant_server(DIMENSION, model_name="Qwen3-Embedding-0.6B") as server:
        yield server


@pytest.fixture
def site(kb: TestSite, qwen: InstantServer) -> TestSite:
    kb.reopen(embedding_url=qwen.base_url, collections={"contracts": CollectionSettings(query_instruction=OWN)})
    kb.write("contracts/a.md", "# Notice\n\nThree months to the end of a quarter.\n")
    kb.write("policies/b.md", "# Leave\n\nFifteen days a year.\n")
    kb.refresh()
    return kb


def scores(site: TestSite, *collections: str) -> dict[str, float]:
    request = SearchRequest(QUERY, mode="vector", collections=collections)
    result = search(
        lambda: nullcontext(site.connection), request, embedder=lambda: site.site.embedding, mask=lambda text, _: [text]
    )
    return {hit.source_file: hit.score for hit in result.hits}


def cosine(instruction: str, text: str) -> float:
    query = instant_vector(f"Instruct: {instruction}\nQuery:{QUERY}", DIMENSION)
    return float(query @ instant_vector(text, DIMENSION))


def test_a_search_over_one_collection_uses_its_instruction_and_any_other_the_default(site: TestSite) -> None:
    clause, rule = "Notice\nThree months to the end of a quarter.", "Leave\nFifteen days a year."
    default = site.site.settings.query_instruction
    expected = {
        ("contracts",): {"contracts/a.md": cosine(OWN, clause)},
        ("policies",): {"policies/b.md": cosine(default, rule)},
        ("contracts", "policies"): {"contracts/a.md": cosine(default, clause), "policies/b.md": cosine(default, rule)},
        (): {"contracts/a.md": cosine(default, clause), "policies/b.md": cosine(default, rule)},
    }
    for collections, found in expected.items():
        assert scores(site, *collections) == pytest.approx(found, abs=2e-3), collections


def test_another_instruction_counts_only_once_it_is_a_generation_and_embeds_no_passage(
    site: TestSite, qwen: InstantServer
) -> None:
    before = scores(site, "contracts")
    site.reopen(collections={"contracts": CollectionSettings(query_instruction="Find the clause")})
    site.refresh()
    assert scores(site, "contracts") == before
    texts = qwen.seen()["texts"]
    rebuilt = site.rebuild()
    assert (rebuilt["texts_embedded"], rebuilt["activated"]) == (0, 1)
    assert qwen.seen()["texts"] == texts + 1  # the logged query, by which its recall is measured
    active = active_generation(site.connection)
    assert active is not None
    assert active.collection_instructions == {"contracts": "Find the clause"}
    assert scores(site, "contracts") != pytest.approx(before, abs=2e-3)
    assert [generation.state for generation in generations(site.connection)] == ["retired", "active"]
