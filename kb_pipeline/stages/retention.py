"""What goes because nobody needs it any more, or because the settings keep it for no longer.

The nightly sweep removes what is old, a bounded number of rows at a time. Retired generations go at once when the
masking policy has become stricter since: they hold text as it was masked before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kb_pipeline.privacy.policy import can_follow
from kb_pipeline.site import Site
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import audit, generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import ParsePolicy

COUNTS = ("elements_removed", "vectors_removed", "searches_removed", "generations_dropped")


def run(site: Site) -> StageReport:
    """Remove what is older than the settings keep it, and count what is left anew; commits piece by piece."""
    started = time.monotonic()
    keep = site.settings.retention
    report = StageReport.of(*COUNTS)
    with site.connect() as connection:
        unused = audit.purge_unused(connection, days=keep.unused_days)
        report.counts.update(
            elements_removed=unused["delete_unused_elements"],
            vectors_removed=unused["delete_unused_embeddings"],
            searches_removed=audit.purge_searches(connection, days=keep.searches_days),
            generations_dropped=drop_retired(connection, datetime.now(UTC) - timedelta(days=keep.generations_days)),
        )
        ledger.correct_figures(connection)
    report.seconds = time.monotonic() - started
    return report


def drop_retired(connection: Connection, before: datetime) -> int:
    """Drop the generations that were retired before a moment; how many."""
    retired = [
        generation
        for generation in generations.generations(connection)
        if generation.state == "retired" and generation.retired_at is not None and generation.retired_at <= before
    ]
    for generation in retired:
        generations.drop(connection, generation)
    return len(retired)


def drop_masked_less(connection: Connection, asked_for: Sequence[ParsePolicy]) -> int:
    """Drop the generations that were retired before the policy became stricter than it was; how many."""
    known = ledger.policies(connection)
    wanted = {policy.parse_fingerprint for policy in asked_for}
    stricter = [
        new.created_at
        for new in known
        if new.parse_fingerprint in wanted and new.created_at is not None and any(follows(new, old) for old in known)
    ]
    return drop_retired(connection, max(stricter)) if stricter else 0


def follows(new: ParsePolicy, old: ParsePolicy) -> bool:
    """Whether what was stored under `old` only needs to be masked further under `new`."""
    return (
        old.parse_fingerprint != new.parse_fingerprint
        and old.version == new.version
        and can_follow(old.policy, new.policy)
    )
