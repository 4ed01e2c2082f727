"""Reading the sidecars and manifests of a source that changed, masking what they say, and storing it.

What is read is masked as the documents are that it describes, and only then stored. One that cannot be used is noted
with its reason; what it said before stays. Only where it may say who reads its documents, nobody does until it can be
used; so it is with one that nobody has read yet. The names of groups are never masked: they have to be those of
principals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from kb_pipeline.errors import BadSidecar, DocumentError
from kb_pipeline.fields import groups
from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.fields.groups import KEY, closed, may_name_groups
from kb_pipeline.fields.layers import places_of
from kb_pipeline.fields.sidecars import LARGEST_MANIFEST, LARGEST_SIDECAR, About, read_manifest, read_sidecar
from kb_pipeline.fields.values import Given, Written, as_labelled, complaint, without_label
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.source.listing import collection_of
from kb_pipeline.source.names import Names
from kb_pipeline.source.place import Place
from kb_pipeline.stages.report import batched
from kb_pipeline.stages.sidecars import Sidecar, SidecarDiff, concerns
from kb_pipeline.store import descriptions
from kb_pipeline.store.database import Connection
from kb_pipeline.store.descriptions import Known, Reading
from kb_pipeline.store.ledger import Source

SIDECARS_PER_BATCH = 200


@dataclass(slots=True)
class Changes:
    """What reading found: `signed` of sidecars whose documents have to follow, and who they are."""

    signed: dict[About, str] = field(default_factory=dict)
    abouts: set[About] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    everything: bool = False
    failed: int = 0

    def concerns(self, path: str) -> bool:
        return self.everything or any(place in self.rows for place in places_of(path)) or concerns(self.abouts, path)


def read(
    connection: Connection, source: Source, diff: SidecarDiff, names: Names, declared: Mapping[str, FieldType]
) -> Changes:
    """Read what changed and store what it says; commits batch by batch.

    What it is about is not settled before `settle` is called: until then the next scan finds it again.
    """
    changes = Changes(everything=diff.patterns_changed)
    with connection.transaction():
        lost = descriptions.known(connection, source.id, [about for about in diff.gone if about.kind == "manifest"])
        changes.everything |= any(KEY in said.given for said in lost.values())
        descriptions.empty(connection, source.id, diff.gone)
        known = descriptions.known(connection, source.id, [sidecar.about for sidecar in diff.unread])
        unread = [
            Reading(one.about, _stored_files(one), None, closed(known[one.about].given if one.about in known else {}))
            for one in diff.unread
        ]
        descriptions.note(connection, source.id, unread)
    changes.abouts.update(diff.gone)
    for about in (about for about in diff.gone if about.kind == "manifest"):
        with connection.transaction():
            gone = descriptions.manifest_rows(connection, source.id, about.path)
            descriptions.change_manifest_rows(connection, source.id, about.path, {}, list(gone))
        changes.rows.update(gone)
        changes.everything |= not gone  # taken out by a run that was ended before the documents followed
    manifests = [sidecar for sidecar in diff.changed if sidecar.about.kind == "manifest"]
    others = [sidecar for sidecar in diff.changed if sidecar.about.kind != "manifest"]
    place = names.sources.of(source.uri)
    with _fetching(place) as fetch:
        for batch in batched(others, SIDECARS_PER_BATCH):
            said = fetch(batch, partial(said_together, place.read_start, declared))
            _store(connection, source, list(zip(batch, said, strict=True)), names.maskers, changes)
        for manifest in manifests:
            _read_manifest(connection, source, manifest, names, declared, changes)
    return changes


def settle(connection: Connection, source: Source, diff: SidecarDiff, changes: Changes) -> None:
    """Every document says what the ledger says of it."""
    with connection.transaction():
        descriptions.settle(connection, source.id, changes.signed)
        descriptions.remove(connection, source.id, diff.gone)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why files cannot be used, and whether they may have been meant to say who reads."""

    error: DocumentError
    closes: bool


Outcome = dict[str, Written] | Refusal


@contextmanager
def _fetching(place: Place) -> Iterator[Callable[[Sequence[Sidecar], Callable[[Sidecar], Outcome]], list[Outcome]]]:
    """A function that reads some sidecars: one after another on a local disk, many at once over a network."""

    def expected(sidecars: Sequence[Sidecar]) -> Sequence[Sidecar]:
        place.expect([entry.path for sidecar in sidecars for entry in sidecar.files])
        return sidecars

    if place.readers == 1:
        yield lambda sidecars, say: [say(sidecar) for sidecar in expected(sidecars)]
        return
    with ThreadPoolExecutor(place.readers) as pool:
        yield lambda sidecars, say: list(pool.map(say, expected(sidecars)))


def said_together(
    read_start: Callable[[str, int], bytes], declared: Mapping[str, FieldType], sidecar: Sidecar
) -> Outcome:
    """What the files of a sidecar say together, or why they cannot be used. `read_start`: of `source.place`."""
    said: dict[str, Written] = {}
    read: list[bytes] = []
    try:
        read += [read_start(entry.path, LARGEST_SIDECAR + 1) for entry in sidecar.files]
        for entry, data in zip(sidecar.files, read, strict=True):
            own = read_sidecar(data, entry.path)
            odd = next((name for name in own.keys() & said.keys() if own[name] != said[name]), None)
            if odd is not None:
                raise BadSidecar(f"They disagree on {odd}; keep one of them.")
            said |= own
        problem = groups.complaint(said) or complaint(said, declared)
        if problem:
            raise BadSidecar(f"{problem}; correct it.")
    except DocumentError as error:
        return Refusal(error, closes=not read or any(_may_close(data, LARGEST_SIDECAR) for data in read))
    return said


def _may_close(data: bytes, largest: int) -> bool:
    """Whether a file of which this is the beginning may say who reads."""
    return len(data) > largest or may_name_groups(data)


def _store(
    connection: Connection,
    source: Source,
    outcomes: Sequence[tuple[Sidecar, Outcome]],
    maskers: Maskers,
    changes: Changes,
) -> None:
    good = [(sidecar, said) for sidecar, said in outcomes if not isinstance(said, Refusal)]
    masked = masked_given([(_masker(sidecar.about, maskers), said) for sidecar, said in good])
    readings = [
        Reading(sidecar.about, _stored_files(sidecar), None, said)
        for (sidecar, _), said in zip(good, masked, strict=True)
    ]
    bad = [(sidecar, refusal) for sidecar, refusal in outcomes if isinstance(refusal, Refusal)]
    with connection.transaction():
        known = descriptions.known(connection, source.id, [sidecar.about for sidecar, _ in outcomes])
        said_before = [known[sidecar.about].given if sidecar.about in known else {} for sidecar, _ in bad]
        # What a bad one said before stays, as the policy of now wants it.
        wanted = [(_masker(sidecar.about, maskers), said) for (sidecar, _), said in zip(bad, said_before, strict=True)]
        before = masked_given(wanted)
        readings += [
            _failure(sidecar, refusal.error, closed(said) if refusal.closes else said)
            for (sidecar, refusal), said in zip(bad, before, strict=True)
        ]
        descriptions.note(connection, source.id, readings)
    changes.failed += len(bad)
    changes.signed |= {sidecar.about: sidecar.signature for sidecar, _ in good}
    changes.signed |= {sidecar.about: sidecar.signature for sidecar, refusal in bad if not refusal.error.transient}
    changes.abouts |= {reading.about for reading in readings if _is_news(reading, known.get(reading.about))}


def _is_news(reading: Reading, known: Known | None) -> bool:
    """Whether the documents have to follow."""
    if known is None:
        return bool(reading.given)
    return known.given != reading.given or not known.is_settled


def _read_manifest(
    connection: Connection,
    source: Source,
    manifest: Sidecar,
    names: Names,
    declared: Mapping[str, FieldType],
    changes: Changes,
) -> None:
    about, (entry,) = manifest.about, manifest.files
    data: bytes | None = None
    try:
        data = names.sources.of(source.uri).read_start(entry.path, LARGEST_MANIFEST + 1)
        rows = read_manifest(data)
    except DocumentError as error:
        changes.failed += 1
        said = closed({}) if data is None or _may_close(data, LARGEST_MANIFEST) else {}
        changes.everything |= bool(said)
        with connection.transaction():
            changes.rows |= _mask_rows(connection, source, about.path, names)
            descriptions.note(connection, source.id, [_failure(manifest, error, said)])
        if not error.transient:
            changes.signed[about] = manifest.signature
        return
    problems = {
        path: (row.number, problem)
        for path, row in rows.items()
        if (problem := groups.complaint(row.given) or complaint(row.given, declared))
    }
    stored = names.stored(rows)
    places = [(path, stored.get(path, path)) for path in rows]
    masked = masked_given([(names.maskers.of(collection_of(place)), rows[path].given) for path, place in places])
    found = dict(zip((place for _, place in places), masked, strict=True))
    bad = {stored.get(path, path) for path in problems}
    reason = None
    if problems:
        number, problem = min(problems.values())
        reason = f"{problem} in row {number}, nor in {len(problems) - 1} others; correct it."
    with connection.transaction():
        before = descriptions.known(connection, source.id, [about])
        changes.everything |= about in before and (not before[about].is_settled or KEY in before[about].given)
        changes.rows |= _mask_rows(connection, source, about.path, names)
        known = descriptions.manifest_rows(connection, source.id, about.path)
        for place in bad:  # as it was, but for who reads
            before_it = known.get(place, {})
            found[place] = closed(before_it) if KEY in found[place] else dict(before_it)
        changed = {place: given for place, given in found.items() if known.get(place, {}) != given}
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
    return Reading(sidecar.about, _stored_files(sidecar), None, said, type(error).__name__, str(error))


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
                name: _masked(texts, name, written)
                for name, written in pairs[number][1].items()
                if name == KEY or texts[name] == name
            }
    return masked


def _texts(said: Given) -> Iterator[str]:
    """All that is looked at for `_masked`."""
    for name, written in said.items():
        if name == KEY:
            continue
        yield name
        for text in written if isinstance(written, list) else [written]:
            yield as_labelled(name, text)
            yield text


def _masked(texts: Mapping[str, str], name: str, written: Written) -> Written:
    if name == KEY:
        return written
    if isinstance(written, list):
        return [_found(texts, name, text) for text in written]
    return _found(texts, name, written)


def _found(masked: Mapping[str, str], name: str, text: str) -> str:
    value = without_label(name, masked[as_labelled(name, text)])
    return masked[text] if value is None else value
