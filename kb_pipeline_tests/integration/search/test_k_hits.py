"""A search returns k hits wherever so many pass: at every selectivity, in every mode, over several generations."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import database
from kb_pipeline.store.generations import ensure_vector_index, refresh_statistics
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kb_pipeline.store.database import Connection

DIMENSION = 64
PER_DOCUMENT = 10
ROWS = {"shared": 3_000, "law": 600}  # the second has a generation of its own
WORDS = [f"word{number}" for number in range(2_000)]


def passages(collection: str) -> list[Passage]:
    """Ten a document, of which the seventh and eighth say the same; every one says `common`, one in twenty `rare`."""
    chance = random.Random(collection)
    found: list[Passage] = []
    first = 1 if collection == "shared" else 1_000_000
    for number in range(ROWS[collection]):
        content = " ".join(["common", *chance.sample(WORDS, 8), *(["rare"] if number % 20 == 0 else [])])
        if number % PER_DOCUMENT == 7:
            content = found[-1].content
        document = number // PER_DOCUMENT
        found.append(
            Passage(
                content,
                f"{collection}/{document}.md",
                "law" if collection == "law" else f"c{document % 10}",
                number % 100,
                document_id=first + document,
                ordinal=number % PER_DOCUMENT,
            )
        )
    return found


ALL = {collection: passages(collection) for collection in ROWS}


@pytest.fixture(scope="module")
def several(postgres_url: str) -> Iterator[tuple[Connection, EmbeddingClient]]:
    with (
        new_database(postgres_url) as url,
        instant_server(dimension=DIMENSION) as server,
        EmbeddingClient.connect(server.base_url) as client,
    ):
        database.migrate(url)
        with database.connect(url, autocommit=True) as connection:
            for collection, dimension in (("shared", DIMENSION), ("law", 32)):
                own = None if collection == "shared" else collection
                generation = make_generation(connection, client.identity, dimension=dimension, collection=own)
                fill(connection, generation, ALL[collection])
                ensure_vector_index(connection, generation)
                refresh_statistics(connection, generation)
            yield connection, client


FILTERS: dict[str, tuple[str | None, Callable[[Passage], bool]]] = {
    "everything": (None, lambda passage: True),
    "a tenth": ("page_number between 0 and 9", lambda passage: (passage.page_number or 0) < 10),
    "a hundredth": ("page_number = 3", lambda passage: passage.page_number == 3),
    "one document": ("source_file = 'shared/17.md'", lambda passage: passage.source_file == "shared/17.md"),
    "one document of each": ("source_file like '%/17.md'", lambda passage: passage.source_file.endswith("/17.md")),
    "nothing": ("source_file = 'none'", lambda passage: False),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    share=st.sampled_from(list(FILTERS)),
    mode=st.sampled_from(["hybrid", "vector", "lexical"]),
    question=st.sampled_from(["common", "rare", "common rare word7"]),
    collections=st.sampled_from([(), ("law",), ("c3",), ("c3", "law"), ("c3", "c4")]),
    k=st.sampled_from([1, 10, 60]),
    fold=st.booleans(),
    per_document=st.sampled_from([None, 1, 3]),
)
def test_there_are_k_hits_where_so_many_pass(
    several: tuple[Connection, EmbeddingClient],
    share: str,
    mode: Literal["hybrid", "vector", "lexical"],
    question: str,
    collections: tuple[str, ...],
    k: int,
    fold: bool,
    per_document: int | None,
) -> None:
    connection, client = several
    where, passes = FILTERS[share]
    said = set(question.split())
    of_document: dict[str, list[str]] = defaultdict(list)
    for passage in (passage for some in ALL.values() for passage in some):
        is_said = mode != "lexical" or said & set(passage.content.split())
        if passes(passage) and is_said and (not collections or passage.collection in collections):
            of_document[passage.source_file].append(passage.content)
    there = sum(
        min(len(set(contents) if fold else contents), per_document or len(contents))
        for contents in of_document.values()
    )
    result = search(
        lambda: nullcontext(connection),
        SearchRequest(
            question, k, mode, collections, where, fold=fold, per_document=per_document, rerank=False, logged=False
        ),
        embedder=lambda: client,
        mask=_unmasked,
    )
    assert len(result.hits) == min(k, there)
    assert {hit.source_file for hit in result.hits} <= set(of_document)


def _unmasked(text: str, _: Sequence[str]) -> list[str]:
    return [text]
