"""CSV and TSV -> a table, below the lines of text that stand above it.

Exports of spreadsheets and accounting programs often begin with a title, a period, a unit. Such lines have fewer
cells than the table; they become paragraphs. A first row without figures names the columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.cells import check_cells
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element

_SNIFFED = 65536  # characters
_SNIFFED_ROWS = 100
_LARGEST_FIELD = 16 << 20  # characters
_MOST_LINES_ABOVE = 15
_CANDIDATES = ",;\t|"
_DECLARED = re.compile(r"sep=(.)\s*\n", re.IGNORECASE)  # the first line that Excel writes and reads
_FIGURE = re.compile(
    r"[-+(]?[$€£¥￥]?\s?\d[\d.,'\s]*%?\)?|\d{1,4}[-/.年]\d{1,2}([-/.月]\d{1,4}日?)?([T\s]\d{1,2}:\d{2}.*)?"
)

Rows = list[list[str]]


def read_delimited(data: bytes, *, delimiter: str | None = None) -> ParsedDocument:
    """`delimiter`: None looks for comma, semicolon, tab or bar. Raises MalformedDocument, LimitExceeded."""
    text, encoding = decode_text(data)
    declared = _DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
        delimiter = declared.group(1)
    found = delimiter or _delimiter(text)
    rows = [[" ".join(cell.split()) for cell in row] for row in _rows(text, found)]
    rows = [row for row in rows if any(row)]
    source_characters = sum(len("".join(cell.split())) for row in rows for cell in row)
    above, body = _split(rows)
    elements = [Element("NarrativeText", " ".join(cell for cell in row if cell)) for row in above]
    table = table_element(_trimmed(body), header=_has_header(body))
    if table:
        elements.append(table)
    return ParsedDocument(
        tuple(elements),
        metadata={"encoding": encoding, "delimiter": found},
        source_characters=source_characters,
    )


def read_tsv(data: bytes) -> ParsedDocument:
    return read_delimited(data, delimiter="\t")


def _rows(text: str, delimiter: str) -> Rows:
    """The rows of the text; where a quote is never closed, each line by itself."""
    csv.field_size_limit(_LARGEST_FIELD)
    text = text.replace("\0", "")
    try:
        rows = _counted(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        if text.count('"') % 2 and any("\n" in cell for row in rows[-1:] for cell in row):
            rows = _counted(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE))
    except csv.Error:
        raise MalformedDocument("The file cannot be read as CSV; export it again from its program.") from None
    return rows


def _counted(reader: Iterable[list[str]]) -> Rows:
    """All rows, as long as their cells are not too many."""
    rows: Rows = []
    cells = 0
    for row in reader:
        cells += len(row)
        check_cells(cells)
        rows.append(row)
    return rows


def _delimiter(text: str) -> str:
    """The candidate that splits the first rows most evenly into most cells; comma where none does."""
    sample = text[:_SNIFFED]
    if len(text) > _SNIFFED:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = ",", 0.0
    for candidate in _CANDIDATES:
        try:
            rows = list(csv.reader(io.StringIO(sample, newline=""), delimiter=candidate))[:_SNIFFED_ROWS]
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows if any(cell.strip() for cell in row))
        several = {width: count for width, count in widths.items() if width > 1}
        if not several:
            continue
        usual = max(several, key=lambda width: (several[width], width))
        # Evenness counts most; of two even splits the one into more cells is meant.
        score = several[usual] / sum(widths.values()) + min(usual, 100) / 1000
        if score > best_score:
            best, best_score = candidate, score
    return best


def _split(rows: Rows) -> tuple[Rows, Rows]:
    """The lines above the table, which fill one cell where the table fills several; and the table."""
    filled = [sum(bool(cell) for cell in row) for row in rows]
    several = Counter(count for count in filled if count > 1)
    usual = max(several, key=lambda count: (several[count], count), default=0)
    if usual < 3 or 2 * several.total() < len(rows):
        return [], rows
    for index, count in enumerate(filled[: _MOST_LINES_ABOVE + 1]):
        if count > max(2, usual // 2):
            return rows[:index], rows[index:]
    return [], rows


def _trimmed(rows: Rows) -> Rows:
    """Without the empty cells that all rows end with, and without columns that are empty throughout."""
    width = max(map(len, rows), default=0)
    used = [column for column in range(width) if any(column < len(row) and row[column] for row in rows)]
    return [[row[column] if column < len(row) else "" for column in used] for row in rows]


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: words without figures."""
    if len(rows) < 2:
        return False
    return not any(_FIGURE.fullmatch(cell) for cell in rows[0] if cell) or not any(
        _FIGURE.fullmatch(cell) for row in rows[1:20] for cell in row if cell
    )
