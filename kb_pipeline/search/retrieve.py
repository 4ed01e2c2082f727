"""One search, from a person's words to ranked passages.

Terms
  mode      hybrid (both rankings, fused), vector (by meaning) or lexical (by words). A result names the mode
            that ran: where the embedding model does not speak the query's language, or its server is not there,
            hybrid is lexical.
  event     the logged search; feedback points at it.

Queries are masked with the policy of the documents before anything is logged, shown or embedded: a mobile number in
a query becomes its pseudonym, and so finds the passage that holds the number. A document is masked by what stands
beside a value, though, and a query has little beside it. So its words are looked up in every form in which they may be
stored: as they are, as each policy would have them, and as what may stand for them.

No database connection is held while the embedding server is asked: a slow one takes no place from searches that do
without it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from kb_pipeline.chunking.language import has_letters, language_of
from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, SettingsError
from kb_pipeline.search.fusion import fuse
from kb_pipeline.search.legs import NO_WORDS, Plan, by_meaning, by_words
from kb_pipeline.search.request import check, condition
from kb_pipeline.search.result import Clock, Hit, Note, SearchResult
from kb_pipeline.store import search as store
from kb_pipeline.store.database import Connection, database_errors
from kb_pipeline.store.fields import declared
from kb_pipeline.store.generations import Generation, active_generation, named_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.request import Mode, SearchRequest

    # An idle connection for the length of a block.
    Connect = Callable[[], AbstractContextManager[Connection]]
    # Every form in which the words of a query may be stored in the named collections (none: all); only the first,
    # masked as all their policies together do, may be logged, shown or embedded.
    MaskQuery = Callable[[str, Sequence[str]], Sequence[str]]


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
    clock = Clock()
    check(request)
    spellings = mask(unicodedata.normalize("NFC", request.query.strip()), request.collections)
    text = spellings[0]
    with database_errors(), connect() as connection:
        generation = _generation(connection, request.generation)
        fields = declared(connection) if generation is not None and request.where else {}
    allowed = condition(request, lambda value: mask(value, request.collections), fields)
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
    plan = Plan(generation, allowed, request.k, terms, vector, language_of(text))
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
    clock: Clock,
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


def _rank(connection: Connection, plan: Plan, clock: Clock) -> list[store.Ranked]:
    """The best k rows; `plan` says by which rankings."""
    meaning: list[store.Ranked] = []
    words, covered = NO_WORDS
    if plan.vector is not None:
        with clock.step("vector"):
            meaning = by_meaning(connection, plan, plan.vector)
    if plan.terms:
        with clock.step("lexical"):
            words, covered = by_words(connection, plan)
    ranked = fuse(meaning, words, covered) if plan.mode == "hybrid" else meaning or words
    return ranked[: plan.k]


def _hits(connection: Connection, plan: Plan, ranked: Sequence[store.Ranked], clock: Clock) -> tuple[Hit, ...]:
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


def _why_nothing(connection: Connection, plan: Plan, request: SearchRequest) -> Note | None:
    known = store.collections(connection, plan.generation)
    if not known:
        return _EMPTY
    unknown = [name for name in request.collections if name not in known]
    if unknown:
        text = f"There is no collection {', '.join(unknown)}; there are: {', '.join(known)}."
        return Note("unknown_collection", text)
    return None


def _record(
    connection: Connection, generation: Generation, text: str, mode: Mode, hits: Sequence[Hit], clock: Clock
) -> int | None:
    logged = [
        {"rank": hit.rank, "score": hit.score, "document_id": hit.document_id, "chunk_key": hit.chunk_key}
        for hit in hits
    ]
    with clock.step("log"):
        return store.record_event(connection, generation, text=text, mode=mode, hits=logged)
