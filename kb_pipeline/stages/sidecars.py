"""Sidecars, manifests and patterns of a source: what differs from what was read.

The listing says of sidecars what it says of documents (size, time, etag), so those that did not change are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from kb_pipeline.fields.layers import folders_of
from kb_pipeline.fields.sidecars import (
    About,
    described_by,
)
from kb_pipeline.settings import Settings, fingerprint
from kb_pipeline.source.kinds import own_settings
from kb_pipeline.source.listing import Entry, entry_of
from kb_pipeline.source.names import Names
from kb_pipeline.store import descriptions
from kb_pipeline.store.database import Connection
from kb_pipeline.store.fields import DescribedDocument
from kb_pipeline.store.ledger import Source


@dataclass(frozen=True, slots=True)
class Sidecar:
    """`about` has a stored path, `files` their own; `signature`: what the listing says of all of them."""

    about: About
    files: tuple[Entry, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class SidecarDiff:
    """What a scan found of a source's sidecars that the ledger does not know.

    `gone`: described by nothing any more. `documents`: those that any of it may concern. `unread`: changed, too, but
    still being written, or beside the part that is looked at.
    """

    changed: tuple[Sidecar, ...] = ()
    unread: tuple[Sidecar, ...] = ()
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


def compare(
    connection: Connection,
    source: Source,
    lines: Collection[str],
    *,
    settings: Settings,
    names: Names,
    unlisted: Collection[str],
    keep: bool,
    at_rest: Callable[[list[Entry]], list[Entry]],
) -> SidecarDiff:
    """Compare the listed sidecars, a signature each, with those that were read.

    `keep`: so much of the source is missing that nothing is taken for gone. `at_rest`: of entries, those that nobody is
    writing.
    """
    own, state = own_settings(settings, source.uri), patterns_state(settings, source.uri)
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
        unread=tuple(one for one in changed if not resting.issuperset(one.files)),
        gone=gone,
        patterns_changed=source.patterns != state
        and not (source.patterns is None and not own.patterns and not settings.access_rules),
    )
    return found if found.is_clean else replace(found, documents=tuple(_concerned(connection, source, found)))


def patterns_state(settings: Settings, uri: str) -> str:
    """What kb.toml says of the documents of a source."""
    own = own_settings(settings, uri)
    return fingerprint(own.patterns, own.manifests, *settings.access_rules)


def within(diff: SidecarDiff, prefix: str) -> SidecarDiff:
    """The part that is about paths at or below `prefix` ('' is all)."""
    if not prefix or (diff.is_clean and not diff.unread):
        return diff

    def inside(path: str) -> bool:
        return path == prefix or path.startswith(prefix + "/")

    beside = [sidecar for sidecar in diff.changed if not inside(sidecar.about.path)]
    above = [sidecar for sidecar in beside if _may_be_about(sidecar.about, prefix)]
    return SidecarDiff(
        tuple(sidecar for sidecar in diff.changed if inside(sidecar.about.path)),
        (*diff.unread, *above),
        tuple(about for about in diff.gone if inside(about.path)),
        patterns_changed=False,
        documents=tuple(document for document in diff.documents if inside(document.path)),
    )


def _may_be_about(about: About, prefix: str) -> bool:
    """Whether something at or below `prefix` may be what is described."""
    return about.kind == "manifest" or (about.kind == "folder" and (prefix + "/").startswith(about.path))


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
    return [document for document in documents if everything or concerns(abouts, document.path)]


def concerns(abouts: Collection[About], path: str) -> bool:
    """Whether any of what is described is the document at `path`, or a folder or carrier that it lies in."""
    return About("document", path) in abouts or any(
        About("folder", folder) in abouts or About("document", folder.rstrip("/")) in abouts
        for folder in folders_of(path)
    )
