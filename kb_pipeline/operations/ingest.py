"""Bringing the knowledge base up to date by running the refresh job, and saying beforehand what that would do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kb_pipeline.errors import SourceUnavailable
from kb_pipeline.operations import sources
from kb_pipeline.operations.agreement import disagreements, require_possible
from kb_pipeline.operations.jobs import REFRESH, RunJob
from kb_pipeline.site import Site
from kb_pipeline.stages.planning import Plan, make_plan, spans
from kb_pipeline.store import descriptions, generations, ledger
from kb_pipeline.store.database import Connection

# Estimates of `kb plan`, from the sample documents; only to tell minutes from hours.
CHARACTERS_PER_BYTE = 0.6
CHARACTERS_PER_TOKEN = 2.5
TOKENS_PER_SECOND = 5_000.0
SEEN = ("scanned", "new", "changed", "moved", "deleted", "unchanged", "held")
WHOLE = ("scanned", "unchanged", "held")  # of these each run counts all files, of the others those of its own shards
# Why a document waits, as `ledger.pending_reasons` calls it and as a person reads it.
REASONS = {
    "new": "new and not processed yet",
    "changed": "changed and not processed yet",
    "moved": "moved",
    "deleted": "deleted and still to be taken out",
    "policy": "masked by another policy",
    "parse": "parsed by another version or masked with another key",
    "chunk": "cut into chunks with other settings or by another version",
    "vectors": "without vectors, or with rows of an earlier text",
    "retry": "failed before and due again",
}


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """What the sources hold against the ledger; `pending` documents wait from an earlier run.

    `described`: documents about which something else may be said now, by sidecars, manifests, patterns or [fields].
    """

    scanned: int
    new: int
    changed: int
    moved: int
    deleted: int
    described: int
    unchanged: int
    writing: int
    held: int
    pending: int


@dataclass(frozen=True, slots=True)
class IngestResult:
    """`failed`: documents that failed in this run; `quarantined`: all that have a failure now;
    `unavailable`: why sources were passed over; `skipped`: files of kinds that nobody can read, by extension;
    `described`: documents whose metadata changed, beside those that are new; `sidecars_failed`: sidecars and manifests
    that cannot be used now; `notes`: what a person should know about the settings."""

    scanned: int
    new: int
    changed: int
    moved: int
    deleted: int
    described: int
    unchanged: int
    writing: int
    held: int
    failed: int
    quarantined: int
    sidecars_failed: int
    chunks_written: int
    texts_embedded: int
    texts_reused: int
    seconds: float
    runs: tuple[str, ...]
    unavailable: tuple[str, ...]
    skipped: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """`pending_reasons`: why documents wait from an earlier run, and how many; see REASONS."""

    counts: ScanCounts
    pending_reasons: Mapping[str, int]
    skipped: Mapping[str, int]
    estimated_tokens: int
    estimated_seconds: float
    unavailable: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self.counts),
            "pending_reasons": dict(self.pending_reasons),
            "skipped": dict(self.skipped),
            "estimated_tokens": self.estimated_tokens,
            "estimated_seconds": self.estimated_seconds,
            "unavailable": self.unavailable,
            "notes": self.notes,
        }


def plan(site: Site, path: str | None, *, allow_mass_delete: bool = False) -> PlanResult:
    """What an ingest would do, changing nothing. Raises SettingsError, SourceUnavailable."""
    connection = site.connect()
    limit = _limit(site, connection, path)
    found = _plan(site, connection, limit, allow_mass_delete)
    touched = [entry for scan in found.scans for entry in scan.diff.new]
    touched += [change.entry for scan in found.scans for change in scan.diff.changed]
    tokens = int(sum(entry.size for entry in touched) * CHARACTERS_PER_BYTE / CHARACTERS_PER_TOKEN)
    return PlanResult(
        counts=scan_counts(found),
        pending_reasons=pending_reasons(site, connection),
        skipped=skipped(found),
        estimated_tokens=tokens,
        estimated_seconds=round(tokens / TOKENS_PER_SECOND, 1),
        unavailable=found.unavailable,
        notes=_notes(site, connection, found),
    )


def ingest(site: Site, path: str | None, *, run: RunJob, allow_mass_delete: bool = False) -> IngestResult:
    """Scan, then `run` the refresh job over the shards with work, a run per span.

    A source that cannot be listed is passed over and named in the result. Raises SettingsError,
    SourceUnavailable when no source can be listed, EmbeddingServerUnavailable; what was committed stays.
    """
    started = time.monotonic()
    connection = site.connect()
    limit = _limit(site, connection, path)
    require_possible(site, connection)
    found = _plan(site, connection, limit, allow_mass_delete)
    # Only now: a folder that cannot be listed does not become a source.
    sources.register(connection, [*(scan.source.uri for scan in found.scans), *found.looks])
    totals: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    runs = []
    for shards in spans(found.dirty, site.settings.documents_per_run):
        scan = {"allow_mass_delete": allow_mass_delete, "within": dict(limit)}
        run_id, counts_of = run(site, REFRESH, shards, raw_documents=scan)
        runs.append(run_id)
        if found.looks:  # what the plan did not look at is only known by the run that did
            done = counts_of["raw_documents"]
            seen.update({name: done[name] for name in SEEN if name not in WHOLE})
            seen |= Counter({name: done[name] for name in WHOLE})
        totals["described"] += counts_of["raw_documents"]["described"]
        totals["failed"] += sum(stage.get("failed", 0) for stage in counts_of.values())
        totals["texts_embedded"] += counts_of["embeddings"]["texts_embedded"]
        totals["texts_reused"] += counts_of["embeddings"]["texts_reused"]
        totals["chunks_written"] += counts_of["knowledge_chunks"]["chunks_written"]
    counts = scan_counts(found)
    return IngestResult(
        scanned=max(counts.scanned, seen["scanned"]),
        new=max(counts.new, seen["new"]),
        changed=max(counts.changed, seen["changed"]),
        moved=max(counts.moved, seen["moved"]),
        deleted=max(counts.deleted, seen["deleted"]),
        described=totals["described"],
        unchanged=max(counts.unchanged, seen["unchanged"]),
        writing=counts.writing,
        held=max(counts.held, seen["held"]),
        failed=totals["failed"],
        quarantined=ledger.count_failures(connection, site.scope()),
        sidecars_failed=descriptions.count_failures(connection),
        chunks_written=totals["chunks_written"],
        texts_embedded=totals["texts_embedded"],
        texts_reused=totals["texts_reused"],
        seconds=round(time.monotonic() - started, 2),
        runs=tuple(runs),
        unavailable=found.unavailable,
        skipped=skipped(found),
        notes=_notes(site, connection, found),
    )


def pending_reasons(site: Site, connection: Connection) -> dict[str, int]:
    """Why documents wait from an earlier run -> how many."""
    return ledger.pending_reasons(
        connection,
        site.scope(),
        generations.working_targets(connection),
        site.parse_version(),
        {name: site.parse_version(part.readers) for name, part in site.settings.collections.items()},
    )


def skipped(found: Plan) -> dict[str, int]:
    """Extension -> files of kinds that nobody can read, the most frequent first."""
    totals: Counter[str] = Counter()
    for scan in found.scans:
        totals.update(scan.skipped)
    return dict(totals.most_common())


def _notes(site: Site, connection: Connection, found: Plan) -> tuple[str, ...]:
    looks = [f"{uri} is looked at by the run itself, as it takes a while." for uri in found.looks]
    return (*found.notes, *looks, *disagreements(site, connection))


def scan_counts(found: Plan) -> ScanCounts:
    diffs = [scan.diff for scan in found.scans]
    touched = sum(len(diff.new) + len(diff.changed) + len(diff.moved) + len(diff.deleted) for diff in diffs)
    touched += (
        (len(found.dirty) if found.looks else 0) + found.redeclared + sum(scan.sidecars.work for scan in found.scans)
    )
    return ScanCounts(
        scanned=sum(diff.scanned for diff in diffs),
        new=sum(len(diff.new) for diff in diffs),
        changed=sum(len(diff.changed) for diff in diffs),
        moved=sum(len(diff.moved) for diff in diffs),
        deleted=sum(len(diff.deleted) for diff in diffs),
        described=found.redeclared or sum(len(scan.sidecars.documents) for scan in found.scans),
        unchanged=sum(diff.unchanged for diff in diffs),
        writing=sum(len(diff.writing) for diff in diffs),
        held=sum(len(diff.held) for diff in diffs),
        pending=sum(found.dirty.values()) - touched,
    )


def _limit(site: Site, connection: Connection, path: str | None) -> Mapping[str, str]:
    """Source uri -> the stored path inside it that a call is limited to."""
    found = sources.limits(path, sources.known_sources(connection, site.settings), site.settings.home_path)
    return {uri: site.names.stored_path(inside) if inside else "" for uri, inside in found.items()}


def _plan(site: Site, connection: Connection, limit: Mapping[str, str], allow_mass_delete: bool) -> Plan:
    found = make_plan(
        connection, site.settings, site.scope(), site.names, prefix=limit, allow_mass_delete=allow_mass_delete
    )
    if found.unavailable and not (found.scans or found.looks):
        raise SourceUnavailable(found.unavailable[0])
    return found
