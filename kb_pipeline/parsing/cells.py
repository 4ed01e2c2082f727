"""How many cells a table or workbook may have: what a few bytes of a file can claim, memory has to hold."""

from __future__ import annotations

from kb_pipeline.errors import LimitExceeded

MOST_CELLS = 2_000_000  # with content, in a file


def check_cells(cells: int) -> None:
    """Raises LimitExceeded for more cells than a file may have."""
    if cells > MOST_CELLS:
        raise LimitExceeded(f"The file holds more than {MOST_CELLS:,} cells of tables; split it.")
