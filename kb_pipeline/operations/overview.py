"""The corpus as its keepers look at it: how much there is, how old it is, what failed, what waits, what runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from kb_pipeline.operations.agreement import disagreements
from kb_pipeline.operations.ingest import pending_reasons
from kb_pipeline.operations.status import servers
from kb_pipeline.site import Site
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection

MOST_FAILURES = 100  # that are listed
Age = Literal["day", "week", "month", "quarter", "year", "older"]
AGES: tuple[Age, ...] = get_args(Age)


@dataclass(frozen=True, slots=True)
class CollectionShare:
    """`newest`: when the last of its files was written."""

    collection: str
    documents: int
    chunks: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class FormatShare:
    """`format`: the extension of the files, empty where they have none."""

    format: str
    documents: int


@dataclass(frozen=True, slots=True)
class AgeShare:
    """`age`: within which time the files were written; each is counted once."""

    age: Age
    documents: int


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """`next_retry`: None where the same file is not tried again by itself."""

    source_file: str
    collection: str
    stage: str
    error: str
    reason: str
    attempts: int
    failed_at: datetime
    next_retry: datetime | None


@dataclass(frozen=True, slots=True)
class Server:
    """`address`: None where it has none yet. `running`: it starts when it is needed, otherwise."""

    name: str
    kind: str
    address: str | None
    running: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """`failures`: the newest of them. `pending_reasons`: why documents wait -> how many."""

    as_of: datetime
    documents: int
    chunks: int
    vectors: int
    pending: int
    failed: int
    collections: tuple[CollectionShare, ...]
    formats: tuple[FormatShare, ...]
    freshness: tuple[AgeShare, ...]
    pending_reasons: Mapping[str, int]
    failures: tuple[FailedDocument, ...]
    servers: tuple[Server, ...]
    notes: tuple[str, ...]


def overview(site: Site, connection: Connection) -> Overview:
    """Asks no other server than PostgreSQL."""
    corpus = ledger.corpus_figures(connection)
    active = generations.active_generations(connection)
    scope = site.scope()
    reasons = pending_reasons(site, connection)
    notes = disagreements(site, connection, ask=False)
    return Overview(
        as_of=datetime.now(UTC),
        documents=sum(row["documents"] for row in corpus),
        chunks=sum(row["chunks"] for row in corpus),
        vectors=sum(generation.row_count for generation in active),
        pending=sum(reasons.values()),
        failed=ledger.count_failures(connection, scope),
        collections=_collections(corpus),
        formats=tuple(FormatShare(name, count) for name, count in _documents(corpus, "format").most_common()),
        freshness=tuple(AgeShare(age, _documents(corpus, "age")[age]) for age in AGES),
        pending_reasons=reasons,
        failures=tuple(_failure(failure) for failure in ledger.failures(connection, scope, MOST_FAILURES)),
        servers=tuple(Server(**server) for server in servers(site)),
        notes=tuple(notes),
    )


def _documents(corpus: Sequence[Mapping[str, Any]], of: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in corpus:
        counts[row[of]] += row["documents"]
    return counts


def _collections(corpus: Sequence[Mapping[str, Any]]) -> tuple[CollectionShare, ...]:
    """In the order of their names."""
    shares = []
    for name in sorted({row["collection"] for row in corpus}):
        rows = [row for row in corpus if row["collection"] == name]
        documents, chunks = (sum(cast("int", row[of]) for row in rows) for of in ("documents", "chunks"))
        shares.append(CollectionShare(name, documents, chunks, max(row["newest"] for row in rows)))
    return tuple(shares)


def _failure(failure: ledger.Failure) -> FailedDocument:
    return FailedDocument(
        source_file=failure.path,
        collection=failure.collection,
        stage=failure.stage,
        error=failure.error,
        reason=failure.reason,
        attempts=failure.attempts,
        failed_at=failure.failed_at,
        next_retry=failure.next_retry,
    )
