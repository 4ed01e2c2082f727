"""Which groups may read a document.

Where a place says `groups`, it says all of it: of the places that do, the nearest to the document decides alone, and
groups do not add up. The document's own bytes are no such place, as whoever wrote them need not be who may open them.
What is said and cannot be read opens nothing: then nobody may.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kb_pipeline.fields.layers import Layer
from kb_pipeline.fields.values import Given, Written, typed

KEY = "groups"
EVERYONE = "everyone"  # in the place of a group: who may search the collection may read
COMPLAINT = f"{KEY} names no group; write some, such as [hr, legal], or {EVERYONE}"
_ESCAPE = "\\"  # by which JSON and YAML can spell a word otherwise


@dataclass(frozen=True, slots=True)
class Readers:
    """`groups`: none of them is nobody. `origin`: the place that says so, as a person is told of it."""

    groups: tuple[str, ...]
    origin: str


OPEN = Readers((EVERYONE,), "nothing")


def readers(layers: Iterable[Layer]) -> Readers:
    """Who may read what `layers`, in their order, are about."""
    for layer in layers:
        if KEY in layer.given:
            return Readers(named(layer.given[KEY]) or (), layer.origin)
    return OPEN


def named(written: Written) -> tuple[str, ...] | None:
    """The groups; None where it names none."""
    names = typed(written, "list of text") if written else None
    return tuple(names) if isinstance(names, list) else None


def closed(said: Given) -> dict[str, Written]:
    """The same, but that nobody may read what it is about."""
    return {**said, KEY: []}


def complaint(said: Given) -> str | None:
    """What is wrong with what is said of groups."""
    return COMPLAINT if KEY in said and named(said[KEY]) is None else None


def may_name_groups(data: bytes) -> bool:
    """Whether a file of these bytes, which cannot be used, may have been meant to say who reads."""
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace").replace("\0", "")
    return KEY in text.lower() or _ESCAPE in text
