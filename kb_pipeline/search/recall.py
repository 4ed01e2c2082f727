"""How much of the truth a generation finds, measured before it is searched.

Terms
  queries    the newest that people searched for, from the log; where there are too few, vectors of passages.
  recall     of the ten passages that are nearest to a query in a generation, the share that its index finds.
  agreement  of the ten passages that the generation which is searched now gives for a query, the share that the other
             gives, too. Two dimensions of one model should mostly agree; two models need not, so between models it is
             told and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.store import recall as store
from kb_pipeline.store.generations import active_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.recall import Passage

QUERIES = 50  # comparing every row for each takes a minute at a million rows
K = 10
LEAST_RECALL = 0.95
LEAST_AGREEMENT = 0.6


@dataclass(frozen=True, slots=True)
class Recall:
    """`logged`: how many of the queries were from the log. `agreement`: None where nothing else is searched;
    `comparable`: whether that is of the same model. `live`: the name of the other one."""

    generation: str
    queries: int
    logged: int
    recall: float
    agreement: float | None
    comparable: bool
    live: str | None

    @property
    def refusal(self) -> str | None:
        """Why it should not be activated."""
        if self.queries and self.recall < LEAST_RECALL:
            return f"its index finds {self.recall:.0%} of the ten nearest passages, less than {LEAST_RECALL:.0%}"
        if self.comparable and self.agreement is not None and self.agreement < LEAST_AGREEMENT:
            return (
                f"it agrees with {self.live} in {self.agreement:.0%} of the ten best passages, less than "
                f"{LEAST_AGREEMENT:.0%}"
            )
        return None

    @property
    def sentence(self) -> str:
        if not self.queries:
            return f"{self.generation} holds no passages, so its recall was not measured."
        of_log = f"{self.logged} from the log" if self.logged else "vectors of passages, for want of logged queries"
        told = f"recall@{K} of {self.generation} over {self.queries} queries ({of_log}): {self.recall:.3f}"
        if self.agreement is None:
            return f"{told}."
        other = "" if self.comparable else ", which is of another model"
        return f"{told}; agreement with {self.live}{other}: {self.agreement:.3f}."


def gate(
    connection: Connection, generation: Generation, embedder: Callable[[], EmbeddingClient] | None = None
) -> Recall:
    """Measure `generation` against the truth and against the one that is searched now.

    `embedder` turns logged queries into vectors, where its model is the generation's. `connection` must be idle.
    """
    live = active_generation(connection, generation.collection) or active_generation(connection)
    live = None if live is None or live.id == generation.id else live
    comparable = live is not None and live.model_fingerprint == generation.model_fingerprint
    logged = store.logged_queries(connection, QUERIES)
    natives = _embedded(embedder, generation, [text for text, _ in logged])
    shown = [passages[:K] for _, passages in logged][: len(natives)]
    if len(natives) < QUERIES:
        natives += store.passage_vectors(connection, generation, QUERIES - len(natives))
    if not natives:
        return Recall(generation.name, 0, 0, 1.0, None, comparable, live.name if live else None)
    vectors = _at(natives, generation.dimension)
    found = store.found(connection, generation, vectors, K)
    truth = store.nearest_exactly(connection, generation, vectors, K)
    other = None
    if live is not None and comparable:
        other = _shared(store.found(connection, live, _at(natives, live.dimension), K), found)
    elif any(shown):
        other = _shared(shown, found)
    return Recall(
        generation=generation.name,
        queries=len(natives),
        logged=len(shown),
        recall=_shared(truth, found) or 0.0,
        agreement=other,
        comparable=comparable,
        live=live.name if live else None,
    )


def _embedded(
    embedder: Callable[[], EmbeddingClient] | None, generation: Generation, texts: Sequence[str]
) -> list[np.ndarray]:
    """Native vectors of queries; none where no server of this model is there."""
    if embedder is None or not texts:
        return []
    try:
        client = embedder()
        if client.identity.fingerprint != generation.model_fingerprint:
            return []
        return [client.embed_query(text, generation.query_instruction) for text in texts]
    except EmbeddingServerUnavailable:
        return []


def _at(natives: Sequence[np.ndarray], dimension: int) -> list[np.ndarray]:
    return list(to_dimension(np.stack(natives), dimension))


def _shared(wanted: Sequence[Sequence[Passage]], found: Sequence[Sequence[Passage]]) -> float | None:
    """The mean share of what is wanted that was found, over the queries that want something."""
    shares = [len(set(truth) & set(some)) / len(truth) for truth, some in zip(wanted, found, strict=False) if truth]
    return sum(shares) / len(shares) if shares else None
