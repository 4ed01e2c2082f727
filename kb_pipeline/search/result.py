"""What a search gives back: hits, notes about them, and how long each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kb_pipeline.search.request import Mode


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: fused (hybrid), cosine similarity (vector; see `search.languages`) or BM25 (lexical); only its order
    means something."""

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


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a result; `code` is for programs and translations."""

    code: Literal["empty", "embedding_server", "language", "language_vector", "no_terms", "unknown_collection"]
    text: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`query` is masked. `generation` and `event_id` are None where nothing was searched or logged."""

    query: str
    mode: Mode
    generation: str | None
    event_id: int | None
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    note: Note | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data with the keys that the command line and the web API document."""
        data = asdict(self)
        data["note"] = self.note.text if self.note else None
        data["note_code"] = self.note.code if self.note else None
        return data


@dataclass(slots=True)
class Clock:
    """Milliseconds per step."""

    timings: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = round((time.perf_counter() - begin) * 1000, 2)

    def stopped(self) -> dict[str, float]:
        return {**self.timings, "total": round((time.perf_counter() - self.started) * 1000, 2)}
