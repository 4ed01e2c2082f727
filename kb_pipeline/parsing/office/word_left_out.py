"""What a Word file holds and does not show: text that was deleted or moved away with changes tracked, and comments.

It is no part of the text, and is listed so that nobody looks for it in vain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import DroppedText
from kb_pipeline.parsing.office.lists import W
from kb_pipeline.parsing.office.word_nodes import is_deleted_row

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_REASONS = {f"{W}del": "deleted text", f"{W}moveFrom": "text moved away"}


def changes_left_out(body: Node) -> Iterator[DroppedText]:
    """What tracked changes took out of the text; of a deleted row its cells, whatever was changed in them before."""
    for node in body.iter(f"{W}tr", *_REASONS):
        if node.tag == f"{W}tr":
            reason = "deleted row" if is_deleted_row(node) else ""
        else:
            reason = "" if any(map(is_deleted_row, node.iterancestors(f"{W}tr"))) else _REASONS[node.tag]
        if reason and (text := _text(node)):
            yield DroppedText(reason, text)


def comments_left_out(comments: Node | None) -> Iterator[DroppedText]:
    for comment in comments.iter(f"{W}comment") if comments is not None else ():
        if text := _text(comment):
            yield DroppedText("comment", text)


def _text(node: Node) -> str:
    blocks = list(node.iter(f"{W}p")) or [node]
    lines = ("".join(part.text or "" for part in block.iter(f"{W}t", f"{W}delText")) for block in blocks)
    return " ".join(" ".join(lines).split())
