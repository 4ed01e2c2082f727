"""CSV and TSV -> one table element."""

from __future__ import annotations

import csv
import io

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element

_SNIFFED = 16384  # characters
_LARGEST_FIELD = 16 << 20  # characters


def read_delimited(data: bytes, *, delimiter: str | None = None) -> ParsedDocument:
    """`delimiter`: None looks for comma, semicolon, tab or bar."""
    text, encoding = decode_text(data)
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text)))
    except csv.Error:
        raise MalformedDocument("The file cannot be read as CSV; export it again from its program.") from None
    table = table_element(rows, header=True)
    return ParsedDocument((table,) if table else (), metadata={"encoding": encoding})


def _delimiter(text: str) -> str:
    """The candidate that splits the first lines most evenly; comma where none does."""
    lines = [line for line in text[:_SNIFFED].splitlines() if line.strip()][:50]
    best, best_score = ",", (0.0, 0)
    for candidate in ",;\t|":
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=candidate)]
        if not counts or not counts[0]:
            continue
        score = (counts.count(counts[0]) / len(counts), counts[0])
        if score > best_score:
            best, best_score = candidate, score
    return best
