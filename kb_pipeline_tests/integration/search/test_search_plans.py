"""Every statement of a search, and of a document that comes and goes, is answered from an index."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.search import legs
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.store import database, generations, postings
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import EVERYTHING
from kb_pipeline.store.generations import GenerationKey
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.instant_embedding_server import instant_vector
from kb_pipeline_tests.integration.search.serving import Passage, fill
from kb_pipeline_tests.plans import Explained, indexes, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

DIMENSION = 8
ROWS = 6_000
WORDS = [f"word{number}" for number in range(2_000)]
LARGE = {"generation_1", "postings", "generation_lexemes", "documents", "chunks", "embeddings"}


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[tuple[str, Generation]]:
    """Passages of words whose frequencies fall as those of a language do; a hundred of them came last."""
    chosen = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    passages = [
        Passage(f"{' '.join(chosen.choices(WORDS, weights, k=20))} {n}", f"{n % 600}.md", f"c{n % 50}")
        for n in range(ROWS + 100)
    ]
    with new_database(postgres_url) as url:
        database.migrate(url)
        with database.connect(url, autocommit=True) as connection:
            generation = generations.ensure_generation(connection, GenerationKey("m", "m", DIMENSION, DIMENSION, ""))
            fill(connection, generation, passages[:ROWS])
            connection.execute("UPDATE generations SET row_count = %s", [ROWS])
            generations.activate_first(connection, generation)
            generations.ensure_vector_index(connection, generation)
            generations.refresh_statistics(connection, generation)
            fill(connection, generation, passages[ROWS:])
            connection.execute("VACUUM ANALYZE")
            generation = generations.named_generation(connection, "g1")
        yield url, generation


def plan(generation: Generation, text: str = "", where: str | None = None) -> legs.Plan:
    return legs.Plan(generation, parse_filter(where) if where else None, 10, tuple(query_terms(text)), None, "en")


def by_words(text: str, where: str | None = None) -> Callable[[Connection, Generation], object]:
    return lambda c, g: legs.by_words(c, plan(g, text, where))


def by_meaning(where: str | None = None) -> Callable[[Connection, Generation], object]:
    vector = instant_vector("question", DIMENSION)
    return lambda c, g: legs.by_meaning(c, plan(g, where=where), vector)


WORD_INDEXES = {"postings_pkey", "generation_1_pkey"}
QUESTIONS: dict[str, tuple[Callable[[Connection, Generation], object], set[str]]] = {
    "by meaning": (by_meaning(), {"generation_1_embedding"}),
    "by meaning, where many pass": (by_meaning("source_file <> '7.md'"), {"generation_1_embedding"}),
    "by meaning, in a collection": (by_meaning("collection = 'c7'"), {"generation_1_collection_idx"}),
    "by meaning, in a document": (by_meaning("source_file = '7.md'"), {"generation_1_source_file_idx"}),
    "by words": (by_words("word1 word30 word200"), WORD_INDEXES),
    "rows of rare words": (
        lambda c, g: postings.rows_with(c, g, ["'word1800'", "'word1900'"], upto=ROWS, mean_length=20),
        {"generation_1_lexemes_idx"},
    ),
    "by words, in a collection": (by_words("word1 word30", "collection = 'c7'"), WORD_INDEXES),
    "what hits show": (lambda c, g: store.rows(c, g, list(range(100, 200))), {"generation_1_pkey"}),
    "which collections": (
        lambda c, g: store.collections(c, g, EVERYTHING),
        {"generation_1_collection_idx"},
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_from_indexes(filled: tuple[str, Generation], name: str) -> None:
    url, generation = filled
    ask, expected = QUESTIONS[name]
    with database.connect(url, autocommit=True) as connection:
        database.register_types(connection)
        with store.snapshot(connection, depth=100, rows=generation.row_count):
            Explained.plans = []
            connection.cursor_factory = Explained
            ask(connection, generation)
    assert expected <= indexes(Explained.plans)
    assert not read_whole(Explained.plans) & LARGE


def test_a_document_is_swapped_by_indexes(filled: tuple[str, Generation]) -> None:
    url, generation = filled
    with database.connect(url, autocommit=True) as connection, connection.transaction(force_rollback=True):
        Explained.plans = []
        connection.cursor_factory = Explained
        generations.swap_documents(connection, generation, [1, 2, 3])
    assert "generation_1_chunk" in indexes(Explained.plans)
    assert "generation_1" not in read_whole(Explained.plans)
