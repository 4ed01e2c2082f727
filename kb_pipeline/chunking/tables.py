"""The texts of a table's chunks: whole rows, each chunk with what names its columns.

A table that is too long for one chunk is cut between rows, and its captions and names of columns stand above
each part. Where those names would take most of a chunk, and for a row that fits into no chunk below them, a row
is written as *pairs* instead, `name: value; name: value`, so that it says by itself what its cells are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb_pipeline.chunking.boundaries import stable_groups
from kb_pipeline.chunking.sentences import sentences
from kb_pipeline.parsing.tables import expand_spans, node_cells, rows_to_text

PAIR_SEPARATOR = "; "
_LONGEST_LABEL = 100  # characters; what a row begins with is repeated in each of its parts up to here

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Sizes:
    """In characters: what a chunk aims at, may have at most, and has at least where there is a choice."""

    target: int
    most: int
    least: int


def table_contents(text: str, html: str | None, captions: Sequence[str], sizes: Sizes) -> list[str]:
    """The texts of the chunks of a table, which has this text and these cells; at least one."""
    whole = "\n".join([*captions, text])
    if len(whole) <= sizes.most:
        return [whole]
    rows, header_rows = _cells(html) if html is not None else ([[line] for line in text.splitlines()], 0)
    header_rows = _header_rows(rows, header_rows)
    header, body = rows[:header_rows], rows[header_rows:]
    if _length(captions) > sizes.target // 2:
        captions = []  # whole paragraphs, which the rows can do without
    head = [*captions, *(rows_to_text([row]) for row in header)]
    names = _column_names(header)
    if _length(head) > sizes.target // 2:
        lines = [line for row in body for line in _pair_lines(row, names, sizes.target - _length(captions))]
        return _grouped(list(captions), lines, sizes)
    lines = []
    for row in body:
        line = rows_to_text([row])
        fits = _length(head) + len(line) <= sizes.most
        lines += [line] if fits else _pair_lines(row, names, sizes.target - _length(head))
    return _grouped(head, lines, sizes)


def _length(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _grouped(head: Sequence[str], lines: Sequence[str], sizes: Sizes) -> list[str]:
    room = sizes.target - _length(head)
    groups = stable_groups(lines, target=room, spacing=min(sizes.least, room // 2), glue=1, tied=frozenset())
    return ["\n".join([*head, *(lines[i] for i in group)]) for group in groups]


def _cells(html: str) -> tuple[list[list[str]], int]:
    """The rows that are not empty, and how many at the top are headers by their tags."""
    from lxml import html as lxml_html

    cells, header_rows = node_cells(lxml_html.fragment_fromstring(html, create_parent="div").iter("tr"))
    rows = expand_spans(cells)
    header = [row for row in rows[:header_rows] if any(row)]
    return header + [row for row in rows[header_rows:] if any(row)], len(header)


def _header_rows(rows: Sequence[Row], marked: int) -> int:
    """How many rows name the columns: those that are marked so, else the first where it holds words."""
    if 0 < marked < len(rows):
        return marked
    return 1 if len(rows) > 1 and _holds_words(rows[0]) else 0


def _holds_words(row: Row) -> bool:
    """A row with as many digits as letters is data."""
    letters = sum(character.isalpha() for cell in row for character in cell)
    return letters > sum(character.isdigit() for cell in row for character in cell)


def _column_names(header: Sequence[Row]) -> list[str]:
    """One name per column; those of groups stand before those of their columns."""
    width = max(map(len, header), default=0)
    columns = ([row[column] for row in header if column < len(row) and row[column]] for column in range(width))
    return [" ".join(dict.fromkeys(names)) for names in columns]


def _pair_lines(row: Row, names: Sequence[str], room: int) -> list[str]:
    """A row as pairs on one line, or on several of at most `room` characters that all begin with its first pair."""
    filled = [(index, cell) for index, cell in enumerate(row) if cell]
    pairs = [_pair(names[index] if index < len(names) else "", cell) for index, cell in filled]
    line = PAIR_SEPARATOR.join(pairs)
    if len(line) <= room:
        return [line]
    label = pairs[0] if len(pairs) > 1 and len(pairs[0]) <= min(_LONGEST_LABEL, room // 4) else ""
    prefix = label + PAIR_SEPARATOR if label else ""
    share = len(line) / math.ceil(len(line) / (room - len(prefix)))  # so that the last part is no crumb
    lines: list[str] = []
    current = ""
    for index, cell in filled[1 if label else 0 :]:
        name = names[index] if index < len(names) else ""
        for pair in _fitted_pairs(name, cell, room - len(prefix)):
            longer = current + PAIR_SEPARATOR + pair if current else pair
            if current and (len(prefix) + len(longer) > room or len(current) >= share):
                lines.append(prefix + current)
                longer = pair
            current = longer
    return [*lines, prefix + current] if current else lines


def _fitted_pairs(name: str, value: str, room: int) -> Iterator[str]:
    """A pair, or the pieces of a long value with the name before each."""
    pair = _pair(name, value)
    if len(pair) <= room:
        yield pair
        return
    name = name if len(name) <= room // 2 else ""
    left = room - len(_pair(name, ""))
    piece = ""
    for sentence in sentences(value, left):
        if piece and len(piece) + len(sentence) > left:
            yield _pair(name, piece.strip())
            piece = ""
        piece += sentence
    if piece.strip():
        yield _pair(name, piece.strip())


def _pair(name: str, value: str) -> str:
    return f"{name}: {value}" if name else value
