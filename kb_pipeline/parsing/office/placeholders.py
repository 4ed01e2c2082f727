"""Placeholders of a slide, and the shapes of its layout and master that they follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kb_pipeline.parsing.office.slide_frames import P

if TYPE_CHECKING:
    from lxml.etree import _Element as Node


TITLES = frozenset({"title", "ctrTitle"})
BODIES = frozenset({"body", "obj", "subTitle", ""})


def placeholder_of(node: Node) -> Node | None:
    return next((found for part in node[:1] if (found := part.find(f"{P}nvPr/{P}ph")) is not None), None)


def placeholder_type(node: Node) -> str | None:
    placeholder = placeholder_of(node)
    return None if placeholder is None else placeholder.get("type", "")


def inherited_type(node: Node, inherited: Sequence[Node]) -> str:
    """A placeholder that names no type has that of its layout."""
    return next((kind for source in (node, *inherited) if (kind := placeholder_type(source))), "")


def shapes_above(placeholder: Node, above: Sequence[Sequence[Node]]) -> Iterator[Node]:
    """The shape of each part above that a placeholder follows: the same index, or else the same type."""
    kind, index = placeholder.get("type", ""), placeholder.get("idx")
    for nodes in above:
        found = None
        for node in nodes:
            other = placeholder_of(node)
            if other is None:
                continue
            if index is not None and other.get("idx") == index:
                found = node
                break
            if found is None and same_type(kind, other.get("type", "")):
                found = node
        if found is not None:
            followed = placeholder_of(found)
            kind = kind or (followed.get("type", "") if followed is not None else "")
            index = None  # indexes hold between slide and layout only
            yield found


def same_type(kind: str, other: str) -> bool:
    if kind == other:
        return True
    return (kind in TITLES and other in TITLES) or (kind in BODIES and other in BODIES)
