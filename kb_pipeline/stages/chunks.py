"""Stage 3: cleaned elements become chunks, with the tokens that full-text search needs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kb_pipeline.chunking.chunk import chunk_document, document_title
from kb_pipeline.chunking.lexemes import plain_occurrences
from kb_pipeline.errors import EmptyDocument
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.progress import track
from kb_pipeline.site import Site
from kb_pipeline.stages.cleaned_elements import STAGE as PARSING
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import ChunkedDocument, PendingChunks

STAGE = "chunks"


def run(site: Site, shards: Sequence[str] | None) -> StageReport:
    """Chunk every document of `shards` that asks for it; commits batch by batch."""
    started = time.monotonic()
    report = StageReport.of("documents", "chunks", "tokens", "failed")
    with site.connect() as connection:
        jobs = ledger.pending_chunks(connection, site.scope(shards))
        with track("chunking documents", len(jobs)) as progress:
            for batch in batched(jobs, site.settings.batch_documents):
                _run_batch(site, connection, batch, report)
                progress.advance(len(batch))
        ledger.add_up_figures(connection)
    report.seconds = time.monotonic() - started
    return report


def _run_batch(site: Site, connection: Connection, batch: Sequence[PendingChunks], report: StageReport) -> None:
    elements = ledger.load_elements(connection, batch)
    made: dict[int, ChunkedDocument] = {}
    empty: list[PendingChunks] = []
    for job in batch:
        document = elements.get(job.id)
        if document is None:
            continue  # the file changed and a repair removed its old elements meanwhile
        chunked = _chunk(site, job, document)
        if chunked.chunks:
            made[job.id] = chunked
        else:
            empty.append(job)
    with connection.transaction():
        current = ledger.lock_documents(connection, [job.id for job in batch])
        # A file that changed meanwhile is chunked by the run that parses its new bytes.
        stale = {job.id for job in batch if current.get(job.id) != job.content_hash}
        made = {document: chunked for document, chunked in made.items() if document not in stale}
        wanted = [policy.parse_fingerprint for policy in site.parse_policies()]
        old_texts = ledger.superseded_texts(connection, list(made), wanted)
        ledger.replace_chunks(connection, made)
        ledger.forget_vectors(connection, old_texts)
        # A document may have got its elements from another one of the same bytes: its own parsing is no failure then.
        ledger.clear_failures(connection, (PARSING, STAGE), list(made))
        error = EmptyDocument("The document has no text left after cleaning; nothing of it can be searched.")
        failed = [(job.id, job.input_version, error) for job in empty if job.id not in stale]
        ledger.record_failures(connection, STAGE, failed)
    report.counts["failed"] += len(failed)
    report.counts["documents"] += len(made)
    report.counts["chunks"] += sum(len(chunked.chunks) for chunked in made.values())
    report.counts["tokens"] += sum(chunk.token_count for chunked in made.values() for chunk in chunked.chunks)


def _chunk(site: Site, job: PendingChunks, document: CleanedDocument) -> ChunkedDocument:
    chunks = chunk_document(
        document.elements,
        document_key=str(job.id),
        settings=site.settings.chunking_for(job.collection),
        title=document_title(document),
    )
    return ChunkedDocument(job, chunks, [plain_occurrences(chunk.embedded_text) for chunk in chunks])
