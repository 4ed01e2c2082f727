"""What the carriers of a source hold, as if it lay below them; see `parsing.carriers`.

A carrier that did not change holds what the ledger says it holds, so only new and changed ones are opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kb_pipeline.errors import DocumentError, UnreadableFile
from kb_pipeline.fields.layers import places_of
from kb_pipeline.parsing.carriers import Carried, is_carrier
from kb_pipeline.source.listing import LONGEST_PATH, Entry, entry_of
from kb_pipeline.source.place import Place
from kb_pipeline.source.selection import Selection
from kb_pipeline.source.walk import is_ignored

_LEFT_BY_SYSTEMS = "__MACOSX"
_DUE = "\tdue"  # the signature of a document that could not be read and is to be read again


@dataclass(frozen=True, slots=True)
class Inside:
    """`kept`: signatures that the ledger holds; `found`: those of files in carriers that were opened, below their
    carriers' own paths."""

    kept: frozenset[str] = frozenset()
    found: frozenset[str] = field(default=frozenset(), repr=False)


def carriers_of(signatures: Iterable[str]) -> frozenset[str]:
    """The signatures of files that may carry others."""
    return frozenset(line for line in signatures if is_carrier(line.rsplit("\t", 3)[0]))


def look_inside(
    place: Place,
    carriers: frozenset[str],
    known: frozenset[str],
    *,
    resting: frozenset[str],
    real_paths: Mapping[str, str],
    selection: Selection,
) -> Inside:
    """What `carriers`, by their signatures, hold now.

    `resting`: those that need not be opened, or cannot be for now. `real_paths`: as in `raw_documents.Scan`.
    """
    if not carriers:
        return Inside()
    below = _below(known, {entry_of(line).path for line in carriers})
    kept: set[str] = set()
    found: set[str] = set()
    for line in carriers:
        path = entry_of(line).path
        before = below.get(path, [])
        if line in resting and not any(one.endswith(_DUE) for one in before):
            kept.update(before)
            continue
        real = real_paths.get(path, path)
        try:
            found.update(_signatures(real, place.contents(real), selection))
        except UnreadableFile:
            kept.update(before)
        except DocumentError:
            continue  # the carrier's own document says why
    return Inside(frozenset(kept), frozenset(found))


def _below(known: frozenset[str], carriers: set[str]) -> dict[str, list[str]]:
    """Carrier -> the signatures that the ledger holds of what lies in it."""
    found: dict[str, list[str]] = {}
    for line in known:
        path = line.rsplit("\t", 3)[0]
        for place in reversed(places_of(path)[1:]):
            if is_carrier(place) and place in carriers:
                found.setdefault(place, []).append(line)
                break
    return found


def _signatures(carrier: str, contents: Iterable[Carried], selection: Selection) -> Iterator[str]:
    for one in contents:
        path, parts = f"{carrier}/{one.path}", one.path.split("/")
        is_document = not (
            any(is_ignored(part) or part == _LEFT_BY_SYSTEMS for part in parts)
            or selection.describes(path, parts[-1])
            or selection.excludes(path)
            or selection.unreadable_kind(parts[-1])
            or len(path.encode()) > LONGEST_PATH
        )
        if is_document:
            yield Entry(path, one.size, None, one.identity).signature
