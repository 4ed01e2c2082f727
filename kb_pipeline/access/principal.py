"""Who asks, and what they may.

Terms
  principal    whoever asks: the holder of an API key, a person whom a reverse proxy names, or, while the server asks
               nobody who they are, anyone.
  right        search: passages, counts and collections. read: documents as they are stored. original: their files, in
               which nothing is masked. feedback: say what did not help. review: see what others asked,
               masked, and decide what answers it. write: add and remove documents. admin: figures
               about everything. None implies another.
  grant        the collections that a principal may search; None is all of them.
  groups       those that a principal belongs to: it may read documents that name none or one of them. None is for
               whoever may read all, which are those who need no key.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from kb_pipeline.errors import Forbidden
from kb_pipeline.fields.groups import EVERYONE
from kb_pipeline.store.conditions import And, Column, Membership, Node, ReadableBy

if TYPE_CHECKING:
    from collections.abc import Sequence

Right = Literal["search", "read", "original", "feedback", "review", "write", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)
READER: tuple[Right, ...] = ("search", "read", "feedback")


@dataclass(frozen=True, slots=True)
class Principal:
    """`groups`: those that it belongs to. `collections`: its grant."""

    name: str
    groups: tuple[str, ...] | None = ()
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
        granted = None if self.collections is None else Membership(Column("collection"), self.collections)
        if self.groups is None:
            return granted
        readable = ReadableBy((EVERYONE, *(unicodedata.normalize("NFC", group) for group in self.groups)))
        return readable if granted is None else And(granted, readable)

    def among(self, collections: Sequence[str]) -> tuple[str, ...]:
        """Those of `collections` that it may search; where that is none, its whole grant (empty: all).

        By whose rules a question is read. A collection that it may not search and one that does not exist are the same.
        """
        if self.collections is None:
            return tuple(collections)
        return tuple(name for name in collections if name in self.collections) or self.collections


# A machine may have other users than the one whose files these are: those and new documents take a key.
ANYONE = Principal("anyone", groups=None, rights=frozenset(RIGHTS) - {"original", "write"})
