"""Tables between rows, text and HTML."""

from __future__ import annotations

from kb_pipeline.parsing.tables import html_to_rows, rows_to_html, table_element


def test_html_and_rows_are_inverse() -> None:
    rows = [["a<b", "c & d"], ["", "é"]]
    assert html_to_rows(rows_to_html(rows, header=True)) == (rows, True)
    assert html_to_rows(rows_to_html(rows, header=False)) == (rows, False)


def test_spanned_cells_are_repeated_where_they_reach() -> None:
    html = (
        "<table><tr><th rowspan='2'>region</th><th colspan='2'>2023</th></tr><tr><th>Q1</th><th>Q2</th></tr>"
        "<tr><td>north</td><td>1</td><td>2</td></tr></table>"
    )
    rows, header = html_to_rows(html)
    assert header
    assert rows == [["region", "2023", "2023"], ["region", "Q1", "Q2"], ["north", "1", "2"]]


def test_a_table_without_text_is_none() -> None:
    assert table_element([["", " "], ["\n"]], header=False) is None
