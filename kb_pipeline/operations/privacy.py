"""What masking found, and what it would do to a text. Nothing here shows a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kb_pipeline.privacy.pseudonyms import key_id
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site, site_maskers
from kb_pipeline.store import database, generations, ledger

MOST_DOCUMENTS = 50  # in a report, those with the most findings


@dataclass(frozen=True, slots=True)
class PrivacyReport:
    """Counts only. `actions`: collection ('' for those without a policy of their own) -> entity -> action;
    `unfinished`: documents that still wait to be masked as the settings ask; `older_generations`: serving tables
    that are kept for a rollback and hold text as it was masked when they were filled."""

    entities: Mapping[str, int]
    collections: Mapping[str, Mapping[str, int]]
    documents: tuple[Mapping[str, Any], ...]
    actions: Mapping[str, Mapping[str, str]]
    unfinished: int
    older_generations: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "entities": dict(self.entities),
            "collections": {name: dict(counts) for name, counts in self.collections.items()},
            "documents": [dict(row) for row in self.documents],
            "actions": {name: dict(actions) for name, actions in self.actions.items()},
            "unfinished": self.unfinished,
            "older_generations": list(self.older_generations),
        }


def report(site: Site) -> PrivacyReport:
    """How many values of each kind were masked, by entity, collection and document."""
    connection = site.connect()
    entities: Counter[str] = Counter()
    collections: dict[str, Counter[str]] = {}
    documents = []
    for row in ledger.privacy_counts(connection, site.scope()):
        counts = Counter(row["counts"])
        entities.update(counts)
        collections.setdefault(row["collection"], Counter()).update(counts)
        if counts:
            documents.append({"source_file": row["path"], "masked": sum(counts.values()), "counts": dict(counts)})
    documents.sort(key=lambda row: (-int(str(row["masked"])), str(row["source_file"])))
    maskers = {"": site.maskers.default, **site.maskers.collections}
    return PrivacyReport(
        entities=dict(entities.most_common()),
        collections=collections,
        documents=tuple(documents[:MOST_DOCUMENTS]),
        actions={name: dict(masker.policy.actions) for name, masker in maskers.items()},
        unfinished=len(ledger.pending_elements(connection, site.scope())),
        older_generations=tuple(g.name for g in generations.generations(connection) if g.state == "retired"),
    )


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """`key_id`: of this home's key; `replaced`: the key that the database had; `documents`: to be read again."""

    key_id: str
    replaced: str | None
    documents: int


def rekey(site: Site) -> Rekeyed:
    """Go on with the key of this home, made when it was lost: from the next ingest on every document is masked with it.

    Until a document was read again its old pseudonyms stand, and no query finds them. Raises SettingsError.
    """
    connection = site.connect()
    own = key_id(site_maskers(site.settings).default.key)
    replaced = database.recorded_key(connection)
    database.replace_key(connection, own)
    return Rekeyed(own, replaced, ledger.count_documents(connection) if own != replaced else 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A text as it would be stored, and what was found where in the text that was given."""

    text: str
    found: tuple[Mapping[str, Any], ...]


def try_text(settings: Settings, text: str, collection: str | None) -> Trial:
    """Mask `text` as a document of `collection` would be; None for one without a policy of its own."""
    maskers = site_maskers(settings)
    masker = maskers.of(collection) if collection else maskers.default
    found = [
        {"entity": f.entity, "start": f.start, "end": f.end, "action": masker.policy.actions[f.entity]}
        for f in masker.findings(text)
    ]
    return Trial(masker.mask(text).text, tuple(found))
