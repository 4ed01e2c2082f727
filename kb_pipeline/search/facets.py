"""Facets: how many documents have each value of a field, and how many each collection has.

What is counted are documents with a passage that may be searched: those that a search with the same filter, by the same
principal, could find. A document that lists several values counts for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import SettingsError
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.masked_filters import mask_values
from kb_pipeline.search.parts import unserved
from kb_pipeline.search.request import both
from kb_pipeline.store import fields as store
from kb_pipeline.store import search
from kb_pipeline.store.conditions import Column, Membership, Node, compile_condition
from kb_pipeline.store.database import database_errors
from kb_pipeline.store.fields import MOST_VALUES, declared
from kb_pipeline.store.generations import active_generations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.store.database import Connection

COLLECTION = "collection"  # a facet that there is without a declaration


@dataclass(frozen=True, slots=True)
class Value:
    """`value`: as JSON has it, so a date is a text."""

    value: Any
    documents: int


@dataclass(frozen=True, slots=True)
class Facets:
    """`documents`: how many pass. `facets`: name -> its values, the most frequent first, at most `MOST_VALUES`."""

    documents: int
    facets: Mapping[str, tuple[Value, ...]]


def facets(
    connection: Connection,
    principal: Principal,
    fields: Sequence[str] = (),
    *,
    where: str | None = None,
    collections: Sequence[str] = (),
    mask: Callable[[str, Sequence[str]], Sequence[str]],
    most: int = MOST_VALUES,
) -> Facets:
    """The values of `fields` (none named: of all declared ones and of `collection`) with how many documents have each.

    `where`, `collections`, `mask`: as of a search. `connection` must be idle. Raises SettingsError for a field that is
    not declared or a wrong filter, DatabaseUnavailable.
    """
    with database_errors(), search.snapshot(connection):
        active = active_generations(connection)
        kinds = declared(connection)
        names = tuple(dict.fromkeys(fields)) or (*kinds, COLLECTION)
        unknown = [name for name in names if name != COLLECTION and name not in kinds]
        if unknown:
            known = ", ".join([*kinds, COLLECTION])
            raise SettingsError(f"There is no field {', '.join(unknown)} to count; there are: {known}.")
        read_by = principal.among(collections)
        node: Node | None = Membership(Column(COLLECTION), tuple(collections)) if collections else None
        if where and where.strip():
            node = both(node, mask_values(parse_filter(where, kinds), lambda value: mask(value, read_by)))
        node = both(node, principal.condition())
        if not active:
            return Facets(0, dict.fromkeys(names, ()))
        own = tuple(one.collection for one in active if one.collection is not None)
        wanted = [both(node, unserved(connection, one, own)) for one in active]
        shelves = [(one, compile_condition(some, f"{one.name}_")) for one, some in zip(active, wanted, strict=True)]
        documents, rows = store.facets(connection, shelves, names, most)
    values: dict[str, list[Value]] = {name: [] for name in names}
    for name, value, count in rows:
        values[name].append(Value(value, count))
    return Facets(documents, {name: tuple(found) for name, found in values.items()})
