"""Sidecars, manifests and patterns of a source: what differs from what was read, and reading that.

The listing says of sidecars what it says of documents (size, time, etag), so those that did not change are not read.
What is read is masked as the documents are that it describes, and only then stored. One that cannot be used is noted
with its reason; what it said before stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from kb_pipeline.errors import BadSidecar, DocumentError
from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.fields.layers import folders_of
from kb_pipeline.fields.sidecars import (
    LARGEST_MANIFEST,
    LARGEST_SIDECAR,
    About,
    described_by,
    read_manifest,
    read_sidecar,
)
from kb_pipeline.fields.values import Given, Written, as_labelled, complaint, without_label
from kb_pipeline.privacy.masking import Masker, Maskers
from kb_pipeline.settings import Settings, SourceSettings, fingerprint
from kb_pipeline.source.listing import Entry, canonical_uri, collection_of, entry_of, is_local, read_start
from kb_pipeline.source.names import Names
from kb_pipeline.stages.report import batched
from kb_pipeline.store import descriptions
from kb_pipeline.store.database import Connection
from kb_pipeline.store.descriptions import Known, Reading
from kb_pipeline.store.fields import DescribedDocument
from kb_pipeline.store.ledger import Source

SIDECARS_PER_BATCH = 200
REMOTE_READERS = 16


@dataclass(frozen=True, slots=True)
class Sidecar:
    """`about` has a stored path, `files` their own; `signature`: what the listing says of all of them."""

    about: About
    files: tuple[Entry, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class SidecarDiff:
    """What a scan found of a source's sidecars that the ledger does not know.

    `gone`: described by nothing any more. `documents`: those that any of it may concern.
    """

    changed: tuple[Sidecar, ...] = ()
    gone: tuple[About, ...] = ()
    patterns_changed: bool = False
    documents: tuple[DescribedDocument, ...] = field(default=(), repr=False)

    @property
    def is_clean(self) -> bool:
        return not (self.changed or self.gone or self.patterns_changed)

    @property
    def work(self) -> int:
        """How much there is to do, in documents; not 0 where anything is."""
        return 0 if self.is_clean else max(len(self.documents), 1)

    @property
    def state(self) -> list[object]:
        """What identifies it."""
        return [
            sorted([*sidecar.about, sidecar.signature] for sidecar in self.changed),
            sorted(self.gone),
            self.patterns_changed,
        ]


def own_settings(settings: Settings, uri: str) -> SourceSettings:
    """What kb.toml says of a source; of one that it does not name, nothing."""
    own = (source for source in settings.sources if canonical_uri(source.uri) == uri)
    return next(own, SourceSettings(uri=uri))


def compare(
    connection: Connection,
    source: Source,
    lines: Collection[str],
    *,
    own: SourceSettings,
    names: Names,
    unlisted: Collection[str],
    keep: bool,
    at_rest: Callable[[list[Entry]], list[Entry]],
) -> SidecarDiff:
    """Compare the listed sidecars, a signature each, with those that were read.

    `keep`: so much of the source is missing that nothing is taken for gone. `at_rest`: of entries, those that nobody is
    writing.
    """
    known = descriptions.signatures(connection, source.id)
    looked_at = source.sidecars_policy == names.policy
    if not looked_at:
        known = dict.fromkeys(known, "")
    listed = _grouped(lines, frozenset(own.manifests))
    differing = {about: parts for about, parts in listed.items() if known.get(about) != _signature(parts)}
    # A path that is known as it is was found to hold no personal data, unless the policies changed.
    stored = names.stored([about.path for about in differing if not (looked_at and about in known)])
    renamed = {about: About(about.kind, stored[about.path]) for about in differing if about.path in stored}
    there = (listed.keys() - renamed.keys()) | set(renamed.values())
    changed = [
        Sidecar(place, tuple(entry_of(line) for line in sorted(parts)), _signature(parts))
        for about, parts in differing.items()
        if known.get(place := renamed.get(about, about)) != _signature(parts)
    ]
    resting = set(at_rest([entry for sidecar in changed for entry in sidecar.files]))
    gone = () if keep else tuple(about for about in known if about not in there and not _is_below(about.path, unlisted))
    found = SidecarDiff(
        changed=tuple(sorted((one for one in changed if resting.issuperset(one.files)), key=lambda one: one.about)),
        gone=gone,
        patterns_changed=source.patterns != patterns_state(own) and not (source.patterns is None and not own.patterns),
    )
    return found if found.is_clean else replace(found, documents=tuple(_concerned(connection, source, found)))


def patterns_state(own: SourceSettings) -> str:
    return fingerprint(own.patterns, own.manifests)


def within(diff: SidecarDiff, prefix: str) -> SidecarDiff:
    """The part that is about paths at or below `prefix` ('' is all)."""
    if not prefix or diff.is_clean:
        return diff

    def inside(path: str) -> bool:
        return path == prefix or path.startswith(prefix + "/")

    return SidecarDiff(
        tuple(sidecar for sidecar in diff.changed if inside(sidecar.about.path)),
        tuple(about for about in diff.gone if inside(about.path)),
        patterns_changed=False,
        documents=tuple(document for document in diff.documents if inside(document.path)),
    )


def _grouped(lines: Collection[str], manifests: frozenset[str]) -> dict[About, list[str]]:
    """What is described, by real path -> the signatures of the files that do."""
    found: dict[About, list[str]] = {}
    for line in lines:
        path = line.rsplit("\t", 3)[0]
        about = About("manifest", path) if path in manifests else described_by(path)
        if about is not None:
            found.setdefault(about, []).append(line)
    return found


def _signature(lines: Sequence[str]) -> str:
    """Without the paths, which may hold personal data, but with their ends."""
    parts = (line.rsplit("\t", 3) for line in lines)
    return "|".join(sorted(f"{path[-5:]}:{size}:{modified}:{etag}" for path, size, modified, etag in parts))


def _is_below(path: str, places: Collection[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def _concerned(connection: Connection, source: Source, diff: SidecarDiff) -> list[DescribedDocument]:
    """The documents that what differs may say something of; of a manifest nobody knows before it is read."""
    abouts = {*(sidecar.about for sidecar in diff.changed), *diff.gone}
    everything = diff.patterns_changed or any(about.kind == "manifest" for about in abouts)
    documents = descriptions.documents(connection, source.id)
    return [document for document in documents if everything or _says(abouts, document.path)]


def _says(abouts: Collection[About], path: str) -> bool:
    return About("document", path) in abouts or any(About("folder", folder) in abouts for folder in folders_of(path))


# --- reading -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Changes:
    """What reading found: `signed` of sidecars whose documents have to follow, and who they are."""

    signed: dict[About, str] = field(default_factory=dict)
    abouts: set[About] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    everything: bool = False
    failed: int = 0

    def concerns(self, path: str) -> bool:
        return self.everything or path in self.rows or _says(self.abouts, path)


def read(
    connection: Connection, source: Source, diff: SidecarDiff, names: Names, declared: Mapping[str, FieldType]
) -> Changes:
    """Read what changed and store what it says; commits batch by batch.

    What it is about is not settled before `settle` is called: until then the next scan finds it again.
    """
    changes = Changes(everything=diff.patterns_changed)
    with connection.transaction():
        descriptions.empty(connection, source.id, diff.gone)
    changes.abouts.update(diff.gone)
    for about in (about for about in diff.gone if about.kind == "manifest"):
        with connection.transaction():
            gone = descriptions.manifest_rows(connection, source.id, about.path)
            descriptions.change_manifest_rows(connection, source.id, about.path, {}, list(gone))
        changes.rows.update(gone)
        changes.everything |= not gone  # taken out by a run that was ended before the documents followed
    manifests = [sidecar for sidecar in diff.changed if sidecar.about.kind == "manifest"]
    others = [sidecar for sidecar in diff.changed if sidecar.about.kind != "manifest"]
    with _fetching(source) as fetch:
        for batch in batched(others, SIDECARS_PER_BATCH):
            said = fetch(batch, partial(said_together, source.uri, declared))
            _store(connection, source, list(zip(batch, said, strict=True)), names.maskers, changes)
        for manifest in manifests:
            _read_manifest(connection, source, manifest, names, declared, changes)
    return changes


def settle(connection: Connection, source: Source, diff: SidecarDiff, changes: Changes) -> None:
    """Every document says what the ledger says of it."""
    with connection.transaction():
        descriptions.settle(connection, source.id, changes.signed)
        descriptions.remove(connection, source.id, diff.gone)


Outcome = dict[str, Written] | DocumentError


@contextmanager
def _fetching(source: Source) -> Iterator[Callable[[Sequence[Sidecar], Callable[[Sidecar], Outcome]], list[Outcome]]]:
    """A function that reads some sidecars: one after another on a local disk, many at once over a network."""
    if is_local(source.uri):
        yield lambda sidecars, say: [say(sidecar) for sidecar in sidecars]
        return
    with ThreadPoolExecutor(REMOTE_READERS) as pool:
        yield lambda sidecars, say: list(pool.map(say, sidecars))


def said_together(uri: str, declared: Mapping[str, FieldType], sidecar: Sidecar) -> Outcome:
    """What the files of a sidecar say together, or why they cannot be used."""
    said: dict[str, Written] = {}
    try:
        for entry in sidecar.files:
            own = read_sidecar(read_start(uri, entry.path, LARGEST_SIDECAR + 1), entry.path)
            odd = next((name for name in own.keys() & said.keys() if own[name] != said[name]), None)
            if odd is not None:
                raise BadSidecar(f"They disagree on {odd}; keep one of them.")
            said |= own
        problem = complaint(said, declared)
        if problem:
            raise BadSidecar(f"{problem}; correct it.")
    except DocumentError as error:
        return error
    return said


def _store(
    connection: Connection,
    source: Source,
    outcomes: Sequence[tuple[Sidecar, Outcome]],
    maskers: Maskers,
    changes: Changes,
) -> None:
    good = [(sidecar, said) for sidecar, said in outcomes if not isinstance(said, DocumentError)]
    masked = masked_given([(_masker(sidecar.about, maskers), said) for sidecar, said in good])
    readings = [
        Reading(sidecar.about, _stored_files(sidecar), None, said)
        for (sidecar, _), said in zip(good, masked, strict=True)
    ]
    bad = [(sidecar, error) for sidecar, error in outcomes if isinstance(error, DocumentError)]
    with connection.transaction():
        known = descriptions.known(connection, source.id, [sidecar.about for sidecar, _ in outcomes])
        said_before = [known[sidecar.about].given if sidecar.about in known else {} for sidecar, _ in bad]
        # What a bad one said before stays, as the policy of now wants it.
        wanted = [(_masker(sidecar.about, maskers), said) for (sidecar, _), said in zip(bad, said_before, strict=True)]
        before = masked_given(wanted)
        readings += [_failure(sidecar, error, said) for (sidecar, error), said in zip(bad, before, strict=True)]
        descriptions.note(connection, source.id, readings)
    changes.failed += len(bad)
    changes.signed |= {sidecar.about: sidecar.signature for sidecar, _ in good}
    changes.abouts |= {reading.about for reading in readings if _is_news(reading, known.get(reading.about))}


def _is_news(reading: Reading, known: Known | None) -> bool:
    """Whether the documents have to follow."""
    if known is None:
        return bool(reading.given)
    return known.given != reading.given or (reading.reason is None and not known.is_settled)


def _read_manifest(
    connection: Connection,
    source: Source,
    manifest: Sidecar,
    names: Names,
    declared: Mapping[str, FieldType],
    changes: Changes,
) -> None:
    about, (entry,) = manifest.about, manifest.files
    try:
        rows = read_manifest(read_start(source.uri, entry.path, LARGEST_MANIFEST + 1))
    except DocumentError as error:
        changes.failed += 1
        with connection.transaction():
            changes.rows |= _mask_rows(connection, source, about.path, names)
            descriptions.note(connection, source.id, [_failure(manifest, error, {})])
        return
    problems = {
        path: (row.number, problem) for path, row in rows.items() if (problem := complaint(row.given, declared))
    }
    stored = names.stored(rows)
    places = [(path, stored.get(path, path)) for path in rows]
    said = masked_given([(names.maskers.of(collection_of(place)), rows[path].given) for path, place in places])
    found = dict(zip((place for _, place in places), said, strict=True))
    bad = {stored.get(path, path) for path in problems}
    reason = None
    if problems:
        number, problem = min(problems.values())
        reason = f"{problem} in row {number}, nor in {len(problems) - 1} others; correct it."
    with connection.transaction():
        before = descriptions.known(connection, source.id, [about])
        changes.everything |= about in before and not before[about].is_settled
        changes.rows |= _mask_rows(connection, source, about.path, names)
        known = descriptions.manifest_rows(connection, source.id, about.path)
        changed = {place: given for place, given in found.items() if place not in bad and known.get(place) != given}
        gone = list(known.keys() - found.keys())
        descriptions.change_manifest_rows(connection, source.id, about.path, changed, gone)
        kind = BadSidecar.__name__ if reason else None
        descriptions.note(connection, source.id, [Reading(about, _stored_files(manifest), None, {}, kind, reason)])
    changes.failed += reason is not None
    changes.rows |= changed.keys() | set(gone)
    changes.signed[about] = manifest.signature


def _mask_rows(connection: Connection, source: Source, manifest: str, names: Names) -> set[str]:
    """Mask what a manifest said before as the policy of now wants it, where that is another one; whose rows changed."""
    if source.sidecars_policy in {None, names.policy}:
        return set()
    known = descriptions.manifest_rows(connection, source.id, manifest)
    stored = names.stored(known)
    masked = masked_given([(names.maskers.of(collection_of(path)), said) for path, said in known.items()])
    rows = {stored.get(path, path): said for path, said in zip(known, masked, strict=True)}
    changed = {path: said for path, said in rows.items() if known.get(path) != said}
    descriptions.change_manifest_rows(connection, source.id, manifest, changed, list(known.keys() - rows.keys()))
    return changed.keys() | known.keys() - rows.keys()


def _failure(sidecar: Sidecar, error: DocumentError, said: Given) -> Reading:
    signature = None if error.transient else sidecar.signature
    return Reading(sidecar.about, _stored_files(sidecar), signature, said, type(error).__name__, str(error))


def _stored_files(sidecar: Sidecar) -> tuple[str, ...]:
    """The names of its files as they may be stored."""
    kind, path = sidecar.about
    if kind == "manifest":
        return (path,)
    ends = [f"meta.{entry.path.rpartition('.')[2]}" for entry in sidecar.files]
    return tuple(f"{path}_{end}" if kind == "folder" else f"{path}.{end}" for end in ends)


def _masker(about: About, maskers: Maskers) -> Masker:
    """What describes a whole source is masked as the strictest policy wants it."""
    return maskers.of(collection_of(about.path)) if about.path else maskers.strictest


def masked_given(pairs: Sequence[tuple[Masker, Given]]) -> list[dict[str, Written]]:
    """What is said without personal data; each value is looked at behind its key. A key that is one is left out."""
    maskers = {id(masker): masker for masker, _ in pairs}
    masked: list[dict[str, Written]] = [{} for _ in pairs]
    for identity, masker in maskers.items():
        own = [number for number, (one, _) in enumerate(pairs) if id(one) == identity]
        texts = {text: "" for number in own for text in _texts(pairs[number][1])}
        texts = dict(zip(texts, masker.mask_apart(list(texts)), strict=True))
        for number in own:
            masked[number] = {
                name: [_found(texts, name, text) for text in written]
                if isinstance(written, list)
                else _found(texts, name, written)
                for name, written in pairs[number][1].items()
                if texts[name] == name
            }
    return masked


def _texts(said: Given) -> Iterator[str]:
    """All that is looked at for `_masked`."""
    for name, written in said.items():
        yield name
        for text in written if isinstance(written, list) else [written]:
            yield as_labelled(name, text)
            yield text


def _found(masked: Mapping[str, str], name: str, text: str) -> str:
    value = without_label(name, masked[as_labelled(name, text)])
    return masked[text] if value is None else value
