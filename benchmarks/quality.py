"""How well search finds the passage that answers a question, on public sets: words, vectors, and both together.

    python benchmarks/quality.py --data DIR [--sets 'XQuAD zh' MED] [--questions 400] [--embedding-url URL | --words]
        [--vectors DIR]

The passages of a set are loaded into a serving table of a real PostgreSQL, embedded by the site's embedding server
(the CPU server where no URL is given), and every question goes through `search.retrieve` as a user's does. Shown:

  words, vectors   one ranking alone
  to_tsvector      words as PostgreSQL cuts them: to_tsvector('english', …), any of the words, ts_rank_cd
  bm25s            the peer for words; its own cutting of words and PyStemmer's English stems where the text is English,
                   characters and pairs of them where it is Chinese
  RRF              both rankings, by reciprocal rank fusion (what this project did before)
  fused .3 … .7    both, by `search.fusion` with that weight on meaning (whole: without regard to coverage)
  search           what `kb search` answers

Differences are of `search` to each of the others, per question, with a 95 % interval of a paired bootstrap.
The sets stand in two halves: `--half first` were looked at while fusion was chosen, `--half second` only afterwards.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import Stemmer
from common import home, say, table
from psycopg import sql
from remembered import Remembered
from retrieval_sets import RetrievalSet, load

from kb_pipeline.chunking.lexemes import query_terms, tokens
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.embedding.stream import EmbeddedText
from kb_pipeline.search.fusion import fuse
from kb_pipeline.search.lexical import weigh
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.settings import Settings
from kb_pipeline.site import connect_embedding
from kb_pipeline.store import database
from kb_pipeline.store.generations import (
    Generation,
    GenerationKey,
    activate,
    active_generation,
    ensure_generation,
    ensure_vector_index,
    refresh_statistics,
)
from kb_pipeline.store.words import term_statistics
from kb_pipeline_tests.integration.search.serving import Passage, fill

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection

HALVES = {
    "first": ["XQuAD zh", "XQuAD zh→en", "XQuAD zh→both", "MED"],
    "second": ["XQuAD en", "XQuAD en→zh", "XQuAD en→both", "CMRC", "CISI"],
}
DEPTH = 100  # rows of each ranking that are fused, as in a search for ten
SHOWN = 10
WORD_PEERS = ("to_tsvector", "bm25s")
WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7)
RESAMPLES = 10_000

Embedder = EmbeddingClient | Remembered
Ranking = Sequence[tuple[int, float]]  # (place of a passage, score), best first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--half", choices=HALVES, help="only these sets (default: both halves)")
    parser.add_argument("--sets", nargs="*", help="only these sets, by name")
    parser.add_argument("--questions", type=int, default=400, help="at most so many of a set")
    parser.add_argument("--embedding-url", help="an embedding server (default: the CPU server)")
    parser.add_argument("--vectors", type=Path, help="a folder that keeps what was embedded for the next time")
    parser.add_argument("--words", action="store_true", help="only words and their peers; nothing is embedded")
    options = parser.parse_args()
    names = options.sets or [name for half in HALVES if options.half in {None, half} for name in HALVES[half]]
    with home() as place:
        place.start()
        settings = Settings(home=place.path, embedding_url=options.embedding_url)
        with (
            database.connect(place.database_url(), autocommit=True) as connection,
            nullcontext() if options.words else connect_embedding(settings) as client,
        ):
            say(f"embedded by {client.identity.name}" if client else "words only")
            embedder = Remembered(client, options.vectors) if client and options.vectors else client
            for name in names:
                measure(connection, embedder, load(name, options.data).sampled(options.questions))


def measure(connection: Connection, client: Embedder | None, questions: RetrievalSet) -> None:
    """Print the tables of one set."""
    say(f"{questions.name}: {len(questions.passages)} passages, {len(questions.relevant)} questions")
    keep_tsvectors(connection, load_passages(connection, client, questions))
    found: dict[str, list[Ranking]] = {}
    for question in questions.relevant:
        for system, ranking in answers(connection, client, question):
            found.setdefault(system, []).append(ranking)
    found |= bm25s_answers(questions)
    main_one = "search" if client else "words"
    relevant = list(questions.relevant.values())
    ndcg = {
        system: np.array([ndcg_of(*pair) for pair in zip(found[system], relevant, strict=True)]) for system in found
    }
    rows = []
    for system, rankings in found.items():
        recall = np.mean([recall_of(*pair) for pair in zip(rankings, relevant, strict=True)])
        mrr = np.mean([reciprocal_rank(*pair) for pair in zip(rankings, relevant, strict=True)])
        interval = _interval(ndcg[main_one] - ndcg[system]) if system != main_one else ""
        by_words = _interval(ndcg["words"] - ndcg[system]) if client and system in WORD_PEERS else ""
        rows.append([system, f"{ndcg[system].mean():.3f}", f"{recall:.3f}", f"{mrr:.3f}", interval, by_words])
    title = f"{questions.name}: {len(questions.passages):,} passages, {len(relevant):,} questions"
    table(title, ["", "nDCG@10", "recall@10", "MRR@10", f"{main_one} minus it, nDCG", "words minus it, nDCG"], rows)


# --- the product ---------------------------------------------------------------------------------------


def load_passages(connection: Connection, client: Embedder | None, questions: RetrievalSet) -> Generation:
    """A generation of their own, and the one that is searched."""
    if client is None:
        key = GenerationKey("words", "words", 2, 2, questions.name)
        generation = ensure_generation(connection, key)
        fill(connection, generation, map(Passage, questions.passages), embed=lambda _: np.array([1.0, 0.0]))
        refresh_statistics(connection, generation)
        activate(connection, generation)
        return generation
    vectors: dict[str, np.ndarray] = {}
    distinct = list(dict.fromkeys(questions.passages))
    for result in client.embed((str(number).encode(), text) for number, text in enumerate(distinct)):
        if not isinstance(result, EmbeddedText):
            sys.exit(f"A passage was refused: {result.reason}")
        vectors[distinct[int(result.key)]] = result.vector
    identity = client.identity
    key = GenerationKey(
        identity.fingerprint, identity.name, identity.native_dimension, identity.native_dimension, questions.name
    )
    generation = ensure_generation(connection, key)
    fill(connection, generation, map(Passage, questions.passages), embed=vectors.__getitem__)
    ensure_vector_index(connection, generation)
    refresh_statistics(connection, generation)
    activate(connection, generation)
    return generation


def answers(connection: Connection, client: Embedder | None, question: str) -> Iterator[tuple[str, Ranking]]:
    def ask(mode: Literal["hybrid", "vector", "lexical"], k: int) -> Ranking:
        result = search(
            lambda: nullcontext(connection),
            SearchRequest(question[:2000], k=k, mode=mode),
            embedder=lambda: cast("EmbeddingClient", client),
            mask=lambda text, _: [text],
        )
        return [(hit.document_id - 1, hit.score) for hit in result.hits]

    words = ask("lexical", DEPTH)
    yield "words", words
    yield "to_tsvector", tsvector_answers(connection, question)
    if client is None:
        return
    meaning = ask("vector", DEPTH)
    yield "vectors", meaning
    yield "RRF", reciprocal_ranks([words, meaning])
    yield "fused .5, whole", fuse(meaning, words)
    covered = coverage_of(connection, question, words)
    for weight in WEIGHTS:
        yield f"fused {weight}", fuse(meaning, words, covered, weight)
    yield "search", ask("hybrid", SHOWN)


def coverage_of(connection: Connection, question: str, words: Ranking) -> float:
    generation = active_generation(connection)
    if generation is None or not words:
        return 0.0
    terms = query_terms(question[:2000])
    statistics = term_statistics(connection, generation, [term.lexeme for term in terms])
    return weigh(terms, statistics).coverage(words[0][1])


# --- the others ----------------------------------------------------------------------------------------


def reciprocal_ranks(rankings: Sequence[Ranking], k: int = 60) -> Ranking:
    """Cormack, Clarke and Büttcher, SIGIR 2009."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (row, _) in enumerate(ranking, start=1):
            scores[row] = scores.get(row, 0.0) + 1 / (k + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


def tsvector_answers(connection: Connection, question: str) -> Ranking:
    """Of a plain full-text search; for any of the words, because hardly a passage has all of a question's."""
    return connection.execute(
        "SELECT place, ts_rank_cd(words, q) AS score "
        "FROM plain, (SELECT replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery AS q) AS q "
        "WHERE words @@ q ORDER BY score DESC, place LIMIT %s",
        [question, SHOWN],
    ).fetchall()


def keep_tsvectors(connection: Connection, generation: Generation) -> None:
    """What `tsvector_answers` searches."""
    connection.execute("DROP TABLE IF EXISTS plain")
    statement = (
        "CREATE TEMP TABLE plain AS SELECT document_id - 1 AS place, to_tsvector('english', content) AS words FROM {}"
    )
    connection.execute(sql.SQL(statement).format(generation.table))


def bm25s_answers(questions: RetrievalSet) -> Mapping[str, list[Ranking]]:
    """Nothing where bm25s is not installed."""
    try:
        import bm25s
    except ImportError:
        return {}
    stemmer = Stemmer.Stemmer("english")

    def cut(texts: list[str]) -> Any:
        if _is_english(questions.passages):
            return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
        return [tokens(text) for text in texts]

    retriever = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    retriever.index(cut(list(questions.passages)), show_progress=False)
    found: list[Ranking] = []
    for question in questions.relevant:
        rows, scores = retriever.retrieve(cut([question]), k=SHOWN, show_progress=False)
        found.append([(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True) if score > 0])
    return {"bm25s": found}


def _is_english(texts: Sequence[str]) -> bool:
    return sum(map(str.isascii, texts)) > len(texts) / 2


# --- measures ------------------------------------------------------------------------------------------


def ndcg_of(ranking: Ranking, relevant: frozenset[int]) -> float:
    gain = sum(1 / math.log2(place + 2) for place, (row, _) in enumerate(ranking[:SHOWN]) if row in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(SHOWN, len(relevant))))


def _interval(differences: np.ndarray) -> str:
    difference, low, high = bootstrap(differences)
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def recall_of(ranking: Ranking, relevant: frozenset[int]) -> float:
    return len({row for row, _ in ranking[:SHOWN]} & relevant) / len(relevant)


def reciprocal_rank(ranking: Ranking, relevant: frozenset[int]) -> float:
    return next((1 / place for place, (row, _) in enumerate(ranking[:SHOWN], start=1) if row in relevant), 0.0)


def bootstrap(differences: np.ndarray) -> tuple[float, float, float]:
    """The mean, and the ends of its 95 % interval."""
    chosen = np.random.default_rng(1).integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[chosen].mean(axis=1), [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


if __name__ == "__main__":
    main()
