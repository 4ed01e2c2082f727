"""The maskers of a site: one policy for all of it, and those of collections that have their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import strictest


@dataclass(frozen=True)
class Maskers:
    """The maskers of a site: one for each collection that has a policy of its own, and one for the others."""

    default: Masker
    collections: Mapping[str, Masker] = field(default_factory=dict)

    def of(self, collection: str) -> Masker:
        return self.collections.get(collection, self.default)

    @property
    def distinct(self) -> tuple[Masker, ...]:
        """Each masker once."""
        return _distinct((self.default, *self.collections.values()))

    @cached_property
    def strictest(self) -> Masker:
        """Hides whatever any policy hides: for what belongs to no collection, such as logs."""
        return self.among(())[0]

    def among(self, collections: Iterable[str]) -> tuple[Masker, ...]:
        """The distinct maskers of `collections`, none named meaning all; first one that hides what any of them does."""
        maskers = _distinct([self.of(name) for name in collections]) or self.distinct
        if len(maskers) == 1:
            return maskers
        whole = replace(self.default, policy=strictest([masker.policy for masker in maskers]))
        return _distinct((whole, *maskers))

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any of the policies, and with the key."""
        parts = {name: masker.fingerprint_parts for name, masker in (("", self.default), *self.collections.items())}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _distinct(maskers: Iterable[Masker]) -> tuple[Masker, ...]:
    by_policy = {json.dumps(masker.policy_json, sort_keys=True): masker for masker in maskers}
    return tuple(by_policy.values())
