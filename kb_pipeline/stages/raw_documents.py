"""Stage 1: bring the ledger's documents in step with what the sources hold.

Scanning lists a source and compares it with the ledger; applying writes the difference. Only one
process at a time applies a source, and it lists under that lock, so what it applies is never stale.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from kb_pipeline.errors import DocumentError, SourceUnavailable
from kb_pipeline.parsing.formats import UNREADABLE_EXTENSIONS
from kb_pipeline.progress import track
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.source.diff import DeletionGuard, KnownDocument, SourceDiff, diff
from kb_pipeline.source.kinds import own_settings
from kb_pipeline.source.listing import (
    EVERY_SHARD,
    Entry,
    ShardRange,
    entry_of,
    numbered,
    settle,
    shard_hash,
)
from kb_pipeline.source.names import Names
from kb_pipeline.source.place import Place
from kb_pipeline.source.selection import Selection
from kb_pipeline.stages import fields, sidecar_reading, sidecars
from kb_pipeline.stages.carried import carriers_of, look_inside
from kb_pipeline.stages.hashing import hashing
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.stages.sidecars import SidecarDiff
from kb_pipeline.store import descriptions, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.fields import declared
from kb_pipeline.store.ledger import UNREGISTERED, Source

STAGE = "raw_documents"
COUNTS = (
    *("scanned", "unchanged", "new", "changed", "moved", "deleted", "described"),
    *("held", "writing", "skipped", "unlisted", "failed", "sidecars_failed", "sources_unavailable"),
)


@dataclass(frozen=True, slots=True)
class Scan:
    """A source, its difference to the ledger, and why some of its folders could not be listed.

    `real_paths`: stored path -> the file's own, where names hold personal data. `namesakes`: stored paths with a
    number, since another file is stored under the path without it. `skipped`: extension -> files of a kind that nobody
    can read. `sidecars`: what is said of documents beside their text and is not known yet.
    """

    source: Source
    diff: SourceDiff
    unlisted: dict[str, str]
    real_paths: Mapping[str, str] = field(default_factory=dict, repr=False)
    namesakes: frozenset[str] = frozenset()
    skipped: Mapping[str, int] = field(default_factory=dict)
    sidecars: SidecarDiff = field(default_factory=SidecarDiff)

    def shards(self, digits: int) -> dict[str, int]:
        """shard -> how many documents of it have to be looked at."""
        paths = [entry.path for entry in self.diff.new]
        paths += [change.entry.path for change in self.diff.changed]
        paths += [move.entry.path for move in self.diff.moved]
        paths += [document.path for document in self.diff.deleted]
        counts: dict[str, int] = {}
        for path in paths:
            shard = shard_hash(self.source.uri, path)[:digits]
            counts[shard] = counts.get(shard, 0) + 1
        if not self.sidecars.is_clean:  # whoever applies the source does all of it
            shard = shard_hash(self.source.uri, "")[:digits]
            counts[shard] = counts.get(shard, 0) + self.sidecars.work
        return counts


def scan_source(
    connection: Connection,
    source: Source,
    settings: Settings,
    names: Names,
    *,
    allow_mass_delete: bool = False,
    hashes: dict[str, bytes] | None = None,
    shards: ShardRange = EVERY_SHARD,
) -> Scan:
    """Compare a source with the ledger, changing nothing but the note that its names need no second look.

    With `shards` the ledger is asked about their documents alone, as long as no path of them came or went: then a
    document may have moved here from another shard, or away, and only the whole source tells.

    `hashes` collects what had to be hashed to tell moves from new files. Raises SourceUnavailable.
    """
    listed_ns = time.time_ns()
    names.look_again()
    place = names.sources.of(source.uri)
    in_all = cache(lambda: ledger.signatures(connection, source.id))
    selection = selection_of(settings, source.uri)
    listing = place.list_files(selection, in_all)
    # A name that stands in the ledger as it is was found to hold nothing, unless the policies changed.
    looked_at = source.names_policy == names.policy
    listed, known = listing.signatures, None
    carries = bool(carriers_of(listed))
    if shards != EVERY_SHARD and looked_at and not carries:
        here, there = _in_shards(source.uri, listed, shards), ledger.signatures(connection, source.id, shards)
        if _paths(here - there) == _paths(there - here):
            listed, known = here, there
    if known is None:
        known = in_all()
    suspects = _suspects(listed, known) if looked_at else None
    signatures, real_paths, namesakes = _stored(listed, suspects, names)
    differing = [entry_of(line) for line in signatures - known]
    at_rest, writing = settle(source.uri, differing, real_paths, listed_ns)
    if carries:
        unstable = {entry.path for entry in writing} | namesakes
        carriers = carriers_of(signatures)
        resting = frozenset(
            line for line in carriers if (looked_at and line in known) or entry_of(line).path in unstable
        )
        inside = look_inside(place, carriers, known, resting=resting, real_paths=real_paths, selection=selection)
        carried, real_carried, same = _stored(inside.found, None, names)
        signatures, namesakes = signatures | inside.kept | carried, namesakes | same
        real_paths = {**real_paths, **real_carried}
        at_rest += (new := [entry_of(line) for line in (inside.kept | carried) - known])
        differing += new
    missing_paths = [entry_of(line).path for line in known - signatures]
    unlisted_names = names.stored(listing.unlisted)
    unlisted = {unlisted_names.get(path, path): reason for path, reason in listing.unlisted.items()}
    found = hashes if hashes is not None else {}

    def content_hash(entry: Entry) -> bytes | None:
        if entry.path in namesakes:
            return None
        try:
            return found.setdefault(entry.path, place.hash(real_paths.get(entry.path, entry.path)))
        except DocumentError:
            return None

    result = diff(
        scanned=len(signatures) if carries else len(listing.signatures),
        differing=at_rest + writing,
        writing=writing,
        missing=ledger.known_documents(connection, source.id, missing_paths) if missing_paths else {},
        known_count=len(known),
        unlisted=list(unlisted),
        content_hash=content_hash,
        guard=DeletionGuard(settings.mass_delete_count, settings.mass_delete_share, allow_mass_delete),
    )
    if not looked_at and not differing and source.id != UNREGISTERED:
        ledger.set_names_policy(connection, source.id, names.policy)
    described = sidecars.compare(
        connection,
        source,
        listing.sidecars,
        settings=settings,
        names=names,
        unlisted=list(unlisted),
        keep=bool(result.held),
        at_rest=lambda entries: settle(source.uri, entries, listed_ns=listed_ns)[0],
    )
    return Scan(source, result, unlisted, real_paths, namesakes, listing.skipped, described)


def selection_of(settings: Settings, uri: str) -> Selection:
    """Which files of a source are read; one that kb.toml does not name has no patterns."""
    own = own_settings(settings, uri)
    return Selection(own.include, own.exclude, UNREADABLE_EXTENSIONS, frozenset(own.manifests))


def _in_shards(uri: str, signatures: frozenset[str], shards: ShardRange) -> frozenset[str]:
    """The signatures of the files whose documents are in `shards`, as far as their paths are stored as they are."""
    first, last = shards
    return frozenset(line for line in signatures if first <= shard_hash(uri, line.rsplit("\t", 3)[0]) <= last)


def _paths(signatures: frozenset[str]) -> set[str]:
    return {entry_of(line).path for line in signatures}


def _suspects(signatures: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """The signatures whose path does not stand in the ledger: not those of files that only changed."""
    known_paths = _paths(known - signatures)
    return frozenset(line for line in signatures - known if entry_of(line).path not in known_paths)


def _stored(
    signatures: frozenset[str], suspects: frozenset[str] | None, names: Names
) -> tuple[frozenset[str], dict[str, str], frozenset[str]]:
    """The signatures with the paths under which files are stored, the real paths of those that differ, and those stored
    paths that have a number because another file, the first by its real path, is stored under the path without it.

    `suspects`: the signatures whose names are looked at; None for all.
    """
    lines = {line: entry_of(line).path for line in (signatures if suspects is None else suspects)}
    stored = names.stored(dict.fromkeys(lines.values()))
    if not stored:
        return signatures, {}, frozenset()
    masked = {path: line for line, path in lines.items() if path in stored}
    plain = signatures - set(masked.values())
    taken = {entry_of(line).path for line in plain}
    real: dict[str, str] = {}
    kept: set[str] = set()
    namesakes: set[str] = set()
    for path, line in sorted(masked.items()):
        own = numbered(stored[path], taken)
        if own != stored[path]:
            namesakes.add(own)
        taken.add(own)
        real[own] = path
        kept.add(own + line.removeprefix(path))
    return plain | kept, real, frozenset(namesakes)


def within(scan: Scan, prefix: str, shards: Sequence[str] | None, digits: int) -> Scan:
    """The part of a scan that concerns `shards` (None: all) and paths at or below `prefix` ('' is all).

    What sidecars say is not divided by shards: one of them may be about documents in all.
    """
    wanted = None if shards is None else frozenset(shards)

    prefix = prefix.rstrip("/")

    def inside(path: str) -> bool:
        if prefix and path != prefix and not path.startswith(prefix + "/"):
            return False
        return wanted is None or shard_hash(scan.source.uri, path)[:digits] in wanted

    found = scan.diff
    return replace(
        scan,
        sidecars=sidecars.within(scan.sidecars, prefix),
        diff=replace(
            found,
            new=tuple(entry for entry in found.new if inside(entry.path)),
            changed=tuple(change for change in found.changed if inside(change.entry.path)),
            moved=tuple(move for move in found.moved if inside(move.entry.path) or inside(move.document.path)),
            deleted=tuple(document for document in found.deleted if inside(document.path)),
        ),
    )


def run(
    site: Site, shards: Sequence[str] | None, *, prefix: dict[str, str] | None = None, allow_mass_delete: bool = False
) -> StageReport:
    """Scan every source and apply what concerns `shards`; commits batch by batch.

    `prefix`: source uri -> limit to what lies at or below that path; sources not named are left out. Of the
    sources that are not looked at each time, those that are due or named are applied whole by the run over the first
    shard. A source that cannot be listed is passed over and named in the report; raises SourceUnavailable when
    none can.
    """
    started = time.monotonic()
    report = StageReport.of(*COUNTS)
    unavailable: list[SourceUnavailable] = []
    scanned = passed_over = 0
    with site.connect() as reader, site.connect() as writer:
        site.record_key(writer)
        report.counts["described"] += fields.declare(writer, site.settings)
        for source in ledger.sources(reader):
            if prefix is not None and source.uri not in prefix:
                continue
            with ledger.source_lock(writer, source.id):
                current = next((known for known in ledger.sources(reader) if known.id == source.id), None)
                if current is None:
                    continue  # removed while we waited
                resting = bool(site.sources.every(source.uri))
                if resting and not _looks_at(site, current, shards, asked_for=prefix is not None):
                    passed_over += 1
                    continue
                own_shards = None if resting else shards
                hashes: dict[str, bytes] = {}
                try:
                    scan = scan_source(
                        reader,
                        source,
                        site.settings,
                        site.names,
                        allow_mass_delete=allow_mass_delete,
                        hashes=hashes,
                        shards=EVERY_SHARD if own_shards is None else site.scope(own_shards).range,
                    )
                except SourceUnavailable as error:
                    unavailable.append(error)
                    continue
                limited = within(scan, (prefix or {}).get(source.uri, ""), own_shards, site.settings.shard_digits)
                changes = sidecar_reading.read(writer, source, limited.sidecars, site.names, declared(writer))
                _apply(writer, limited, site.sources.of(source.uri), hashes, site.settings, report)
                _describe(writer, site, limited, changes, report)
                if not (prefix or {}).get(source.uri):
                    state = sidecars.patterns_state(site.settings, source.uri)
                    descriptions.set_policy(writer, source.id, policy=site.names.policy, patterns=state)
                ledger.mark_scanned(writer, source.id)
            scanned += 1
            _count(scan, limited, report)
        ledger.add_up_figures(writer)
    if unavailable and not (scanned or passed_over):
        raise unavailable[0]
    report.counts["sources_unavailable"] = len(unavailable)
    report.details["unavailable"] = [str(error) for error in unavailable]
    report.seconds = time.monotonic() - started
    return report


def _looks_at(site: Site, source: Source, shards: Sequence[str] | None, *, asked_for: bool) -> bool:
    """Whether this run is the one that looks at a source that is not looked at each time, and applies all of it."""
    is_first = shards is None or "0" * site.settings.shard_digits in shards
    return is_first and (asked_for or site.sources.is_due(source.uri, source.scanned_at))


def _describe(
    connection: Connection, site: Site, scan: Scan, changes: sidecar_reading.Changes, report: StageReport
) -> None:
    """Have the documents that were there before follow what changed beside them."""
    concerned = [document.id for document in scan.sidecars.documents if changes.concerns(document.path)]
    fields.describe_all(connection, site.settings, concerned)
    sidecar_reading.settle(connection, scan.source, scan.sidecars, changes)
    report.counts["described"] += len(concerned)
    report.counts["sidecars_failed"] += changes.failed


def _count(scan: Scan, limited: Scan, report: StageReport) -> None:
    """Add a scan's numbers to a report."""
    report.counts.update(
        scanned=scan.diff.scanned,
        unchanged=scan.diff.unchanged,
        new=len(limited.diff.new),
        changed=len(limited.diff.changed),
        moved=len(limited.diff.moved),
        deleted=len(limited.diff.deleted),
        held=len(scan.diff.held),
        writing=len(scan.diff.writing),
        skipped=sum(scan.skipped.values()),
        unlisted=len(scan.unlisted),
    )
    places = {f"{scan.source.uri}/{path}": reason for path, reason in scan.unlisted.items()}
    report.details.setdefault("unlisted", {}).update(places)
    if scan.diff.held:
        report.details.setdefault("held", {})[scan.source.uri] = len(scan.diff.held)


def _apply(
    connection: Connection,
    scan: Scan,
    place: Place,
    hashes: dict[str, bytes],
    settings: Settings,
    report: StageReport,
) -> None:
    batch_documents = settings.batch_documents
    source, found = scan.source, scan.diff
    entries: list[tuple[Entry, KnownDocument | None]] = [(entry, None) for entry in found.new]
    entries += [(change.entry, change.document) for change in found.changed]
    with track("reading files", len(entries)) as progress, hashing(scan, place, hashes) as hash_all:
        for batch in batched(entries, batch_documents):
            digests = hash_all([entry for entry, _ in batch])
            with connection.transaction():
                added = _write(connection, source, batch, digests, report)
                fields.describe(connection, settings, added)
            progress.advance(len(batch))
    for moves in batched(found.moved, batch_documents):
        with connection.transaction():
            ledger.move_documents(connection, source, [(move.document.id, move.entry) for move in moves])
            fields.describe(connection, settings, [move.document.id for move in moves])
    for deleted in batched(found.deleted, batch_documents):
        with connection.transaction():
            ledger.delete_documents(connection, [document.id for document in deleted])


def _write(
    connection: Connection,
    source: Source,
    batch: Sequence[tuple[Entry, KnownDocument | None]],
    digests: Sequence[bytes | DocumentError],
    report: StageReport,
) -> list[int]:
    """The ids of documents that were added."""
    ledger.lock_paths(connection, source, [entry.path for entry, _ in batch])
    readable = [None if isinstance(digest, DocumentError) else digest for digest in digests]
    fresh = [(entry, digest) for (entry, known), digest in zip(batch, readable, strict=True) if known is None]
    inserted = ledger.insert_documents(connection, source, fresh)
    ids = [inserted[entry.path] if known is None else known.id for entry, known in batch]
    rows = list(zip(ids, batch, digests, readable, strict=True))
    changed = [(document, entry, digest) for document, (entry, known), _, digest in rows if known is not None]
    ledger.update_documents(connection, changed)
    failed = [(i, entry.signature, error) for i, (entry, _), error, _ in rows if isinstance(error, DocumentError)]
    ledger.record_failures(connection, STAGE, failed)
    report.counts["failed"] += len(failed)
    read = [(document, known, digest) for document, (_, known), _, digest in rows if digest is not None]
    same_bytes = [document for document, known, digest in read if known is not None and known.content_hash == digest]
    ledger.clear_failures(connection, (STAGE,), same_bytes)
    ledger.forget_failures(connection, sorted({document for document, _, _ in read} - set(same_bytes)))
    return list(inserted.values())
