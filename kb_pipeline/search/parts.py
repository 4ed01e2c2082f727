"""A search over several generations, and how their rankings become one.

Terms
  part       what one generation contributes: its plan, and what its rankings find.
  key        a row's id with the place of its part above it, so that rows of several tables are told apart. In a search
             over one generation it is the id.
  backdrop   mean and standard deviation of the similarities of a question to passages that chance chose.

Every document is in one generation, so the rankings of the parts are of different passages, and to take turns between
them (by rank, or by scores stretched from 0 to 1) would give the best passage of a generation that knows nothing the
same place as that of one that holds the answer. So scores are compared:

  words      by BM25 with the statistics of all parts together, as if they were one table.
  meaning    by similarity where all parts have one model and one query vector: a cut vector's similarities are like
             those of the whole. Otherwise by how many deviations a similarity is above the backdrop of its generation.

XQuAD with half the articles in a second generation, nDCG@10 (all in one: zh .965, en .971): of the same model at half
the dimensions .958 and .961 by similarity, .781 and .782 in turns; of another model (.864 and .799 alone) .861 and
.845 above the backdrop, .629 and .613 by similarity, .751 and .729 in turns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kb_pipeline.search.legs import NO_WORDS, Plan, Words, by_meaning, by_words, is_aimed
from kb_pipeline.search.request import both
from kb_pipeline.store import search as store
from kb_pipeline.store import words as word_store
from kb_pipeline.store.conditions import Column, Membership, Node, Not
from kb_pipeline.store.generations import active_generations, holds_unserved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.search.request import SearchRequest
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.search import Ranked, Row

ROW_BITS = 48  # of a key


def chosen(active: Sequence[Generation], request: SearchRequest, principal: Principal) -> list[Generation]:
    """Those of the `active` generations, the shared one first, that hold what is asked for and may be searched."""
    wanted = [set(names) for names in (request.collections, principal.collections) if names]
    if principal.collections == ():
        return list(active[:1])
    own = {generation.collection for generation in active if generation.collection is not None}
    needed = [
        generation
        for generation in active
        if all(names - own if generation.collection is None else generation.collection in names for names in wanted)
    ]
    return needed or list(active[:1])  # which finds nothing, and can say why


class Switched(Exception):
    """Another generation became active for a collection after the search chose where to look."""


def limited(connection: Connection, plans: Sequence[Plan], active: Sequence[Generation]) -> list[Plan]:
    """`plans` without passages that another generation serves, asked in the snapshot that is searched.

    `active`: the generations that they were made for. Raises Switched where they are others now.
    """
    own = {generation.collection: generation.id for generation in active if generation.collection is not None}
    now = active_generations(connection)
    if own != {generation.collection: generation.id for generation in now if generation.collection is not None}:
        raise Switched
    served = [unserved(connection, plan.generation, tuple(own)) for plan in plans]
    return [replace(plan, condition=both(plan.condition, node)) for plan, node in zip(plans, served, strict=True)]


def unserved(connection: Connection, generation: Generation, own: tuple[str, ...]) -> Node | None:
    """What leaves out passages of a table that another generation serves; `own`: the collections with one of theirs."""
    if not own or not holds_unserved(connection, generation, own):
        return None
    name = generation.collection
    return Not(Membership(Column("collection"), own)) if name is None else Membership(Column("collection"), (name,))


def part_of(one: int) -> int:
    """The place of a key's part."""
    return one >> ROW_BITS


def key(part: int, row: int) -> int:
    return part << ROW_BITS | row


def keyed(part: int, ranked: Iterable[Ranked]) -> list[Ranked]:
    return [(key(part, row), score) for row, score in ranked]


def rows(connection: Connection, plans: Sequence[Plan], keys: Sequence[int]) -> dict[int, Row]:
    """Key -> row, with the key as its id."""
    found: dict[int, Row] = {}
    for part, plan in enumerate(plans):
        ids = [one & ((1 << ROW_BITS) - 1) for one in keys if one >> ROW_BITS == part]
        for row in store.rows(connection, plan.generation, ids).values() if ids else ():
            found[key(part, row.id)] = replace(row, id=key(part, row.id))
    return found


def known_ids(part: int, ranked: Sequence[Ranked]) -> tuple[int, ...]:
    return tuple(one & ((1 << ROW_BITS) - 1) for one, _ in ranked if one >> ROW_BITS == part)


def meaning(connection: Connection, plans: Sequence[Plan]) -> list[Ranked]:
    """By meaning, over all parts that have a vector."""
    asked = [(part, plan, plan.vector) for part, plan in enumerate(plans) if plan.vector is not None]
    found = {part: by_meaning(connection, plan, vector) for part, plan, vector in asked}
    if len(asked) > 1 and not _comparable(connection, [plan for _, plan, _ in asked]):
        for part, plan, vector in asked:
            backdrop = store.backdrop(connection, plan.generation, vector)
            mean = 0.0 if is_aimed(connection, plan, vector) else backdrop.mean  # aimed, it is taken off already
            found[part] = [(row, (score - mean) / backdrop.deviation) for row, score in found[part]]
    return _best([one for part, ranked in found.items() for one in keyed(part, ranked)], plans)


def words(connection: Connection, plans: Sequence[Plan]) -> Words:
    """By words, over all parts."""
    lexemes = [term.lexeme for term in plans[0].terms]
    if len(plans) == 1 or not lexemes:
        return by_words(connection, plans[0]) if lexemes else NO_WORDS
    together = word_store.together([word_store.term_statistics(connection, plan.generation, lexemes) for plan in plans])
    found = [by_words(connection, plan, together) for plan in plans]
    ranked = _best([one for part, some in enumerate(found) for one in keyed(part, some.ranked)], plans)
    return Words(ranked, max(some.coverage for some in found))


def _best(ranked: list[Ranked], plans: Sequence[Plan]) -> list[Ranked]:
    return sorted(ranked, key=lambda row: (-row[1], row[0]))[: plans[0].depth]


def _comparable(connection: Connection, plans: Sequence[Plan]) -> bool:
    """Whether similarities of these parts may be compared as they are."""
    spaces = {(plan.generation.model_fingerprint, plan.instruction, plan.generation.query_adapter) for plan in plans}
    return len(spaces) == 1 and not any(
        plan.vector is not None and is_aimed(connection, plan, plan.vector) for plan in plans
    )
