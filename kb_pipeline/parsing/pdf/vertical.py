"""Pages that are written from top to bottom."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from kb_pipeline.parsing.pdf.page import Page, Span

_FEWEST_VERTICAL = 0.6  # of the characters stand below each other where a page is written vertically


def set_upright(page: Page) -> Page:
    """A page of Chinese or Japanese written in columns from top to bottom, turned so that its columns are lines."""
    columns = _vertical_columns(page.spans)
    below = sum(len(column) for column in columns)
    if below < _FEWEST_VERTICAL * sum(len(span.raw.strip()) for span in page.spans) or below < 2:
        return page
    spans = []
    for column in columns:
        first = column[0]
        left, right = min(span.x0 for span in column), max(span.x1 for span in column)
        spans.append(
            replace(
                first,
                raw="".join(span.raw.strip() for span in column),
                x0=first.top,
                x1=column[-1].bottom,
                top=page.width - right,
                bottom=page.width - left,
                baseline=page.width - left,
                bold=all(span.bold for span in column),
                centres=array("f", [(span.top + span.bottom) / 2 for span in column]),
            )
        )
    gathered = {id(span) for column in columns for span in column}
    spans += [
        replace(
            span,
            x0=span.top,
            x1=span.bottom,
            top=page.width - span.x1,
            bottom=page.width - span.x0,
            baseline=page.width - span.x0,
            centres=array("f", [(span.top + span.bottom) / 2] * len(span.raw)),
        )
        for span in page.spans
        if id(span) not in gathered
    ]
    return replace(page, width=page.height, height=page.width, spans=tuple(spans), rules=())


def _vertical_columns(spans: Sequence[Span]) -> list[list[Span]]:
    """Single characters that follow each other downwards."""
    columns: list[list[Span]] = []
    for span in spans:
        if len(span.raw.strip()) != 1 or span.tilted or span.angle:
            continue
        above = columns[-1][-1] if columns else None
        if (
            above is not None
            and abs(above.x0 + above.x1 - span.x0 - span.x1) < above.size * 0.8
            and 0.5 * span.size < span.top - above.top < 2.2 * span.size
        ):
            columns[-1].append(span)
        else:
            columns.append([span])
    return [column for column in columns if len(column) > 1]
