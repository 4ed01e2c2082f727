"""Where the words of a question stand in a passage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import located

if TYPE_CHECKING:
    from collections.abc import Collection

Span = tuple[int, int]  # [start, end), in characters


def highlights(content: str, terms: Collection[str]) -> tuple[Span, ...]:
    """The stretches of `content` that hold one of `terms`, which are lexemes; what overlaps or touches is one.

    A single Chinese character that is also part of a longer term is looked up like any other, but alone it tells a
    reader nothing: 年 of 年假 stands everywhere.
    """
    wanted = {term for term in terms if len(term) > 1 or term.isascii() or not _in_another(term, terms)}
    merged: list[Span] = []
    for start, end in sorted((start, end) for lexeme, start, end in located(content) if lexeme in wanted):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _in_another(term: str, terms: Collection[str]) -> bool:
    return any(term in other and term != other for other in terms)
