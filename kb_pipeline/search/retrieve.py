"""One search, from a person's words to ranked passages.

Terms
  mode      hybrid (both rankings, fused), vector (by meaning) or lexical (by words). A result names the mode
            that ran: where the embedding model does not speak the query's language, or its server is not there,
            hybrid is lexical.
  depth     how many rows each ranking contributes to the fusion; well above k, so that a passage which
            both find tolerably beats one that only one of them finds.
  event     the logged search; feedback points at it.

Queries are masked with the policy of the documents before anything is logged, shown or embedded: a mobile number in
a query becomes its pseudonym, and so finds the passage that holds the number. A document is masked by what stands
beside a value, though, and a query has little beside it. So its words are looked up in every form in which they may be
stored: as they are, as each policy would have them, and as what may stand for them.

No database connection is held while the embedding server is asked: a slow one takes no place from searches that do
without it.
"""

from __future__ import annotations

import time
import unicodedata
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import psycopg

from kb_pipeline.chunking.language import has_letters, language_of
from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, SettingsError
from kb_pipeline.search.filters import mask_values, parse_filter
from kb_pipeline.search.fusion import fuse
from kb_pipeline.search.languages import aims
from kb_pipeline.search.lexical import (
    MOST_CANDIDATES,
    candidate_queries,
    coverage,
    inverse_frequencies,
    rarest_first,
)
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import And, Column, Membership, Node, Not, compile_condition
from kb_pipeline.store.database import Connection, database_errors
from kb_pipeline.store.generations import Generation, active_generation, named_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kb_pipeline.embedding.client import EmbeddingClient

    # An idle connection for the length of a block.
    Connect = Callable[[], AbstractContextManager[Connection]]
    # Every form in which the words of a query may be stored in the named collections (none: all); only the first,
    # masked as all their policies together do, may be logged, shown or embedded.
    MaskQuery = Callable[[str, Sequence[str]], Sequence[str]]

Mode = Literal["hybrid", "vector", "lexical"]

DEFAULT_K = 10
MOST_K = 200
MOST_CHARACTERS = 2_000  # of a query
SMALLEST_DEPTH = 100


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`collections`: empty for all. `where`: see `search.filters`. `generation`: None for the active one."""

    query: str
    k: int = DEFAULT_K
    mode: Mode = "hybrid"
    collections: tuple[str, ...] = ()
    where: str | None = None
    generation: str | None = None
    logged: bool = True  # False for questions that no person asked


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
class _Clock:
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be looked up where; `vector` is None in lexical mode, `terms` empty in vector mode."""

    generation: Generation
    condition: Node | None
    k: int
    terms: tuple[str, ...]
    vector: np.ndarray | None
    language: str

    @property
    def depth(self) -> int:
        return min(max(SMALLEST_DEPTH, 5 * self.k), store.MOST_EF_SEARCH)

    @property
    def mode(self) -> Mode:
        return "lexical" if self.vector is None else "hybrid" if self.terms else "vector"


def search(
    connect: Connect,
    request: SearchRequest,
    *,
    embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
) -> SearchResult:
    """The best passages for `request`.

    `embedder` is only called when a query vector is needed. Raises SettingsError for a wrong request,
    GenerationMismatch when the embedding server's model is not the generation's, EmbeddingServerUnavailable
    where only vectors were to be searched, DatabaseUnavailable.
    """
    clock = _Clock()
    _check(request)
    spellings = mask(unicodedata.normalize("NFC", request.query.strip()), request.collections)
    text = spellings[0]
    condition = _condition(request, lambda value: mask(value, request.collections)[0])
    with database_errors(), connect() as connection:
        generation = _generation(connection, request.generation)
    if generation is None:
        return SearchResult(text, request.mode, None, None, (), clock.stopped(), _EMPTY)
    with clock.step("analyse"):
        found = dict.fromkeys(term for spelling in spellings for term in query_terms(spelling))
        terms = tuple(found) if request.mode != "vector" else ()
        mode, note = _choose_mode(request.mode, text, bool(terms), generation)
    vector = None
    if mode != "lexical":
        try:
            vector = _query_vector(embedder, text, generation, request.collections, clock)
        except EmbeddingServerUnavailable:
            if not terms:
                raise
            note = _WORDS_ONLY
    plan = _Plan(generation, condition, request.k, terms, vector, language_of(text))
    with database_errors(), connect() as connection:
        with store.snapshot(connection, depth=plan.depth):
            ranked = _rank(connection, plan, clock)
            hits = _hits(connection, plan, ranked, clock)
            note = note if hits else _why_nothing(connection, plan, request) or note
        event = _record(connection, generation, text, plan.mode, hits, clock) if request.logged else None
    return SearchResult(text, plan.mode, generation.name, event, hits, clock.stopped(), note)


def searched_collections(connect: Connect) -> list[str]:
    """The collections that the active generation holds, in order."""
    with database_errors(), connect() as connection:
        generation = _generation(connection, None)
        if generation is None:
            return []
        with connection.transaction():
            return store.collections(connection, generation)


# --- the request -----------------------------------------------------------------------------------


def _check(request: SearchRequest) -> None:
    if not request.query.strip():
        raise SettingsError("The query is empty; give some words to search for.")
    if len(request.query) > MOST_CHARACTERS:
        raise SettingsError(f"The query is longer than {MOST_CHARACTERS} characters; ask in fewer words.")
    texts = [request.query, request.where or "", request.generation or "", *request.collections]
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for text in texts for character in text):
        raise SettingsError("The request holds a character that no text can hold; type it again.")
    if not 1 <= request.k <= MOST_K:
        raise SettingsError(f"k is {request.k}; choose a number of passages from 1 to {MOST_K}.")
    if request.mode not in get_args(Mode):
        raise SettingsError("The mode is unknown; choose hybrid, vector or lexical.")


def _condition(request: SearchRequest, mask: Callable[[str], str]) -> Node | None:
    node = Membership(Column("collection"), request.collections) if request.collections else None
    if request.where and request.where.strip():
        where = mask_values(parse_filter(request.where), mask)
        return _both(node, where)
    return node


def _both(one: Node | None, other: Node) -> Node:
    return other if one is None else And(one, other)


_EMPTY = Note("empty", "The knowledge base is empty; run `kb ingest` with a folder of documents.")
_WORDS_ONLY = Note(
    "embedding_server", "The embedding server does not answer, so only the words of the query were searched."
)


def _generation(connection: Connection, name: str | None) -> Generation | None:
    """None while there is nothing to search, which includes a database without tables yet."""
    try:
        with connection.transaction():
            if name is None:
                return active_generation(connection)
            generation = named_generation(connection, name)
    except psycopg.errors.UndefinedTable:
        return None
    if generation.state == "building":
        raise SettingsError(f"Generation {name} is still being built; search it when `kb generations` says active.")
    return generation


def _choose_mode(wanted: Mode, text: str, has_terms: bool, generation: Generation) -> tuple[Mode, Note | None]:
    """The mode that will run. Fusion with a model that does not speak the language hurts more than it helps."""
    # Numbers and signs belong to no language.
    speaks = not has_letters(text) or profile_for(generation.model).speaks(language_of(text))
    if wanted == "vector":
        warning = f"{generation.model} does not speak the language of this query; lexical mode will do better."
        return "vector", None if speaks else Note("language_vector", warning)
    if wanted == "hybrid" and has_terms and not has_letters(text):
        return "lexical", None  # a number means nothing: what is near to it only seems so
    if wanted == "hybrid" and speaks:
        return "hybrid" if has_terms else "vector", None
    if not has_terms:
        return "lexical", Note("no_terms", "The query has no words that could be looked up; use some.")
    if wanted == "hybrid":
        reason = f"{generation.model} does not speak the language of this query, so only its words were searched."
        return "lexical", Note("language", reason)
    return "lexical", None


def _query_vector(
    embedder: Callable[[], EmbeddingClient],
    text: str,
    generation: Generation,
    collections: Sequence[str],
    clock: _Clock,
) -> np.ndarray:
    """(dimension,), norm 1, in the space of the generation's vectors."""
    with clock.step("connect"):
        client = embedder()
    if client.identity.fingerprint != generation.model_fingerprint:
        raise GenerationMismatch(generation.name, generation.model, client.identity.name)
    with clock.step("embed"):
        native = client.embed_query(text, generation.instruction_for(collections))
    vector: np.ndarray = to_dimension(native[np.newaxis, :], generation.dimension)[0]
    return vector


# --- ranking ---------------------------------------------------------------------------------------


def _rank(connection: Connection, plan: _Plan, clock: _Clock) -> list[store.Ranked]:
    """The best k rows; `plan` says by which rankings."""
    meaning: list[store.Ranked] = []
    words, covered = _NO_WORDS
    if plan.vector is not None:
        with clock.step("vector"):
            meaning = _nearest(connection, plan, plan.vector)
    if plan.terms:
        with clock.step("lexical"):
            words, covered = _lexical(connection, plan)
    ranked = fuse(meaning, words, covered) if plan.mode == "hybrid" else meaning or words
    return ranked[: plan.k]


def _nearest(connection: Connection, plan: _Plan, vector: np.ndarray) -> list[store.Ranked]:
    """By cosine similarity; where passages are in several languages, by how much it is above their language's mean."""
    speaks = profile_for(plan.generation.model).speaks
    means = {name: mean for name, mean in store.language_means(connection, plan.generation).items() if speaks(name)}
    aimed = aims(vector, plan.language, means)
    if not aimed:
        return store.nearest(connection, plan.generation, vector, compile_condition(plan.condition), plan.depth)
    found: list[store.Ranked] = []
    for language, aim in aimed.items():
        passages: Node = Membership(Column("language"), (language,))
        if language == plan.language:  # and what has none
            passages = Not(Membership(Column("language"), tuple(name for name in aimed if name != language)))
        condition = compile_condition(_both(plan.condition, passages))
        near = store.nearest(connection, plan.generation, aim.vector, condition, plan.depth)
        found += [(row, similarity - aim.baseline) for row, similarity in near]
    return sorted(found, key=lambda row: (-row[1], row[0]))[: plan.depth]


class _Words(NamedTuple):
    """What words find, and how much of the question the best of it says."""

    ranked: list[store.Ranked]
    coverage: float


_NO_WORDS = _Words([], 0.0)


def _lexical(connection: Connection, plan: _Plan) -> _Words:
    statistics = store.term_statistics(connection, plan.generation, plan.terms)
    terms = rarest_first(plan.terms, statistics)
    weights = inverse_frequencies(terms, statistics)
    scores: dict[int, float] = {}
    for candidates in candidate_queries(terms, statistics):
        found = store.bm25(
            connection,
            plan.generation,
            candidates=candidates,
            idfs=weights,
            mean_length=statistics.mean_length,
            condition=compile_condition(plan.condition),
            most=MOST_CANDIDATES,
            depth=plan.depth,
        )
        scores.update(found)
        if len(scores) >= plan.k:
            break
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: plan.depth]
    return _Words(ranked, coverage(ranked[0][1], weights)) if ranked else _NO_WORDS


def _hits(connection: Connection, plan: _Plan, ranked: Sequence[store.Ranked], clock: _Clock) -> tuple[Hit, ...]:
    with clock.step("fetch"):
        rows = store.rows(connection, plan.generation, [row for row, _ in ranked])
    return tuple(
        Hit(
            rank=rank,
            score=round(score, 6),
            content=rows[row].content,
            source_file=rows[row].source_file,
            page_number=rows[row].page_number,
            page_end=rows[row].page_end,
            section_title=rows[row].section_title,
            section_path=tuple(rows[row].section_path),
            collection=rows[row].collection,
            document_id=rows[row].document_id,
            chunk_key=rows[row].chunk_key,
            metadata=rows[row].metadata,
        )
        for rank, (row, score) in enumerate(ranked, start=1)
    )


def _why_nothing(connection: Connection, plan: _Plan, request: SearchRequest) -> Note | None:
    known = store.collections(connection, plan.generation)
    if not known:
        return _EMPTY
    unknown = [name for name in request.collections if name not in known]
    if unknown:
        text = f"There is no collection {', '.join(unknown)}; there are: {', '.join(known)}."
        return Note("unknown_collection", text)
    return None


def _record(
    connection: Connection, generation: Generation, text: str, mode: Mode, hits: Sequence[Hit], clock: _Clock
) -> int | None:
    logged = [
        {"rank": hit.rank, "score": hit.score, "document_id": hit.document_id, "chunk_key": hit.chunk_key}
        for hit in hits
    ]
    with clock.step("log"):
        return store.record_event(connection, generation, text=text, mode=mode, hits=logged)
