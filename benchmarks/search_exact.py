"""What the answers should be: every row compared in numpy, from the vectors and tokens that loading left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from search_corpus import Corpus, Floats
from search_load import collection_of, in_parts, vectors_of

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.search.languages import aims
from kb_pipeline.store.postings import BM25_B, BM25_K1

Ids = list[list[int]]  # of each question, the rows that should be found (ids of the serving table), best first


def nearest(folder: Path, corpus: Corpus, questions: Floats, k: int, passes: NDArray[np.bool_] | None = None) -> Ids:
    """By cosine similarity alone, of the rows that pass."""
    best = _Best(len(questions), k)
    for first, part in in_parts(vectors_of(folder, corpus)):
        scores = questions @ part.T
        if passes is not None:
            scores[:, ~passes[first : first + len(part)]] = -np.inf
        best.take(first, scores)
    return best.ids()


def by_meaning(
    folder: Path,
    corpus: Corpus,
    questions: Floats,
    k: int,
    means: Mapping[str, Floats],
    passes: NDArray[np.bool_] | None = None,
) -> Ids:
    """As `search.legs.by_meaning` ranks English questions: aimed at each language."""
    aimed = [aims(question, "en", means) for question in questions]
    if not aimed[0]:
        return nearest(folder, corpus, questions, k, passes)
    chinese = corpus.chinese_rows()
    best = _Best(len(questions), k)
    for first, part in in_parts(vectors_of(folder, corpus)):
        scores = np.full((len(questions), len(part)), -np.inf, np.float32)
        for language, rows in (("zh", chinese[first : first + len(part)]), ("en", ~chinese[first : first + len(part)])):
            vectors = np.stack([aim[language].vector for aim in aimed]).astype(np.float32)
            baselines = np.array([aim[language].baseline for aim in aimed], np.float32)
            scores[:, rows] = vectors @ part[rows].T - baselines[:, None]
        if passes is not None:
            scores[:, ~passes[first : first + len(part)]] = -np.inf
        best.take(first, scores)
    return best.ids()


def passing(corpus: Corpus, collection: str | None = None, document: int | None = None) -> NDArray[np.bool_]:
    """Which rows are in a collection, or of a document."""
    wanted = [
        collection_of(number) == collection if collection else number == document for number in range(corpus.documents)
    ]
    return np.repeat(np.array(wanted), 10)[: corpus.rows]


class _Best:
    def __init__(self, questions: int, k: int) -> None:
        self.k = k
        self.scores = np.full((questions, k), -np.inf, np.float32)
        self.rows = np.full((questions, k), -1, np.int64)

    def take(self, first: int, scores: Floats) -> None:
        few = min(self.k, scores.shape[1])
        places = np.argpartition(-scores, few - 1, axis=1)[:, :few]
        scores = np.concatenate([self.scores, np.take_along_axis(scores, places, axis=1)], axis=1)
        rows = np.concatenate([self.rows, places + first], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.k]
        self.scores = np.take_along_axis(scores, order, axis=1)
        self.rows = np.take_along_axis(rows, order, axis=1)

    def ids(self) -> Ids:
        return [
            [int(row) + 1 for row, score in zip(rows, scores, strict=True) if np.isfinite(score)]
            for rows, scores in zip(self.rows, self.scores, strict=True)
        ]


@dataclass(frozen=True)
class Words:
    """BM25 over the tokens of the corpus, every row scored, a word beside its stem with its smaller weight."""

    folder: Path

    def best(self, question: str, k: int) -> tuple[list[int], list[float]]:
        """Ids and scores of the k best rows; more where the last of them ties."""
        scores = np.zeros(len(self._lengths), np.float64)
        for term in query_terms(question):
            held = np.flatnonzero(self._tokens == self._numbers.get(term.lexeme, -1))
            rows, counts = np.unique(np.searchsorted(self._ends, held, side="right"), return_counts=True)
            idf = np.log(1 + (len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
            norm = BM25_K1 * (1 - BM25_B + BM25_B * self._lengths[rows] / self._lengths.mean())
            scores[rows] += term.weight * idf * counts / (counts + norm)
        order = np.argsort(-scores)[: k * 5]
        last = scores[order[k - 1]]
        kept = [int(row) for row in order if scores[row] > 0 and scores[row] >= last - 1e-9]
        return [row + 1 for row in kept], [float(scores[row]) for row in kept]

    @cached_property
    def _tokens(self) -> NDArray[np.int32]:
        return np.fromfile(self.folder / "tokens.i32", np.int32)

    @cached_property
    def _lengths(self) -> NDArray[np.int32]:
        lengths: NDArray[np.int32] = np.load(self.folder / "lengths.npy")
        return lengths

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum(np.load(self.folder / "counts.npy"), dtype=np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        lines = (self.folder / "lexemes.txt").read_text("utf-8").split("\n")
        return {lexeme: number for number, lexeme in enumerate(lines)}


def overlap(found: Sequence[Sequence[int]], expected: Sequence[Sequence[int]], k: int) -> float:
    """The mean share of the expected k that are among the first k found."""
    shares = []
    for ids, wanted in zip(found, expected, strict=True):
        most = min(k, len(wanted))
        shares.append(sum((Counter(ids[:k]) & Counter(wanted)).values()) / most if most else 1.0)
    return float(np.mean([min(share, 1.0) for share in shares]))
