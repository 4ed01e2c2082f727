"""Policies: what is done with each kind of personal data, and which of two policies is the stricter one.

Plain data, no recognizer is imported. A policy is *at least as strict* as another when every text masked by
the other can be brought to what this one asks for: nothing that this one hides is shown by the other in a form
that cannot be found again. Then stored elements can be masked further; otherwise the file is read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from kb_pipeline.errors import SettingsError
from kb_pipeline.privacy.entities import ACTIONS, ENTITIES, PRESETS, Action, unknown_entities
from kb_pipeline.privacy.pseudonyms import term_hash

DETECTION_VERSION = 7  # Raise when the same policy and key mask the same text differently.


@dataclass(frozen=True, slots=True)
class SiteTerms:
    """A site's own lists: `allow` is never masked, `deny` always, each as plain terms and as patterns."""

    allow: tuple[str, ...] = ()
    allow_patterns: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    deny_patterns: tuple[str, ...] = ()

    @property
    def allow_pattern(self) -> re.Pattern[str] | None:
        return _either(self.allow, self.allow_patterns)

    @property
    def deny_pattern(self) -> re.Pattern[str] | None:
        return _either(self.deny, self.deny_patterns)


@lru_cache(maxsize=16)
def _either(terms: tuple[str, ...], patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    parts = [re.escape(term) for term in sorted(terms, key=len, reverse=True)] + [f"(?:{p})" for p in patterns]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


@dataclass(frozen=True, slots=True)
class MaskingPolicy:
    """An action for every entity; what is not named is a pseudonym. Raises SettingsError for an unknown name."""

    actions: Mapping[str, Action] = field(default_factory=lambda: PRESETS["default"])
    terms: SiteTerms = SiteTerms()
    ner_model: str | None = None
    version: int = DETECTION_VERSION

    def __post_init__(self) -> None:
        complaint = unknown_entities(self.actions)
        if complaint:
            raise SettingsError(f"{complaint[0].upper()}{complaint[1:]}.")
        wrong = sorted(action for action in self.actions.values() if action not in ACTIONS)
        if wrong:
            raise SettingsError(f"Masking cannot {wrong[0]}; use one of {', '.join(ACTIONS)}.")
        object.__setattr__(self, "actions", {name: self.actions.get(name, "pseudonym") for name in ENTITIES})

    @property
    def masked(self) -> tuple[str, ...]:
        """The entities that do not stay as they are."""
        return tuple(name for name, action in self.actions.items() if action != "keep")

    def as_json(self, key: bytes) -> dict[str, Any]:
        """What decides how a text is masked, besides the key; of the site's own terms keyed hashes, since they are
        what it hides."""
        return {
            "version": self.version,
            "actions": dict(sorted(self.actions.items())),
            "allow": sorted(term_hash(term, key) for term in self.terms.allow),
            "allow_patterns": sorted(term_hash(term, key) for term in self.terms.allow_patterns),
            "deny": sorted(term_hash(term, key) for term in self.terms.deny),
            "deny_patterns": sorted(term_hash(term, key) for term in self.terms.deny_patterns),
            "ner_model": self.ner_model,
        }


def strictest(policies: Sequence[MaskingPolicy]) -> MaskingPolicy:
    """A policy that hides whatever one of `policies` hides; where they differ, as the stricter one does.

    They are of one site: their terms and their model are the same.
    """
    order: tuple[Action, ...] = ("remove", "pseudonym", "mask", "keep")
    actions = {name: min((policy.actions[name] for policy in policies), key=order.index) for name in ENTITIES}
    return replace(policies[0], actions=actions)


def can_follow(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether text masked by `stored` (both as `as_json` gives them) can be masked further to what `wanted` asks.

    From keep to anything, and from pseudonym to remove. An allowed term may be taken away, a denied one added; the
    recognizers and the NER model must be the same.
    """
    if stored["version"] != wanted["version"] or stored["ner_model"] not in (None, wanted["ner_model"]):
        return False
    for entity, action in wanted["actions"].items():
        before = stored["actions"].get(entity, "keep")
        if before not in (action, "keep") and (before, action) != ("pseudonym", "remove"):
            return False
    fewer_allowed = all(set(wanted[name]) <= set(stored[name]) for name in ("allow", "allow_patterns"))
    more_denied = all(set(stored[name]) <= set(wanted[name]) for name in ("deny", "deny_patterns"))
    return fewer_allowed and more_denied
