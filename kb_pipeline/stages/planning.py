"""What there is to do, found without doing it: for the sensor, `kb plan` and `kb ingest`.

A shard is *dirty* when a scan found something in it, or when an earlier run left work in it. A *span* is
some dirty shards, with no other dirty one between them, that become one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kb_pipeline.errors import SourceUnavailable
from kb_pipeline.settings import Settings, fingerprint
from kb_pipeline.source.listing import collection_of, shard_names
from kb_pipeline.source.names import Names
from kb_pipeline.stages import fields, raw_documents
from kb_pipeline.stages.raw_documents import Scan
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import UNREGISTERED, Scope, Source


@dataclass(frozen=True, slots=True)
class Plan:
    """`dirty`: shard -> documents to work on, in shard order. `unavailable`: why a source was passed over.
    `notes`: what a person should know about the settings. `redeclared`: documents that wait for other fields.
    `looks`: sources that are due to be looked at, by a run, as it takes long; `resting`: how many are not due yet."""

    scans: tuple[Scan, ...]
    dirty: Mapping[str, int]
    fingerprint: str
    redeclared: int = 0
    unavailable: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
    looks: tuple[str, ...] = field(default=())
    resting: int = 0


def make_plan(
    connection: Connection,
    settings: Settings,
    scope: Scope,
    names: Names,
    *,
    prefix: Mapping[str, str] | None = None,
    allow_mass_delete: bool = False,
) -> Plan:
    """Scan the sources and ask the ledger what is pending; changes nothing.

    `prefix`: source uri -> limit to what lies at or below that path; one that the ledger does not know is
    looked at as if it were empty there. A source that cannot be listed is passed over and named, so that
    one unmounted share does not stop the others.
    """
    scans: list[Scan] = []
    unavailable: list[str] = []
    looks: list[Source] = []
    resting = 0
    for source in _sources(connection, prefix):
        if names.sources.every(source.uri):
            if prefix is not None or names.sources.is_due(source.uri, source.scanned_at):
                looks.append(source)
            else:
                resting += 1
            continue
        try:
            scan = raw_documents.scan_source(connection, source, settings, names, allow_mass_delete=allow_mass_delete)
        except SourceUnavailable as error:
            unavailable.append(str(error))
            continue
        scans.append(raw_documents.within(scan, (prefix or {}).get(source.uri, ""), None, settings.shard_digits))
    pending = ledger.dirty_shards(connection, scope, generations.working_targets(connection))
    dirty: dict[str, int] = {shard.shard: shard.documents for shard in pending}
    for scan in scans:
        for shard, documents in scan.shards(settings.shard_digits).items():
            dirty[shard] = dirty.get(shard, 0) + documents
    redeclared = 0 if fields.are_declared(connection, settings) else ledger.count_documents(connection)
    if redeclared:  # whoever runs first does all of it
        shard = "0" * settings.shard_digits
        dirty[shard] = dirty.get(shard, 0) + redeclared
    if looks:  # what they hold now may concern any shard
        for shard in shard_names(settings.shard_digits):
            dirty[shard] = dirty.get(shard, 0) + 1
    changes: list[object] = [(source.uri, str(source.scanned_at)) for source in looks]
    changes += [
        (
            sorted(entry.signature for entry in scan.diff.new),
            sorted(change.entry.signature for change in scan.diff.changed),
            sorted(move.entry.path for move in scan.diff.moved),
            sorted(document.path for document in scan.diff.deleted),
            scan.sidecars.state,
        )
        for scan in scans
    ]
    left = [[shard.shard, shard.documents, shard.changed_at.isoformat()] for shard in pending]
    return Plan(
        scans=tuple(scans),
        dirty=dict(sorted(dirty.items())),
        fingerprint=fingerprint(changes, left, settings.fields if redeclared else None),
        redeclared=redeclared,
        unavailable=tuple(unavailable),
        notes=tuple(_unknown_collections(connection, settings, scans)),
        looks=tuple(source.uri for source in looks),
        resting=resting,
    )


def _unknown_collections(connection: Connection, settings: Settings, scans: Sequence[Scan]) -> list[str]:
    """A note where the settings give a policy to collections that no source has: a misspelt one would go by the
    wrong policy without a word."""
    named = {name for name, part in settings.collections.items() if part.privacy is not None}
    if not named:
        return []
    known = set(ledger.collections(connection))
    known |= {collection_of(entry.path) for scan in scans for entry in scan.diff.new}
    unknown = sorted(named - known)
    if not known or not unknown:
        return []
    there = ", ".join(sorted(known))
    sentence = f"The settings give a privacy policy to {', '.join(unknown)}, but no source has such a collection; "
    return [f"{sentence}correct the name if one of these is meant: {there}."]


def _sources(connection: Connection, prefix: Mapping[str, str] | None) -> list[Source]:
    known = ledger.sources(connection)
    if prefix is None:
        return known
    by_uri = {source.uri: source for source in known}
    return [by_uri.get(uri, Source(UNREGISTERED, uri, None)) for uri in prefix]


def spans(dirty: Mapping[str, int], most_documents: int) -> list[list[str]]:
    """All dirty shards in order, divided into spans of at most `most_documents` documents, but for a single shard that
    has more."""
    found: list[list[str]] = []
    held = 0
    for shard, documents in sorted(dirty.items()):
        if found and held + documents <= most_documents:
            found[-1].append(shard)
            held += documents
        else:
            found.append([shard])
            held = documents
    return found
