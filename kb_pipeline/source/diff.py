"""What a listing means for the ledger: a pure function, no files and no database.

Terms
    listed    files that the source holds now
    known     documents that the ledger holds for that source
    new       listed, not known
    changed   listed and known, with another size, time or etag
    moved     a known document whose path vanished while its bytes appear under a new path
    deleted   known, not listed, and not below a folder that could not be listed
    writing   listed, but still being written; looked at again by the next scan
    held      deletions that are not applied because too much vanished at once
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from kb_pipeline.source.listing import Entry


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document of the ledger, as far as the diff needs it."""

    id: int
    path: str
    size: int
    content_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Move:
    document: KnownDocument
    entry: Entry


@dataclass(frozen=True, slots=True)
class Change:
    document: KnownDocument
    entry: Entry


@dataclass(frozen=True, slots=True)
class SourceDiff:
    """The difference between a source and the ledger."""

    scanned: int
    unchanged: int
    new: tuple[Entry, ...] = ()
    changed: tuple[Change, ...] = ()
    moved: tuple[Move, ...] = ()
    deleted: tuple[KnownDocument, ...] = ()
    held: tuple[KnownDocument, ...] = ()
    writing: tuple[Entry, ...] = ()
    unlisted: tuple[KnownDocument, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not (self.new or self.changed or self.moved or self.deleted)


@dataclass(frozen=True, slots=True)
class DeletionGuard:
    """Deletions are held when they exceed `count` documents and `share` of the known ones."""

    count: int
    share: float
    allow: bool = False

    def holds(self, deleted: int, known: int) -> bool:
        return not self.allow and deleted > self.count and deleted > self.share * known


def diff(
    *,
    scanned: int,
    differing: Collection[Entry],
    writing: Collection[Entry],
    missing: Mapping[str, KnownDocument],
    known_count: int,
    unlisted: Collection[str],
    content_hash: Callable[[Entry], bytes | None],
    guard: DeletionGuard,
) -> SourceDiff:
    """Sort what differs between listing and ledger.

    `differing`: listed entries whose signature the ledger does not hold; `missing`: by path, the known
    documents whose signature the listing does not hold; whatever is in neither is unchanged.
    `content_hash` is asked only for new entries that have the size of a vanished document; None
    means unreadable, which is then no move.
    """
    waiting = {entry.path for entry in writing}
    entries = [entry for entry in differing if entry.path not in waiting]
    changed = tuple(Change(missing[entry.path], entry) for entry in entries if entry.path in missing)
    fresh = [entry for entry in entries if entry.path not in missing]
    listed_again = {change.entry.path for change in changed} | waiting

    gone: list[KnownDocument] = []
    kept: list[KnownDocument] = []
    for path, document in missing.items():
        if path in listed_again:
            continue
        (kept if _is_below(path, unlisted) else gone).append(document)

    moved = _moves(fresh, gone, content_hash)
    moved_documents = {move.document.id for move in moved}
    moved_paths = {move.entry.path for move in moved}
    deleted = tuple(document for document in gone if document.id not in moved_documents)
    held: tuple[KnownDocument, ...] = ()
    if guard.holds(len(deleted), known_count):
        held, deleted = deleted, ()
    return SourceDiff(
        scanned=scanned,
        unchanged=scanned - len(differing),
        new=tuple(entry for entry in fresh if entry.path not in moved_paths),
        changed=changed,
        moved=moved,
        deleted=deleted,
        held=held,
        writing=tuple(writing),
        unlisted=tuple(kept),
    )


def _is_below(path: str, unlisted: Collection[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in unlisted)


def _moves(
    fresh: Collection[Entry], gone: Collection[KnownDocument], content_hash: Callable[[Entry], bytes | None]
) -> tuple[Move, ...]:
    """Pair new entries with vanished documents of the same bytes: those of the same file name first."""
    by_content: dict[bytes, list[KnownDocument]] = defaultdict(list)
    for document in sorted(gone, key=lambda document: document.path):
        if document.content_hash is not None:
            by_content[document.content_hash].append(document)
    sizes = {document.size for documents in by_content.values() for document in documents}
    candidates = [
        (entry, digest)
        for entry in sorted(fresh, key=lambda entry: entry.path)
        if entry.size in sizes and (digest := content_hash(entry)) in by_content
    ]
    moves = []
    unpaired = []
    for entry, digest in candidates:
        same_name = next((known for known in by_content[digest] if _name(known.path) == _name(entry.path)), None)
        if same_name is None:
            unpaired.append((entry, digest))
        else:
            by_content[digest].remove(same_name)
            moves.append(Move(same_name, entry))
    for entry, digest in unpaired:
        if by_content[digest]:
            moves.append(Move(by_content[digest].pop(0), entry))
    return tuple(moves)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
