"""What a person asks for: the words, how many passages, by which rankings, out of which rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from kb_pipeline.errors import SettingsError
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.fusion import Fusion
from kb_pipeline.search.masked_filters import mask_values
from kb_pipeline.store.conditions import And, Column, Membership, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kb_pipeline.fields.declaration import FieldType

Mode = Literal["hybrid", "vector", "lexical"]

DEFAULT_K = 10
MOST_K = 200
MOST_CHARACTERS = 2_000  # of a query


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`collections`: empty for all. `where`: see `search.filters`. `generation`: None for the active one.

    `fusion`: of both rankings in hybrid mode, see `search.fusion`. `per_document`: most hits of one document. `merge`:
    neighbouring passages become one hit. `fold`: passages that say the same become one hit. `rerank`: by the site's
    reranker, where it has one. `explain`: say for each hit what its score comes from.
    """

    query: str
    k: int = DEFAULT_K
    mode: Mode = "hybrid"
    collections: tuple[str, ...] = ()
    where: str | None = None
    generation: str | None = None
    fusion: Fusion = "convex"
    per_document: int | None = None
    merge: bool = False
    fold: bool = True
    rerank: bool = True
    explain: bool = False
    logged: bool = True  # False for questions that no person asked


def check(request: SearchRequest) -> None:
    """Raises SettingsError for a request that cannot be searched for."""
    if not request.query.strip():
        raise SettingsError("The query is empty; give some words to search for.")
    if len(request.query) > MOST_CHARACTERS:
        raise SettingsError(f"The query is longer than {MOST_CHARACTERS} characters; ask in fewer words.")
    texts = [request.query, request.where or "", request.generation or "", *request.collections]
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for text in texts for character in text):
        raise SettingsError("The request holds a character that no text can hold; type it again.")
    if not 1 <= request.k <= MOST_K:
        raise SettingsError(f"k is {request.k}; choose a number of passages from 1 to {MOST_K}.")
    if request.mode not in get_args(Mode):
        raise SettingsError("The mode is unknown; choose hybrid, vector or lexical.")
    if request.fusion not in get_args(Fusion):
        raise SettingsError("The fusion is unknown; choose convex or rrf.")
    if request.per_document is not None and request.per_document < 1:
        raise SettingsError("No hits of a document were asked for; choose 1 or more, or leave it out for any number.")


def condition(
    request: SearchRequest, forms: Callable[[str], Sequence[str]], fields: Mapping[str, FieldType]
) -> Node | None:
    """Of the rows that `request` allows; `forms` gives every form in which a text may be stored, `fields` are declared.

    Raises SettingsError, which points at the position of a mistake.
    """
    node = Membership(Column("collection"), request.collections) if request.collections else None
    if request.where and request.where.strip():
        where = mask_values(parse_filter(request.where, fields), forms)
        return both(node, where)
    return node


def both(one: Node | None, other: Node | None) -> Node | None:
    """Rows that pass both; None is every row."""
    if one is None or other is None:
        return one or other
    return And(one, other)
