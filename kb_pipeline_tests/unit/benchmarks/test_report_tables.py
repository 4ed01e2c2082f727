"""The marks that benchmarks/report_tables.py gives to rows of tables."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from parsing_scores import Piece
from report_tables import Row, marked, prose_in_tables, rows

PROSE = "\n".join(["The company sells many things in many places, and has done so for a very long time now."] * 3)
PAGE = f"""
                                2023        2022
 Net sales (1)              $   2,487   $  2,112
 Other, net                       (77)      12 %
 Item 1.    Business and risks       4
{PROSE}
"""


def kinds(*texts: str) -> list[str]:
    return [kind for _, kind in marked(rows(PAGE), [Piece("table", text) for text in texts])]


def test_rows_are_a_label_and_numbers_behind_a_gap() -> None:
    assert rows(PAGE) == [Row("netsales", ("2487", "2112")), Row("othernet", ("77", "12"))]


def test_a_row_is_whole_mashed_torn_or_lost() -> None:
    assert kinds("Net sales⁽¹⁾ | $2,487 | $2,112\nOther, net | (77) | 12%") == ["one line", "one line"]
    assert kinds("2023 2022 Net sales $2,487 $2,112 Other, net (77) 12 % and 3 4 5") == ["mashed", "mashed"]
    assert kinds("2,487 | 2,112\n(77) | 12%") == ["torn", "torn"]
    assert kinds("Net sales | 2,112 | 2,487", "Other, net | (77)") == ["lost", "lost"]


def test_prose_is_looked_for_in_tables() -> None:
    assert prose_in_tables(PAGE, [Piece("text", PROSE)]) == (0, 3)
    assert prose_in_tables(PAGE, [Piece("table", PROSE)]) == (3, 3)
