"""Does everything agree: sources, ledger, chunks, vectors, serving table, masking?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kb_pipeline.errors import SourceUnavailable
from kb_pipeline.site import Site
from kb_pipeline.stages import raw_documents
from kb_pipeline.store import audit as questions
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.audit import EXAMPLES, Finding
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation

SAMPLED_CHUNKS = 500


@dataclass(frozen=True, slots=True)
class AuditResult:
    """`findings` are what is wrong; `reclaimable` rows are only space; `mended`: rows that a repair touched."""

    findings: tuple[Finding, ...]
    reclaimable: tuple[Finding, ...]
    mended: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "reclaimable": [asdict(finding) for finding in self.reclaimable],
            "mended": self.mended,
        }


def audit(site: Site, *, repair: bool = False) -> AuditResult:
    """Look for disagreements; with `repair`, mend what SQL alone can mend and then look again.

    What needs parsing or embedding is left to the next ingest.
    """
    with site.connect() as connection:
        active = generations.active_generations(connection)
        mended = Counter[str]()
        if repair and active:
            for generation in active:
                mended.update(questions.mend(connection, generation))
            mended.update(questions.mend_ledger(connection))
        findings = _against_sources(site, connection)
        reclaimable: list[Finding] = []
        if not active:
            findings += questions.findings_without_generation(connection)
        else:
            findings += questions.ledger_findings(connection)
            findings += _of_tables(connection, active)
            reclaimable = questions.space_findings(connection)
        findings += _unmasked(site, connection)
    return AuditResult(tuple(findings), tuple(reclaimable), dict(mended))


def _of_tables(connection: Connection, active: Sequence[Generation]) -> list[Finding]:
    """What is wrong in any of the serving tables, each kind once."""
    found: list[Finding] = []
    for generation in active:
        found += questions.table_findings(connection, generation)
        vectors = questions.check_serving_vectors(connection, generation)
        if not vectors.is_sound(generation.dimension):
            found.append(Finding("unsound_vectors", max(vectors.unsound, 1), ()))
    kinds = dict.fromkeys(finding.kind for finding in found)
    alike = [[finding for finding in found if finding.kind == kind] for kind in kinds]
    return [
        Finding(some[0].kind, sum(one.count for one in some), tuple(e for one in some for e in one.examples)[:EXAMPLES])
        for some in alike
    ]


def _against_sources(site: Site, connection: Connection) -> list[Finding]:
    """Files that the knowledge base does not reflect yet."""
    found: dict[str, list[str]] = {}
    for source in ledger.sources(connection):
        try:
            diff = raw_documents.scan_source(connection, source, site.settings, site.names).diff
        except SourceUnavailable:
            found.setdefault("source_unavailable", []).append(source.uri)
            continue
        for kind, paths in (
            ("not_ingested", [entry.path for entry in diff.new]),
            ("changed_since", [change.entry.path for change in diff.changed]),
            ("moved_since", [move.entry.path for move in diff.moved]),
            ("deleted_since", [document.path for document in (*diff.deleted, *diff.held)]),
        ):
            found.setdefault(kind, []).extend(paths)
    return [Finding(kind, len(paths), tuple(sorted(paths)[:EXAMPLES])) for kind, paths in found.items() if paths]


def _unmasked(site: Site, connection: Connection) -> list[Finding]:
    """Run the recognizers over a sample of stored text; what they find should have been masked."""
    files = sorted(
        {
            path
            for path, collection, content in questions.sample_text(connection, SAMPLED_CHUNKS)
            if site.maskers.of(collection).findings(content)
        }
    )
    return [Finding("unmasked", len(files), tuple(files[:EXAMPLES]))] if files else []
