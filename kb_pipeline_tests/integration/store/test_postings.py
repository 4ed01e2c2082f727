"""Postings follow what comes and goes, and ranking by them is ranking by BM25."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.search.legs import Plan, by_words
from kb_pipeline.search.lexical import weigh
from kb_pipeline.store import postings
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import EVERYTHING, Column, Membership, Node
from kb_pipeline.store.database import connect, migrate
from kb_pipeline.store.generations import GenerationKey, ensure_generation, refresh_statistics
from kb_pipeline.store.words import Matching, any_of, bm25, term_statistics
from kb_pipeline_tests.integration.search.serving import Passage, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

WORDS = [f"word{number}" for number in range(300)]
QUESTION = "word1 word2 word3 word40 word150"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    migrate(database_url)
    with connect(database_url, autocommit=True) as found:
        yield found


@pytest.fixture
def generation(connection: Connection) -> Generation:
    return ensure_generation(connection, GenerationKey("m", "m", 8, 8, ""))


def add(connection: Connection, generation: Generation, count: int, seed: int) -> None:
    """Passages of words whose frequencies fall as those of a language do, in four collections."""
    chosen = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    passages = [
        Passage(
            f"{seed}x{n} " + " ".join(chosen.choices(WORDS, weights, k=chosen.randint(5, 40))), collection=f"c{n % 4}"
        )
        for n in range(count)
    ]
    fill(connection, generation, passages)
    connection.execute(
        "UPDATE generations SET row_count = row_count + %(n)s, churn = churn + %(n)s WHERE id = %(id)s",
        {"n": count, "id": generation.id},
    )


def remove_every(connection: Connection, generation: Generation, step: int) -> None:
    gone = connection.execute(sql.SQL("DELETE FROM {} WHERE id %% %s = 0").format(generation.table), [step]).rowcount
    connection.execute(
        "UPDATE generations SET row_count = row_count - %(n)s, churn = churn + %(n)s WHERE id = %(id)s",
        {"n": gone, "id": generation.id},
    )


def ranked(connection: Connection, generation: Generation, condition: Node | None = None) -> list[tuple[int, float]]:
    plan = Plan(generation, condition, 10, tuple(query_terms(QUESTION)), None, "en")
    with store.snapshot(connection, depth=plan.depth):
        return [(row, round(score, 6)) for row, score in by_words(connection, plan).ranked]


def exact(connection: Connection, generation: Generation) -> list[tuple[int, float]]:
    """By scoring every row that holds a word of the question."""
    terms = query_terms(QUESTION)
    statistics = term_statistics(connection, generation, [term.lexeme for term in terms])
    weights = weigh(terms, statistics).all
    found = bm25(
        connection,
        generation,
        Matching(any_of(list(weights)), 0, 1_000_000),
        weights=weights,
        mean_length=statistics.mean_length,
        condition=EVERYTHING,
        depth=100,
    )
    return [(row, round(score, 6)) for row, score in found]


def counts(connection: Connection, generation: Generation) -> dict[str, int]:
    return dict(
        connection.execute(
            "SELECT lexeme, document_frequency FROM generation_lexemes WHERE generation_id = %s", [generation.id]
        ).fetchall()
    )


def true_counts(connection: Connection, generation: Generation) -> dict[str, int]:
    return dict(
        connection.execute(
            "SELECT word, ndoc FROM ts_stat(format('SELECT lexemes FROM generation_%%s', %s::int))", [generation.id]
        ).fetchall()
    )


def test_covered_and_fresh_rows_are_ranked_as_if_every_one_was_scored(
    connection: Connection, generation: Generation
) -> None:
    add(connection, generation, 1500, seed=1)
    assert refresh_statistics(connection, generation)
    assert ranked(connection, generation)[:10] == exact(connection, generation)[:10]
    add(connection, generation, 100, seed=2)
    assert ranked(connection, generation)[:10] == exact(connection, generation)[:10]


def test_new_rows_are_covered_by_a_block_that_takes_in_smaller_ones(
    connection: Connection, generation: Generation
) -> None:
    rows = []
    for seed, count in enumerate([1500, 600, 700]):
        add(connection, generation, count, seed)
        refresh_statistics(connection, generation)
        rows.append([block.rows for block in postings.blocks(connection, generation)])
        assert counts(connection, generation) == true_counts(connection, generation)
        assert ranked(connection, generation)[:10] == exact(connection, generation)[:10]
    assert rows == [[1500], [1500, 600], [1500, 1300]]


def test_after_a_big_deletion_words_are_counted_again(connection: Connection, generation: Generation) -> None:
    add(connection, generation, 1000, seed=1)
    refresh_statistics(connection, generation)
    remove_every(connection, generation, 20)
    assert not refresh_statistics(connection, generation)
    assert all(row % 20 for row, _ in ranked(connection, generation))
    remove_every(connection, generation, 3)
    assert refresh_statistics(connection, generation)
    assert counts(connection, generation) == true_counts(connection, generation)
    assert ranked(connection, generation)[:10] == exact(connection, generation)[:10]


def test_a_filter_gets_the_best_of_the_rows_that_pass(connection: Connection, generation: Generation) -> None:
    add(connection, generation, 6000, seed=1)
    refresh_statistics(connection, generation)
    connection.execute(sql.SQL("UPDATE {} SET language = 'xx' WHERE id % 400 = 0").format(generation.table))
    every = dict(ranked(connection, generation, Membership(Column("language"), ("en", "other", "zh", "xx"))))
    assert list(every.items())[:10] == exact(connection, generation)[:10]
    few = ranked(connection, generation, Membership(Column("language"), ("xx",)))
    assert len(few) >= 10
    assert all(row % 400 == 0 for row, _ in few)
