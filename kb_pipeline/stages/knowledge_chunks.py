"""Stage 5: documents whose chunks all have vectors are swapped into the serving table.

A document is swapped in one transaction, together with a bounded number of others. After the first
load the vector index is built. A generation becomes the active one when it holds what it should: the first as
soon as it holds documents, one that is to replace another when it is complete and its recall was measured.

While a generation is *built beside* the one that is searched, whatever a refresh swaps into the latter goes into the
former, too, where its vectors are there. What that leaves out the build finds when it looks again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import psutil

from kb_pipeline.progress import track
from kb_pipeline.search.recall import gate
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.stages import fields
from kb_pipeline.stages.embeddings import STAGE as EMBEDDINGS
from kb_pipeline.stages.embeddings import target_generations
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation
from kb_pipeline.store.ledger import Scope

# Chunk-rich documents make long transactions; readers never wait for them, but locks are held.
DOCUMENTS_PER_SWAP = 100
ROWS_PER_COPY = 5_000  # into a table that nobody searches
DOCUMENTS_PER_NOTE = 2_000
# After how many rows their words are read: until then every search by words scores them one by one. Where rows go into
# a vector index, which takes milliseconds for each, reading words a few times more does not show.
ROWS_PER_REFRESH = 2_000
ROWS_PER_REFRESH_UNINDEXED = 8_192
COUNTS = (
    *("documents", "documents_removed", "documents_incomplete"),
    *("chunks_written", "rows", "index_built", "activated"),
)


def run(
    site: Site, shards: Sequence[str] | None, *, rebuild: bool = False, target: Generation | None = None
) -> StageReport:
    """Load, index, refresh statistics, activate when complete, purge; commits batch by batch.

    `target`: for this generation instead, which stays what it is until somebody activates it, where one is active.
    Raises KbError where another run is building a generation.
    """
    started = time.monotonic()
    report = StageReport.of(*COUNTS)
    scope = site.scope(shards)
    with site.connect() as connection, generations.build_lock(connection) if rebuild or target else nullcontext():
        targets = [target] if target else target_generations(site, connection, rebuild=rebuild)
        for generation in targets:
            _bring_up_to_date(site, connection, scope, generation, report, rebuild=rebuild)
        report.details |= {
            "generation": ", ".join(generation.name for generation in targets),
            "model": ", ".join(dict.fromkeys(generation.model for generation in targets)),
            "dimension": ", ".join(str(generation.dimension) for generation in targets),
        }
    report.seconds = time.monotonic() - started
    return report


def _bring_up_to_date(
    site: Site, connection: Connection, scope: Scope, generation: Generation, report: StageReport, *, rebuild: bool
) -> None:
    is_active = _load(site, connection, scope, generation, report)
    purge(connection, scope)
    incomplete = ledger.incomplete_documents(connection, site.scope(), [generation.id])
    rows = generations.named_generation(connection, generation.name).row_count
    if rows and not is_active:
        is_active = generations.activate_first(connection, generation)
    if rows and not incomplete:
        report.counts["index_built"] += int(index(connection, site.settings, generation))
        if not is_active:
            catch_up(connection, scope, generation)
    if is_active:
        note(connection, scope, generation)
        own = [other.collection for other in generations.active_generations(connection) if other.collection]
        if own and generations.holds_unserved(connection, generation, own):
            generations.release(connection, generation)
    generations.refresh_statistics(connection, generation)
    # One that was retired is activated by hand alone: somebody went back from it, or on.
    if rebuild and rows and not incomplete and generation.state == "building" and not is_active:
        is_active = _activate(site, connection, generation, report)
    report.counts["activated"] += int(is_active and generation.state != "active")
    report.counts["rows"] += rows
    report.counts["documents_incomplete"] += incomplete


def _load(site: Site, connection: Connection, scope: Scope, generation: Generation, report: StageReport) -> bool:
    """Swap in what is pending; whether the generation is the one that is searched afterwards."""
    is_active = generation.state == "active"
    known = generations.generations(connection)
    is_beside = not is_active and any(other.state == "active" for other in known)
    beside = [other for other in known if other.state == "building"] if is_active else []
    pending = ledger.pending_loads(connection, scope, [generation.id])
    rows, unread = generation.row_count, 0
    is_indexed = generations.has_vector_index(connection, generation)
    with track("loading documents", len(pending)) as progress:
        for batch in _batches(connection, pending, is_beside):
            with connection.transaction():
                if is_beside:
                    swap = generations.load_documents(connection, generation, batch)
                else:
                    swap = generations.swap_documents(connection, generation, batch)
                    ledger.clear_failures(connection, (EMBEDDINGS,), swap.loaded)
                    fields.describe(connection, site.settings, swap.loaded)  # what the file says changes with its text
            for other in beside:
                generations.swap_beside(connection, other, batch)
            report.counts["chunks_written"] += swap.inserted
            unread += swap.inserted
            if not is_beside and unread > rows_per_refresh(rows, is_indexed=is_indexed):
                generations.refresh_words(connection, generation)
                rows, unread = rows + unread, 0
            if swap.inserted and not is_active and not is_beside:
                is_active = generations.activate_first(connection, generation)
            progress.advance(len(batch))
    report.counts["documents"] += sum(not leaving for _, leaving in pending)
    report.counts["documents_removed"] += sum(leaving for _, leaving in pending)
    return is_active


def rows_per_refresh(rows: int, *, is_indexed: bool) -> int:
    """How many rows may come into a table of `rows` before their words are read."""
    return ROWS_PER_REFRESH if is_indexed else max(ROWS_PER_REFRESH_UNINDEXED, rows // 16)


def _batches(connection: Connection, pending: Sequence[tuple[int, bool]], is_beside: bool) -> Iterator[tuple[int, ...]]:
    """Ids in pieces: of a number of documents, or of about as many rows where nobody searches the table."""
    documents = [document for document, _ in pending]
    if not is_beside:
        yield from batched(documents, DOCUMENTS_PER_SWAP)
        return
    for page in batched(documents, ROWS_PER_COPY):
        chunks = ledger.chunk_counts(connection, page)
        batch: list[int] = []
        rows = 0
        for document in page:
            batch.append(document)
            rows += chunks.get(document, 0)
            if rows >= ROWS_PER_COPY:
                yield tuple(batch)
                batch, rows = [], 0
        if batch:
            yield tuple(batch)


def index(connection: Connection, settings: Settings, generation: Generation) -> bool:
    """Build the indexes that are missing; whether that was so of the one of vectors."""
    with track("building the indexes", 1):
        generations.ensure_search_indexes(connection, generation)
        return generations.ensure_vector_index(connection, generation, memory=_memory(settings))


def catch_up(connection: Connection, scope: Scope, generation: Generation) -> None:
    """Swap in what changed while the generation could not be written to, as far as its vectors are there, and take out
    what it does not serve any more."""
    generations.release(connection, generation)
    pending = ledger.pending_loads(connection, scope, [generation.id])
    for batch in batched([document for document, _ in pending], DOCUMENTS_PER_SWAP):
        generations.swap_documents(connection, generation, batch)


def note(connection: Connection, scope: Scope, generation: Generation) -> None:
    """Tell the ledger which documents the active generation holds as they are, so that it looks at the others only."""
    unnoted = ledger.loaded_unnoted(connection, scope, [generation.id])
    for some in batched(unnoted, DOCUMENTS_PER_NOTE):
        generations.note_loaded(connection, generation, some)


def _activate(site: Site, connection: Connection, generation: Generation, report: StageReport) -> bool:
    """Activate the generation where its recall allows it; whether it did."""
    measured = gate(connection, generation, lambda: site.embedding_of(generation.collection))
    report.details["recall"] = measured.sentence
    if measured.refusal or generations.activate(connection, generation):
        return False
    note(connection, site.scope(), generation)
    return True


def _memory(settings: Settings) -> int | None:
    """Bytes of the machine that the database is on; None for one that is elsewhere."""
    return psutil.virtual_memory().total if settings.database_url is None else None


def purge(connection: Connection, scope: Scope) -> None:
    """Take deleted documents out of every generation, retired ones included: a rollback must not bring them back."""
    leaving = ledger.leaving_documents(connection, scope)
    for generation in generations.generations(connection):
        swap = generations.swap_beside if generation.state == "building" else generations.swap_documents
        for batch in batched(leaving, DOCUMENTS_PER_SWAP):
            swap(connection, generation, batch)
    ledger.purge_documents(connection, scope)
