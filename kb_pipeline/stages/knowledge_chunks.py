"""Stage 5: documents whose chunks all have vectors are swapped into the serving table.

A document is swapped in one transaction, together with a bounded number of others. After the first
load the vector index is built. A generation becomes the active one when it holds what it should: the first as
soon as it holds documents, one that is to replace another when it is complete.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from kb_pipeline.progress import track
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.stages import fields
from kb_pipeline.stages.embeddings import STAGE as EMBEDDINGS
from kb_pipeline.stages.embeddings import target_generation
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import Scope

# Chunk-rich documents make long transactions; readers never wait for them, but locks are held.
DOCUMENTS_PER_SWAP = 100
DOCUMENTS_PER_NOTE = 2_000
COUNTS = (
    *("documents", "documents_removed", "documents_incomplete"),
    *("chunks_written", "rows", "index_built", "activated"),
)


def run(site: Site, shards: Sequence[str] | None, *, rebuild: bool = False) -> StageReport:
    """Load, index, refresh statistics, activate when complete, purge; commits batch by batch."""
    started = time.monotonic()
    report = StageReport.of(*COUNTS)
    scope = site.scope(shards)
    with site.connect() as connection:
        generation = target_generation(site, connection, rebuild=rebuild)
        is_active = generation.state == "active"
        pending = ledger.pending_loads(connection, scope, generation.id, generation.model_fingerprint)
        with track("loading documents", len(pending)) as progress:
            for batch in batched(pending, DOCUMENTS_PER_SWAP):
                with connection.transaction():
                    swap = generations.swap_documents(connection, generation, [document for document, _ in batch])
                    ledger.clear_failures(connection, (EMBEDDINGS,), swap.loaded)
                    fields.describe(connection, site.settings, swap.loaded)  # what the file says changes with its text
                report.counts["chunks_written"] += swap.inserted
                if swap.inserted and not is_active:
                    is_active = generations.activate_first(connection, generation)
                progress.advance(len(batch))
        report.counts["documents"] = sum(not leaving for _, leaving in pending)
        report.counts["documents_removed"] = sum(leaving for _, leaving in pending)
        purge(connection, scope)
        model = generation.model_fingerprint
        incomplete = ledger.incomplete_documents(connection, site.scope(), generation.id, model)
        rows = generations.named_generation(connection, generation.name).row_count
        if rows and not is_active:
            is_active = generations.activate_first(connection, generation)
        if rows and not incomplete:
            with track("building the vector index", 1):
                built = generations.ensure_vector_index(connection, generation, memory=_memory(site.settings))
                report.counts["index_built"] = int(built)
            if rebuild and not is_active:
                generations.activate(connection, generation)
                is_active = True
        report.counts["activated"] = int(is_active and generation.state != "active")
        if is_active:
            for some in batched(ledger.loaded_unnoted(connection, scope, generation.id, model), DOCUMENTS_PER_NOTE):
                generations.note_loaded(connection, generation, some)
        generations.refresh_statistics(connection, generation)
        report.counts["rows"] = rows
        report.counts["documents_incomplete"] = incomplete
        report.details |= {"generation": generation.name, "model": generation.model, "dimension": generation.dimension}
    report.seconds = time.monotonic() - started
    return report


def _memory(settings: Settings) -> int | None:
    """Bytes of the machine that the database is on; None for one that is elsewhere."""
    return psutil.virtual_memory().total if settings.database_url is None else None


def purge(connection: Connection, scope: Scope) -> None:
    """Take deleted documents out of every generation, retired ones included: a rollback must not bring them back."""
    leaving = ledger.leaving_documents(connection, scope)
    for generation in generations.generations(connection):
        for batch in batched(leaving, DOCUMENTS_PER_SWAP):
            generations.swap_documents(connection, generation, batch)
    ledger.purge_documents(connection, scope)
