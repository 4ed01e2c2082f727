"""The life of generations, as a person asks for it: build one beside the one that is searched, activate it, go back.

Each step is safe to repeat: what a build has committed stays, and the next one goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kb_pipeline.errors import KbError, SettingsError
from kb_pipeline.operations.agreement import disagreements
from kb_pipeline.search.curve import ROWS, Point, measure
from kb_pipeline.search.recall import Recall, gate
from kb_pipeline.site import Site
from kb_pipeline.stages import embeddings, knowledge_chunks
from kb_pipeline.store import audit, generations
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation, GenerationKey


@dataclass(frozen=True, slots=True)
class BuildResult:
    """`name`: the generation that was built, in `state`; `generations`: all there are afterwards; `incomplete`:
    documents that it still lacks."""

    name: str
    state: str
    generations: list[dict[str, Any]]
    texts_embedded: int
    chunks_written: int
    incomplete: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Switch:
    """`name` is searched now, for `collection` alone if set, and `retired` was before; `lacking`: documents that the
    former holds in an earlier version or not at all; `note`: what a person should do next."""

    name: str
    collection: str | None
    retired: str | None
    lacking: int
    recall: Recall | None
    note: str | None
    generations: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"recall": self.recall and self.recall.sentence}


@dataclass(frozen=True, slots=True)
class Dropped:
    """`vectors`: native vectors that no generation needs any more; they go for good at `vectors_until`, or went at
    once where that is None."""

    name: str
    vectors: int
    vectors_until: datetime | None
    generations: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        until = self.vectors_until
        return asdict(self) | {"vectors_until": until.isoformat() if until else None}


def build(site: Site, *, dimension: int | None = None, collection: str | None = None) -> BuildResult:
    """Build the generation that the settings ask for, beside the one that is searched.

    `dimension`: this one instead of theirs. `collection`: of this collection alone. Raises SettingsError,
    EmbeddingServerUnavailable, KbError where somebody else builds; what was committed stays, and the next build goes on
    from there.
    """
    started = time.monotonic()
    settings = site.settings.for_generation(collection)
    if dimension is not None:
        settings = settings.model_copy(update={"dimension": dimension})
    key = embeddings.generation_key(site.embedding_of(collection).identity, settings, collection)
    with site.connect() as connection, generations.build_lock(connection):
        if collection is not None:
            _require_difference(connection, key)
        generation = generations.ensure_generation(connection, key)
    embedded = embeddings.run(site, None, target=generation).counts
    loaded = knowledge_chunks.run(site, None, target=generation).counts
    with site.connect() as connection:
        return BuildResult(
            name=generation.name,
            state=generations.named_generation(connection, generation.name).state,
            generations=generations.summaries(connection),
            texts_embedded=embedded["texts_embedded"],
            chunks_written=loaded["chunks_written"],
            incomplete=loaded["documents_incomplete"],
            seconds=round(time.monotonic() - started, 2),
        )


def activate(site: Site, name: str, *, force: bool = False) -> Switch:
    """Search generation `name` from now on, once it is complete and its recall was measured; `force`: unmeasured.

    For one that is searched already it does what a killed switch left undone. Raises SettingsError where it is unknown
    or unfinished, KbError where its recall is too low.
    """
    with site.connect() as connection:
        generation = generations.named_generation(connection, name)
        if generation.state == "active":
            return _switched(site, connection, generation, None)
        require_finished(site, connection, generation)
        measured = None
        if not force:
            measured = gate(connection, generation, lambda: site.embedding_of(generation.collection))
        if measured is not None and measured.refusal:
            raise KbError(
                f"Generation {name} was not activated: {measured.refusal}; see kb generations curve, or activate it "
                "with --force."
            )
        missing = _switch(site, connection, generation)
        if missing:
            raise KbError(
                f"Generation {name} still lacks {missing} documents; run kb generations build, then try again."
            )
        return _switched(site, connection, generation, measured)


def rollback(site: Site, collection: str | None = None) -> Switch:
    """Search the generation again that was searched before, brought up to date as far as its vectors are there; where
    queries go through an adapter, only that is taken away.

    `collection`: of one that has a generation of its own; where there was none before, the generation that all others
    share serves it again. Raises SettingsError where there is none.
    """
    with site.connect() as connection:
        active = generations.active_generation(connection, collection)
        if collection is not None and active is None:
            raise SettingsError(f"The collection {collection} has no generation of its own; kb generations lists them.")
        if active is not None and active.query_adapter is not None:
            generations.set_adapter(connection, active, None)
            return _switched(site, connection, active, None)
        generation = generations.last_retired(connection, collection)
        if generation is None and collection is not None:
            return _hand_back(site, connection, collection)
        if generation is None:
            raise SettingsError("There is no retired generation to go back to; kb generations lists those there are.")
        lacking = _switch(site, connection, generation, lacking=True)
        return replace(_switched(site, connection, generation, None), lacking=lacking)


def _hand_back(site: Site, connection: Connection, collection: str) -> Switch:
    """Load a collection into the shared generation beside its own, then retire that one."""
    own, shared = (generations.active_generation(connection, name) for name in (collection, None))
    if own is None or shared is None:
        raise SettingsError(f"No other generation could serve {collection}; run kb ingest first.")
    generations.hand_back(connection, own)
    before = None
    missing = generations.retire(connection, own)
    while missing and (before is None or missing < before):
        before = missing
        knowledge_chunks.catch_up(connection, site.scope(), shared)
        missing = generations.retire(connection, own)
    if missing:
        generations.retire(connection, own, lacking=True)
    switch = _switched(site, connection, shared, None)
    return replace(switch, collection=collection, retired=own.name, lacking=missing)


def _require_difference(connection: Connection, key: GenerationKey) -> None:
    """Raises SettingsError where a generation of a collection's own would be the same as the shared one."""
    shared = generations.active_generation(connection)
    same = shared is not None and shared.space == (key.model_fingerprint, key.dimension)
    if same and generations.active_generation(connection, key.collection) is None:
        raise SettingsError(
            f"The settings ask for nothing else for {key.collection} than for the other collections; set dimension or "
            f"embedding_url in [collections.{key.collection}] or give --dimension."
        )


def drop(site: Site, name: str) -> Dropped:
    """Remove a generation that is not searched, and note which vectors nothing needs any more.

    Raises SettingsError, KbError where it is being built.
    """
    days = site.settings.retention.unused_days
    with site.connect() as connection:
        generation = generations.named_generation(connection, name)
        with generations.build_lock(connection):
            generations.drop(connection, generation)
        vectors = audit.vectors_of_unused_models(connection)
        if vectors:
            audit.purge_unused(connection, days=days)
        until = datetime.now(UTC) + timedelta(days=days) if vectors and days else None
        return Dropped(name, vectors, until, generations.summaries(connection))


def curve(
    site: Site, *, dimensions: Sequence[int] = (), rows: int = ROWS, collection: str | None = None
) -> list[Point]:
    """Recall, size and latency at several dimensions, on a sample of what is searched.

    `collection`: of the one that has a generation of its own. Raises SettingsError where there is too little to
    measure, or for a dimension that is not there.
    """
    with site.connect() as connection:
        active = generations.active_generation(connection, collection) or generations.active_generation(connection)
        if active is None:
            raise SettingsError("Nothing is searched yet; run kb ingest first.")
        return measure(connection, active, dimensions=dimensions, rows=rows)


def require_finished(site: Site, connection: Connection, generation: Generation) -> None:
    """Raises SettingsError that names what is missing."""
    knowledge_chunks.catch_up(connection, site.scope(), generation)
    missing = generations.behind(connection, generation)
    lacks = [f"{missing} documents"] if missing else []
    lacks += [] if generations.has_vector_index(connection, generation) else ["its vector index"]
    if lacks:
        raise SettingsError(
            f"Generation {generation.name} is unfinished: it lacks {' and '.join(lacks)}; run kb generations build."
        )


def _switch(site: Site, connection: Connection, generation: Generation, *, lacking: bool = False) -> int:
    """Catch up and activate, again while loads come in between; how many documents the generation lacks.

    It is not activated where it lacks any, unless `lacking` says that it may be.
    """
    before = None
    missing = generations.activate(connection, generation)
    while missing and (before is None or missing < before):
        before = missing
        knowledge_chunks.catch_up(connection, site.scope(), generation)
        missing = generations.activate(connection, generation)
    return generations.activate(connection, generation, lacking=True) if missing and lacking else missing


def _switched(site: Site, connection: Connection, generation: Generation, measured: Recall | None) -> Switch:
    knowledge_chunks.note(connection, site.scope(), generation)
    shared = generations.active_generation(connection)
    if generation.collection is not None and shared is not None:
        generations.release(connection, shared)
        generations.refresh_statistics(connection, shared)
    generations.refresh_statistics(connection, generation)
    before = generations.last_retired(connection, generation.collection)
    return Switch(
        name=generation.name,
        collection=generation.collection,
        retired=before.name if before else None,
        lacking=0,
        recall=measured,
        note=" ".join(disagreements(site, connection, ask=False)) or None,
        generations=generations.summaries(connection),
    )
