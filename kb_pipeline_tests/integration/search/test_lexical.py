"""Search by words."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.chunking.lexemes import occurrences, query_terms
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import postings
from kb_pipeline.store.generations import refresh_statistics
from kb_pipeline_tests.integration.search.handbook import (
    find,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection


def reference_bm25(passages: list[Passage], question: str) -> list[tuple[int, float]]:
    """BM25 as its definition has it, over everything: [(document, score)], best first."""
    said = [occurrences(passage.text) for passage in passages]
    lengths = [text[-1].place for text in said]
    mean = sum(lengths) / len(lengths)
    texts = [[occurrence.lexeme for occurrence in text] for text in said]
    scores = []
    for number, (text, length) in enumerate(zip(texts, lengths, strict=True), start=1):
        counts, score = Counter(text), 0.0
        for term in query_terms(question):
            held = sum(term.lexeme in other for other in texts)
            tf = counts[term.lexeme]
            norm = postings.BM25_K1 * (1 - postings.BM25_B + postings.BM25_B * length / mean)
            score += term.weight * math.log(1 + (len(texts) - held + 0.5) / (held + 0.5)) * tf / (tf + norm)
        if score:
            scores.append((number, score))
    return sorted(scores, key=lambda item: (-item[1], item[0]))


@pytest.mark.parametrize("recorded", [True, False])
def test_lexical_scores_are_bm25_with_and_without_recorded_statistics(
    connection: Connection, client: EmbeddingClient, recorded: bool
) -> None:
    rng = random.Random(11)
    words = ["泵", "合同", "年假", "invoice", "pump", "GB/T-19001", "交付", "warranty", "三十日"]
    passages = [Passage(" ".join(rng.choices(words, k=rng.randint(1, 40))) + f" 第{n}段") for n in range(60)]
    passages.append(Passage("泵 " * 150))
    generation = make_generation(connection, client.identity)
    fill(connection, generation, passages)
    if recorded:
        refresh_statistics(connection, generation)
    for question in ("合同交付 invoice", "pump", "GB/T-19001 的年假", "泵"):
        hits = find(connection, question, mode="lexical", k=50).hits
        expected = reference_bm25(passages, question)[:50]
        assert [hit.document_id for hit in hits] == [number for number, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=2e-6)


def test_common_words_alone_still_find_passages_when_rare_ones_find_too_few(
    connection: Connection, client: EmbeddingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = make_generation(connection, client.identity)
    fill(connection, generation, [Passage(f"合同 {n}") for n in range(50)] + [Passage("罕见 合同")])
    refresh_statistics(connection, generation)
    monkeypatch.setattr("kb_pipeline.search.legs.MOST_CANDIDATES", 20)
    monkeypatch.setattr("kb_pipeline.search.lexical.candidate_queries.__defaults__", (20,))
    hits = find(connection, "罕见 合同", mode="lexical", k=10).hits
    assert hits[0].content == "罕见 合同"
    assert len(hits) == 10
