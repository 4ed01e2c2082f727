"""Which documents a question is about: a range of shards, and what the settings ask of them.

A *shard* is the set of documents whose `shard_hash` starts with given hex digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kb_pipeline.source.listing import ShardRange, shard_range


@dataclass(frozen=True, slots=True)
class StageFingerprints:
    """What the settings ask of a collection's documents: how they are parsed and how they are chunked."""

    parse: str
    chunk: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The shards from `first` to `last` (names of `digits` hex digits), and what is asked of their documents.

    `collection_fingerprints` holds the collections that differ from the default `fingerprints`.
    """

    digits: int
    first: str
    last: str
    fingerprints: StageFingerprints
    collection_fingerprints: Mapping[str, StageFingerprints]

    @property
    def range(self) -> ShardRange:
        """The first and the last `shard_hash` of its documents."""
        return shard_range(self.first, self.last)


def shard_parameters(scope: Scope) -> dict[str, Any]:
    first, last = scope.range
    return {"digits": scope.digits, "first": first, "last": last}
