"""Code inside a document, cut into parts: at definitions as code files are, else at its own paragraphs.

The parts joined give the text again. None is longer than asked for, unless a single line is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kb_pipeline.parsing.code.languages import language_of_fence
from kb_pipeline.parsing.code.reader import Unit, units_of


def code_parts(text: str, *, language: str | None, limit: int) -> list[str]:
    """`language`: what the document calls it, if it does. `limit`: characters of a part."""
    lines = text.splitlines(keepends=True)
    known = language_of_fence(language or "")
    if known is None:
        starts = _paragraph_starts(lines)
    else:
        bare = [line.rstrip("\n") for line in lines]
        starts = sorted({0, *_unit_starts(units_of("\n".join(bare), bare, known), lines, limit)})
    parts: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        part = "".join(lines[start:end])
        parts += [part] if len(part) <= limit else lines[start:end]
    return parts


def _unit_starts(units: Sequence[Unit], lines: Sequence[str], limit: int) -> Iterator[int]:
    """Where units begin, and in one that is too long those that it holds."""
    for unit in units:
        yield unit.start
        if sum(len(line) for line in lines[unit.start : unit.end]) > limit:
            yield from _unit_starts(unit.units, lines, limit)


def _paragraph_starts(lines: Sequence[str]) -> list[int]:
    """The lines after a blank one that stand as far left as any: what is indented goes on."""
    columns = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    left = min(columns, default=0)
    return [
        i
        for i, line in enumerate(lines)
        if i == 0 or (line.strip() and not lines[i - 1].strip() and len(line) - len(line.lstrip()) == left)
    ]
