"""Who asks, and what they may.

Terms
  principal    whoever asks: the holder of an API key, a person whom a reverse proxy names, or, while the server asks
               nobody who they are, anyone.
  right        search: passages, counts and collections. read: documents as they are stored. feedback: say what did not
               help. write: add and remove documents. admin: figures about everything. None implies another.
  grant        the collections that a principal may search; None is all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from kb_pipeline.errors import Forbidden
from kb_pipeline.store.conditions import Column, Membership, Node

if TYPE_CHECKING:
    from collections.abc import Sequence

Right = Literal["search", "read", "feedback", "write", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)
READER: tuple[Right, ...] = ("search", "read", "feedback")


@dataclass(frozen=True, slots=True)
class Principal:
    """`groups`: those of the documents that it may read. `collections`: its grant."""

    name: str
    groups: tuple[str, ...] = ()
    collections: tuple[str, ...] | None = None
    rights: frozenset[Right] = frozenset()

    def require(self, right: Right) -> None:
        """Raises Forbidden."""
        if right not in self.rights:
            raise Forbidden(f"{self.name} may not do this: it needs the right {right}; ask for a key that has it.")

    def condition(self) -> Node | None:
        """What every query over passages is joined with; None lets every row pass.

        The one place where access becomes a condition: what else a principal may not see is added here.
        """
        return None if self.collections is None else Membership(Column("collection"), self.collections)

    def among(self, collections: Sequence[str]) -> tuple[str, ...]:
        """Those of `collections` that it may search; where that is none, its whole grant (empty: all).

        By whose rules a question is read. A collection that it may not search and one that does not exist are the same.
        """
        if self.collections is None:
            return tuple(collections)
        return tuple(name for name in collections if name in self.collections) or self.collections


ANYONE = Principal("anyone", rights=frozenset(RIGHTS))
