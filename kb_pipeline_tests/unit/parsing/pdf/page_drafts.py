"""Spans as a page has them, for tests: letters of half an em on one baseline."""

from __future__ import annotations

from collections.abc import Sequence

from kb_pipeline.parsing.pdf.page import Span

PITCH = 14.0  # points


def span(text: str, x0: float, top: float, size: float = 10.0) -> Span:
    step = size / 2
    centres = tuple(x0 + step * (index + 0.5) for index in range(len(text)))
    return Span(text, x0, top, x0 + step * len(text), top + size, size, bold=False, centres=centres, baseline=top + 8)


def right(text: str, x1: float, top: float) -> Span:
    """The same, ending at `x1`."""
    return span(text, x1 - 5.0 * len(text), top)


def lines(texts: Sequence[Sequence[str]], rights: Sequence[float], top: float = 100.0) -> list[Span]:
    """A line for each row: the first text at the left edge, the others ending at `rights`."""
    return [
        item
        for number, (name, *values) in enumerate(texts)
        for item in [
            *([span(name, 50, top + PITCH * number)] if name else []),
            *(right(value, x1, top + PITCH * number) for value, x1 in zip(values, rights, strict=False) if value),
        ]
    ]
