"""Stage 2: files become cleaned, masked elements, in sandboxed processes.

After a policy became stricter, stored elements are masked further instead: no file is read. After it became
looser, or the key changed, the files are read again. Elements of a policy that nobody asks for any more go.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from kb_pipeline.errors import DocumentError, UnreadableFile
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.exchange import check_choice
from kb_pipeline.parsing.sandbox import ParseJob
from kb_pipeline.progress import track
from kb_pipeline.site import Site
from kb_pipeline.source.listing import remove_leftovers
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.stages.retention import drop_masked_less, follows
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import ParsePolicy, PendingParse

STAGE = "cleaned_elements"
# A batch is committed when it is full or this old, so that one slow file does not hold back the others.
COMMIT_SECONDS = 5.0

Outcome = tuple[PendingParse, CleanedDocument | DocumentError]


def run(site: Site, shards: Sequence[str] | None) -> StageReport:
    """Parse every document of `shards` without elements, or mask what is stored further; commits batch by batch."""
    started = time.monotonic()
    report = StageReport.of("documents", "elements", "dropped", "pages", "masked", "masked_further", "failed")
    with site.connect() as connection:
        asked_for = site.parse_policies()
        ledger.register_policies(connection, asked_for)
        drop_masked_less(connection, asked_for)
        wanted = [policy.parse_fingerprint for policy in asked_for]
        jobs = ledger.pending_elements(connection, site.scope(shards))
        stored = _to_mask_further(connection, asked_for, jobs) if jobs else {}
        for some in batched([job for job in jobs if job.id in stored], site.settings.batch_documents):
            masked = list(_mask_further(site, connection, some, stored))
            _store(connection, masked, wanted, report)
            report.counts["masked_further"] += len(masked)
            finished = {job.id for job, _ in masked}
            jobs = [job for job in jobs if job.id not in finished]
        if jobs:
            for collection in {job.collection for job in jobs}:
                check_choice(site.settings.readers_for(collection))
            with track("parsing documents", len(jobs)) as progress:
                for batch in _committable(_parse(site, jobs), site.settings.batch_documents):
                    _store(connection, batch, wanted, report)
                    progress.advance(len(batch))
    report.seconds = time.monotonic() - started
    return report


def _to_mask_further(
    connection: Connection, asked_for: Sequence[ParsePolicy], jobs: Sequence[PendingParse]
) -> dict[int, str]:
    """Document id -> the parse fingerprint of elements that a stricter policy can start from."""
    known = ledger.policies(connection)
    followed = [
        (new.parse_fingerprint, old.parse_fingerprint) for new in asked_for for old in known if follows(new, old)
    ]
    return ledger.elements_to_mask_further(connection, jobs, followed) if followed else {}


def _mask_further(
    site: Site, connection: Connection, batch: Sequence[PendingParse], stored: Mapping[int, str]
) -> Iterator[Outcome]:
    for job in batch:
        document = ledger.stored_elements(connection, job, stored[job.id])
        if document is not None:
            yield job, site.maskers.of(job.collection).mask_document(document)


def _parse(site: Site, pending: Sequence[PendingParse]) -> Iterator[Outcome]:
    """Every pending document with its elements or its error, as they get ready."""
    unfetched: list[Outcome] = []
    copies: dict[int, ExitStack] = {}

    def jobs() -> Iterator[ParseJob]:
        for document, found in _located(site, pending):
            copies[document.id] = stack = ExitStack()
            try:
                if isinstance(found, DocumentError):
                    raise found
                path = stack.enter_context(site.sources.of(document.uri).copy(found, site.scratch))
            except DocumentError as error:
                unfetched.append((document, error))
                continue
            yield ParseJob(
                key=document,
                path=path,
                name=Path(document.path).name,
                content_hash=document.content_hash,
                mask=site.maskers.of(document.collection).mask_document,
                readers=site.settings.readers_for(document.collection),
            )

    remove_leftovers(site.scratch)
    try:
        for job, result in site.parsers.parse(jobs(), expected=len(pending)):
            copies.pop(job.key.id).close()
            yield job.key, result
        yield from unfetched
    finally:
        for stack in copies.values():
            stack.close()


def _located(site: Site, pending: Sequence[PendingParse]) -> Iterator[tuple[PendingParse, str | DocumentError]]:
    """Every document with its file's own path, or why there is none; its source expects to be asked for it."""
    for batch in batched(pending, site.settings.batch_documents):
        found: list[tuple[PendingParse, str | DocumentError]] = []
        for document in batch:
            try:
                found.append((document, site.names.real_path(document.uri, document.path)))
            except UnreadableFile as error:
                found.append((document, error))
        for uri in {document.uri for document in batch}:
            of_source = [path for document, path in found if document.uri == uri and isinstance(path, str)]
            site.sources.of(uri).expect(of_source)
        yield from found


def _committable(outcomes: Iterator[Outcome], size: int) -> Iterator[list[Outcome]]:
    batch: list[Outcome] = []
    begun = time.monotonic()
    for outcome in outcomes:
        batch.append(outcome)
        if len(batch) >= size or time.monotonic() - begun > COMMIT_SECONDS:
            yield batch
            batch, begun = [], time.monotonic()
    if batch:
        yield batch


def _store(connection: Connection, batch: Sequence[Outcome], wanted: Sequence[str], report: StageReport) -> None:
    with connection.transaction():
        current = ledger.lock_documents(connection, [job.id for job, _ in batch])
        # A file that changed or went away meanwhile is the business of the run that saw it.
        live = [(job, result) for job, result in batch if current.get(job.id) == job.content_hash]
        failed = [(job, result) for job, result in live if isinstance(result, DocumentError)]
        parsed = [(job, result) for job, result in live if isinstance(result, CleanedDocument)]
        # In order of what is inserted: two runs with documents of the same bytes wait for each other
        # instead of deadlocking.
        parsed.sort(key=lambda outcome: (outcome[0].content_hash, outcome[0].extension, outcome[0].parse_fingerprint))
        ledger.insert_elements(connection, parsed)
        ledger.forget_superseded_elements(connection, [job.content_hash for job, _ in parsed], wanted)
        ledger.clear_failures(connection, (STAGE,), [job.id for job, _ in parsed])
        ledger.record_failures(connection, STAGE, [(job.id, job.input_version, error) for job, error in failed])
    report.counts["failed"] += len(failed)
    for _, document in parsed:
        report.counts["documents"] += 1
        report.counts["elements"] += len(document.elements)
        report.counts["dropped"] += len(document.dropped)
        report.counts["pages"] += document.page_count or 0
        report.counts["masked"] += sum(document.privacy_counts.values())
