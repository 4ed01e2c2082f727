"""Hits out of what was selected: joined text, pages, marked words, and what their place comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.search.highlights import highlights
from kb_pipeline.search.joining import joined
from kb_pipeline.search.result import Explanation, Hit, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from kb_pipeline.search.selection import Candidate, Group
    from kb_pipeline.store.search import Row


def hit(rank: int, group: Group, terms: Collection[str], explanation: Explanation | None) -> Hit:
    """`terms`: the lexemes of the question."""
    row = group.best.row
    parts = group.parts
    content = joined([part.row.content for part in parts])
    return Hit(
        rank=rank,
        score=round(group.best.score, 6),
        content=content,
        source_file=row.source_file,
        page_number=min(_known(part.row.page_number for part in parts), default=None),
        page_end=max(_known(part.row.page_end for part in parts), default=None),
        section_title=row.section_title,
        section_path=tuple(row.section_path),
        collection=row.collection,
        document_id=row.document_id,
        chunk_key=row.chunk_key,
        metadata=row.metadata,
        fields=row.fields,
        chunk_keys=tuple(part.row.chunk_key for part in parts),
        highlights=highlights(content, terms),
        also_in=_places(parts),
        explanation=explanation,
    )


def _known(numbers: Iterable[int | None]) -> list[int]:
    return [number for number in numbers if number is not None]


def _places(parts: Sequence[Candidate]) -> tuple[Place, ...]:
    return tuple(_place(row) for part in parts for row in part.copies)


def _place(row: Row) -> Place:
    return Place(
        source_file=row.source_file,
        page_number=row.page_number,
        page_end=row.page_end,
        collection=row.collection,
        document_id=row.document_id,
        chunk_key=row.chunk_key,
    )
