"""What a search gives back: hits, notes about them, and how long each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kb_pipeline.search.fusion import Share
from kb_pipeline.search.highlights import Span
from kb_pipeline.search.request import Mode


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands."""

    source_file: str
    page_number: int | None
    page_end: int | None
    collection: str
    document_id: int
    chunk_key: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the place of a hit comes from; of a merged one, that of its best passage.

    `meaning`, `words`: what each ranking says, None where it did not find the passage; `fused` is the sum of weight *
    normalised.
    `coverage`: how much of the question the best passage of words says, which their weight shrinks with.
    `language_shift`: how near the question is to the mean of all passages in this one's language, which was taken from
    its similarity. `rerank`: the reranker's score, None where it was not asked about it.
    """

    fused: float
    meaning: Share | None
    words: Share | None
    coverage: float | None
    language_shift: float | None
    rerank: float | None


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: the reranker's where there is one; else fused (hybrid), cosine similarity (vector; see
    `search.languages`) or BM25 (lexical); only its order means something.

    `chunk_key`: of the passage that was found; of a merged hit, of the best. `chunk_keys`: of all that its content is
    joined of, in their order. `highlights`: where the words of the question stand in the content, [start, end) in
    characters. `also_in`: where else the same is said. `fields`: declared ones that its document has.
    `explanation`: only where it was asked for.
    """

    rank: int
    score: float
    content: str
    source_file: str
    page_number: int | None
    page_end: int | None
    section_title: str | None
    section_path: tuple[str, ...]
    collection: str
    document_id: int
    chunk_key: str
    metadata: Mapping[str, Any]
    fields: Mapping[str, Any]
    chunk_keys: tuple[str, ...]
    highlights: tuple[Span, ...]
    also_in: tuple[Place, ...]
    explanation: Explanation | None = None

    def stands_in(self, source_file: str) -> bool:
        """Whether this file says it, too."""
        return source_file == self.source_file or any(place.source_file == source_file for place in self.also_in)


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a result; `code` is for programs and translations."""

    code: Literal[
        "empty",
        "embedding_server",
        "language",
        "language_vector",
        "no_terms",
        "phrase",
        "reranker",
        "unknown_collection",
    ]
    text: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`query` is masked, see `search.echo`. `generation` and `event_id` are None where nothing was searched or logged.
    `reranked`: a reranker gave the order."""

    query: str
    mode: Mode
    generation: str | None
    event_id: int | None
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    note: Note | None = None
    reranked: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain data with the keys that the command line and the web API document."""
        data = asdict(self)
        data["note"] = self.note.text if self.note else None
        data["note_code"] = self.note.code if self.note else None
        return data


@dataclass(slots=True)
class Clock:
    """Milliseconds per step, of all times that it was taken."""

    timings: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            taken = (time.perf_counter() - begin) * 1000
            self.timings[name] = round(self.timings.get(name, 0.0) + taken, 2)

    def stopped(self) -> dict[str, float]:
        return {**self.timings, "total": round((time.perf_counter() - self.started) * 1000, 2)}
