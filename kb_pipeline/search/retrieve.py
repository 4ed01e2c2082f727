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

No database connection is held while the embedding server or the reranker is asked: a slow one takes no place from
searches that do without it.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import psycopg

from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.chunking.chunks import embedded_text
from kb_pipeline.chunking.language import has_letters, language_of
from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, RerankerUnavailable, SettingsError
from kb_pipeline.search import parts
from kb_pipeline.search.echo import echo
from kb_pipeline.search.fusion import WEIGHT, Shares
from kb_pipeline.search.glossary import NO_GLOSSARY, Glossary
from kb_pipeline.search.hits import hit
from kb_pipeline.search.legs import Plan, language_shifts
from kb_pipeline.search.query import parse_query, query_condition
from kb_pipeline.search.ranking import MOST_CANDIDATES, Ranking, look_up, mode_of, next_round, read_candidates
from kb_pipeline.search.request import both, check, condition
from kb_pipeline.search.result import Clock, Explanation, Hit, Note, SearchResult
from kb_pipeline.search.selection import Candidate, Group, reordered, selected
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import compile_condition
from kb_pipeline.store.database import Connection, database_errors
from kb_pipeline.store.fields import declared
from kb_pipeline.store.generations import Generation, active_generations, has_vector_index, named_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.request import Mode, SearchRequest
    from kb_pipeline.search.rerank import Reranker

    # An idle connection for the length of a block.
    Connect = Callable[[], AbstractContextManager[Connection]]
    # Every form in which the words of a query may be stored in the named collections (none: all); only the first,
    # masked as all their policies together do, may be logged, shown or embedded.
    MaskQuery = Callable[[str, Sequence[str]], Sequence[str]]

ATTEMPTS = 3
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def again_where_dropped(searched: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A generation may be dropped, or a collection get one of its own, after a search chose where to look: others are
    searched by then."""

    @wraps(searched)
    def again(*given: Arguments.args, **named: Arguments.kwargs) -> Result:
        for _ in range(ATTEMPTS - 1):
            with suppress(psycopg.errors.UndefinedTable, parts.Switched):
                return searched(*given, **named)
        return searched(*given, **named)

    return again


@again_where_dropped
def search(
    connect: Connect,
    request: SearchRequest,
    *,
    embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
    own_embedder: Callable[[str], EmbeddingClient] | None = None,
    weight: float = WEIGHT,
    reranker: Reranker | None = None,
    glossary: Glossary = NO_GLOSSARY,
    principal: Principal = ANYONE,
) -> SearchResult:
    """The best passages for `request`, of those that `principal` may search.

    `embedder` is only called when a query vector is needed, `own_embedder` when one is for the generation of that
    collection alone (None: the same server embeds them). `weight`: of meaning, where both rankings are fused.
    `reranker`: ranks the best anew; where it fails, a note says so. `glossary`: what else words are looked up by.
    Raises SettingsError for a wrong request, GenerationMismatch when the embedding server's model is not the
    generation's, EmbeddingServerUnavailable where only vectors were to be searched, DatabaseUnavailable.
    """
    clock = Clock()
    check(request)
    read_by = principal.among(request.collections)
    typed = unicodedata.normalize("NFC", request.query.strip())
    mask = _remembering(mask)
    text = mask(typed, read_by)[0]
    with database_errors(), connect() as connection:
        active = _generations(connection, request.generation)
        fields = declared(connection) if active and request.where else {}
    allowed = both(condition(request, lambda value: mask(value, read_by), fields), principal.condition())
    if not active:
        return SearchResult(echo(text, ()), request.mode, None, None, (), clock.stopped(), _EMPTY)
    with clock.step("analyse"):
        query = parse_query(typed)
        spellings = mask(query.text, read_by)
        asked = spellings[0]
        if not asked:
            raise SettingsError("The query only says what to leave out; say also what to look for.")
        allowed = both(allowed, query_condition(query, lambda said: mask(said, read_by)))
        by_lexeme = {term.lexeme: term for spelling in reversed(spellings) for term in query_terms(spelling)}
        expansion = glossary.expansion(asked, read_by)
        terms = tuple(({term.lexeme: term for term in expansion} | by_lexeme).values())
        looked_up = terms if request.mode != "vector" else ()
    embedders = _Embedders(embedder, own_embedder)
    note: Note | None = None
    plans: list[Plan] = []
    for generation in parts.chosen(active, request, principal) if request.generation is None else active:
        mode, note_of_mode = _choose_mode(request.mode, asked, bool(looked_up), generation)
        instruction, vector = generation.instruction_for(read_by), None
        note = note or note_of_mode
        if mode != "lexical":
            try:
                vector = _query_vector(embedders, asked, generation, instruction, clock)
            except EmbeddingServerUnavailable:
                if not looked_up:
                    raise
                note = _WORDS_ONLY
        plans.append(Plan(generation, allowed, request.k, looked_up, vector, language_of(asked), instruction))
    found = _find(connect, plans, active, request, weight, reranker if request.rerank else None, asked, clock)
    lexemes = [term.lexeme for term in terms]
    with clock.step("present"):
        hits = tuple(
            hit(rank, group, lexemes, found.explanations.get(group.best.row.id))
            for rank, group in enumerate(found.groups, start=1)
        )
    with database_errors(), connect() as connection:
        phrases = [echo(mask(phrase, read_by)[0], ()) for phrase in query.phrases]
        note = note if hits else _why_nothing(connection, active, request, phrases, principal) or note
        event = _record(connection, plans, text, found, hits, principal, clock) if request.logged else None
    reranked = bool(found.reranked)
    names = ", ".join(plan.generation.name for plan in plans)
    shown = echo(text, hits)
    return SearchResult(shown, mode_of(plans), names, event, hits, clock.stopped(), note or found.note, reranked)


def _remembering(mask: MaskQuery) -> MaskQuery:
    """The same for the length of a search, which asks for the forms of its question more than once."""
    known: dict[tuple[str, tuple[str, ...]], Sequence[str]] = {}

    def masked(text: str, collections: Sequence[str]) -> Sequence[str]:
        asked = (text, tuple(collections))
        if asked not in known:
            known[asked] = mask(text, collections)
        return known[asked]

    return masked


def query_instruction(connect: Connect) -> str:
    """That of a search over all collections; empty while there is nothing to search."""
    with database_errors(), connect() as connection:
        active = _generations(connection, None)
    return active[0].instruction_for(()) if active else ""


_EMPTY = Note("empty", "The knowledge base is empty; run `kb ingest` with a folder of documents.")
_WORDS_ONLY = Note(
    "embedding_server", "The embedding server does not answer, so only the words of the query were searched."
)


def _generations(connection: Connection, name: str | None) -> list[Generation]:
    """The active ones, or the one of that name; none while there is nothing to search, which includes a database
    without tables yet."""
    try:
        with connection.transaction():
            if name is None:
                return active_generations(connection)
            generation = named_generation(connection, name)
    except psycopg.errors.UndefinedTable:
        return []
    if generation.state == "building" and not has_vector_index(connection, generation):
        raise SettingsError(f"Generation {name} is still being built; search it once kb generations build has ended.")
    return [generation]


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


@dataclass(frozen=True, slots=True)
class _Embedders:
    shared: Callable[[], EmbeddingClient]
    own: Callable[[str], EmbeddingClient] | None

    def of(self, generation: Generation) -> EmbeddingClient:
        if generation.collection is None or self.own is None:
            return self.shared()
        return self.own(generation.collection)


def _query_vector(
    embedders: _Embedders, text: str, generation: Generation, instruction: str, clock: Clock
) -> np.ndarray:
    """(dimension,), norm 1, in the space of the generation's vectors."""
    with clock.step("connect"):
        client = embedders.of(generation)
    if client.identity.fingerprint != generation.model_fingerprint:
        raise GenerationMismatch(generation.name, generation.model, client.identity.name)
    with clock.step("embed"):
        native = client.embed_query(text, instruction, generation.adapter)
    vector: np.ndarray = to_dimension(native[np.newaxis, :], generation.dimension)[0]
    return vector


# --- ranking ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """`groups`: what the hits will show. `legs`: of each group, what both rankings say of it, where they were fused.
    `explanations`: row -> what its place comes from, where that is asked for. `reranked`: row -> the reranker's score;
    `note`: why there are none."""

    groups: list[Group] = field(default_factory=list)
    legs: list[Shares] = field(default_factory=list)
    explanations: dict[int, Explanation] = field(default_factory=dict)
    reranked: dict[int, float] = field(default_factory=dict)
    note: Note | None = None


def _find(
    connect: Connect,
    plans: Sequence[Plan],
    active: Sequence[Generation],
    request: SearchRequest,
    weight: float,
    reranker: Reranker | None,
    text: str,
    clock: Clock,
) -> _Found:
    ranking = Ranking()
    rows: dict[int, store.Row] = {}
    found = _Found()
    least = max(reranker.depth, request.k) if reranker else 0
    size = max(plan.generation.row_count for plan in plans)
    is_first = True
    while True:
        with (
            database_errors(),
            connect() as connection,
            store.snapshot(connection, depth=plans[0].depth, rows=size),
        ):
            if is_first and request.generation is None:
                plans = parts.limited(connection, plans, active)
            is_first = False
            more = look_up(connection, plans, clock, weight, request.fusion)
            ranking = ranking.followed_by(more)
            with clock.step("fetch"):
                candidates = read_candidates(connection, plans, request, ranking, rows, least)
            shifts = [language_shifts(connection, plan) for plan in plans] if request.explain else []
        if reranker is not None and candidates:
            found.reranked, found.note = _reranked(reranker, text, candidates[:least], clock)
            reranker = None  # once is enough: what a later round brings comes after
        found.groups = selected(reordered(candidates, found.reranked) if found.reranked else candidates, request)
        if len(found.groups) == request.k or more.is_whole or len(ranking.ranked) >= MOST_CANDIDATES:
            break
        plans = next_round(plans, request, ranking, candidates)
    if ranking.is_fused:
        found.legs = [ranking.shares[group.best.row.id] for group in found.groups]
    if request.explain:
        for row in (group.best.row for group in found.groups):
            of_part = shifts[parts.part_of(row.id)]
            # What has no language of the model's is compared with the question's.
            shift = of_part.get(row.language, of_part.get(plans[0].language))
            found.explanations[row.id] = ranking.explanation(row, shift, found.reranked.get(row.id))
    return found


def _reranked(
    reranker: Reranker, text: str, candidates: Sequence[Candidate], clock: Clock
) -> tuple[dict[int, float], Note | None]:
    """Row -> score; or none, and a note why."""
    texts = [embedded_text(candidate.row.section_path, candidate.row.content) for candidate in candidates]
    try:
        with clock.step("rerank"):
            scores = reranker.scores(text, texts)
    except RerankerUnavailable as error:
        return {}, Note("reranker", f"{error} The order is that without it.")
    return {candidate.row.id: score for candidate, score in zip(candidates, scores, strict=True)}, None


def _why_nothing(
    connection: Connection,
    active: Sequence[Generation],
    request: SearchRequest,
    phrases: Sequence[str],
    principal: Principal,
) -> Note | None:
    with connection.transaction():
        allowed = compile_condition(principal.condition())
        known = sorted({name for one in active for name in store.collections(connection, one, allowed)})
    if not known:
        return _EMPTY
    unknown = [name for name in request.collections if name not in known]
    if unknown:
        text = f"There is no collection {', '.join(unknown)}; there are: {', '.join(known)}."
        return Note("unknown_collection", text)
    if phrases:
        text = f"No passage says {' and '.join(phrases)}, word by word; search without quotation marks."
        return Note("phrase", text)
    return None


def _record(
    connection: Connection,
    plans: Sequence[Plan],
    text: str,
    found: _Found,
    hits: Sequence[Hit],
    principal: Principal,
    clock: Clock,
) -> int | None:
    """The event names one generation, with the vector that it was asked by: of several the first that has one."""
    asked = next((plan for plan in plans if plan.vector is not None), plans[0])
    logged: list[dict[str, Any]] = [
        {"rank": hit.rank, "score": hit.score, "document_id": hit.document_id, "chunk_key": hit.chunk_key}
        for hit in hits
    ]
    for one, legs in zip(logged, found.legs, strict=False):  # none where only one ranking was asked
        one.update({leg: {"rank": share.rank, "score": round(share.score, 6)} for leg, share in legs.items()})
    with clock.step("log"):
        return store.record_event(
            connection,
            asked.generation,
            text=text,
            mode=mode_of(plans),
            hits=logged,
            principal=principal.name,
            instruction=None if asked.vector is None else asked.instruction,
            vector=asked.vector,
        )
