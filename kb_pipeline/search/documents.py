"""Documents as a principal may read them: which there are, their passages in order, their text page by page.

What a principal cannot find it cannot read either, and cannot tell from what does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING

import psycopg

from kb_pipeline.search.parts import unserved
from kb_pipeline.search.request import both
from kb_pipeline.search.retrieve import again_where_dropped
from kb_pipeline.store import reading
from kb_pipeline.store.conditions import Column, Condition, Membership, Node, compile_condition
from kb_pipeline.store.database import database_errors
from kb_pipeline.store.generations import active_generations
from kb_pipeline.store.reading import CollectionCount, Document, DocumentEntry, Passage, PlacedPassage
from kb_pipeline.store.search import snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.search.retrieve import Connect
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

MOST_AT_ONCE = 500  # of any list


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page as it is stored: cleaned and masked. `page_number`: None where pages mean nothing."""

    page_number: int | None
    text: str

    def is_between(self, first: int | None, last: int | None) -> bool:
        """What has no number is left out by none."""
        number = self.page_number
        return number is None or ((first is None or number >= first) and (last is None or number <= last))


@again_where_dropped
def collections(connect: Connect, principal: Principal) -> list[CollectionCount]:
    """Those in which it may search something, in the order of their names."""
    found: dict[str, CollectionCount] = {}
    with _shelves(connect, principal.condition()) as (connection, shelves):
        for shelf in shelves:
            for count in reading.collections(connection, *shelf):
                found[count.name] = found[count.name].and_more(count) if count.name in found else count
    return [found[name] for name in sorted(found)]


@again_where_dropped
def documents(
    connect: Connect,
    principal: Principal,
    *,
    collections: Sequence[str] = (),
    names: Sequence[str] = (),
    after: int = 0,
    most: int = MOST_AT_ONCE,
) -> list[DocumentEntry]:
    """In order of their ids, those behind `after`. `collections`, `names` (of source files): empty for all."""
    wanted = principal.condition()
    if collections:
        wanted = both(wanted, Membership(Column("collection"), tuple(collections)))
    if names:
        wanted = both(wanted, Membership(Column("source_file"), tuple(names)))
    with _shelves(connect, wanted) as (connection, shelves):
        found = [reading.documents(connection, *shelf, after=after, most=most) for shelf in shelves]
    return list(islice(merge(*found, key=attrgetter("id")), most))


@again_where_dropped
def document(connect: Connect, principal: Principal, document: int) -> Document | None:
    with _shelves(connect, principal.condition()) as (connection, shelves):
        return next(filter(None, (reading.document(connection, *shelf, document) for shelf in shelves)), None)


@again_where_dropped
def passages(
    connect: Connect, principal: Principal, document: int, *, after: int = -1, most: int = MOST_AT_ONCE
) -> list[Passage]:
    """In their order, those behind the ordinal `after`."""
    with _shelves(connect, principal.condition()) as (connection, shelves):
        for shelf in shelves:
            if found := reading.passages(connection, *shelf, document, after=after, most=most):
                return found
    return []


@again_where_dropped
def ordinal(connect: Connect, principal: Principal, document: int, chunk_key: str) -> int | None:
    """The place of a passage in its document."""
    with _shelves(connect, principal.condition()) as (connection, shelves):
        found = (reading.ordinal(connection, *shelf, document, chunk_key) for shelf in shelves)
        return next((place for place in found if place is not None), None)


@again_where_dropped
def passages_at(
    connect: Connect, principal: Principal, places: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], PlacedPassage]:
    """Those of `places`, each a document and the key of a chunk, that are there to be read."""
    wanted = list(dict.fromkeys(places))
    with _shelves(connect, principal.condition()) as (connection, shelves):
        found = [passage for shelf in shelves for passage in reading.passages_at(connection, *shelf, wanted)]
    return {(passage.document_id, passage.chunk_key): passage for passage in found}


@again_where_dropped
def pages(connect: Connect, principal: Principal, document: int) -> list[Page]:
    """Every page that says something."""
    with _shelves(connect, principal.condition()) as (connection, shelves):
        stored = next(filter(None, (reading.elements(connection, *shelf, document) for shelf in shelves)), None)
    by_page = groupby(stored.elements if stored else (), key=attrgetter("page_number"))
    return [Page(number, "\n\n".join(element.text for element in elements)) for number, elements in by_page]


@contextmanager
def _shelves(connect: Connect, wanted: Node | None) -> Iterator[tuple[Connection, list[tuple[Generation, Condition]]]]:
    """The generations that are searched, each with what is `wanted` of it, seen in one state."""
    with database_errors(), connect() as connection, snapshot(connection, depth=1):
        shelves: list[tuple[Generation, Condition]] = []
        with suppress(psycopg.errors.UndefinedTable), connection.transaction():  # a database without tables yet
            active = active_generations(connection)
            own = tuple(one.collection for one in active if one.collection is not None)
            shelves += [(one, compile_condition(both(wanted, unserved(connection, one, own)))) for one in active]
        yield connection, shelves
