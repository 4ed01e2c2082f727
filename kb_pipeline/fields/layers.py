"""Which of the places that may say a field decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.fields.values import Given, Typed, typed


@dataclass(frozen=True, slots=True)
class Layer:
    """`origin`: the place, as a person is told of it."""

    origin: str
    given: Given


@dataclass(frozen=True, slots=True)
class Field:
    value: Typed
    origin: str


def decide(layers: Sequence[Layer], declared: Mapping[str, FieldType]) -> dict[str, Field]:
    """The declared fields that a document has: of the layers in their order the first that says it decides.

    A value that is not of its field's type counts as not given.
    """
    found: dict[str, Field] = {}
    for name, kind in declared.items():
        for layer in layers:
            written = layer.given.get(name)
            value = typed(written, kind) if written else None
            if value is not None:
                found[name] = Field(value, layer.origin)
                break
    return found


def places_of(path: str) -> list[str]:
    """A path, and those of the files that may carry what lies there."""
    return [path, *(folder.rstrip("/") for folder in folders_of(path) if folder)]


def folders_of(path: str) -> list[str]:
    """The folders that a path lies in, each with its slash, from the nearest up to the source itself ('')."""
    parts = path.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:length]) for length in range(len(parts), -1, -1)]
