"""CSV and TSV from the programs that export them."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import LimitExceeded
from kb_pipeline.parsing.delimited import read_delimited
from kb_pipeline.parsing.document import clean_document


def shapes(data: bytes) -> list[tuple[str, str]]:
    return [(element.category, element.text) for element in read_delimited(data).elements]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    rows = [["產品名稱", "價格", "說明"], ["螺絲", "15", "這是我們公司的產品"], ["墊圈", "3", "不是一般的墊圈"]]
    data = "\n".join(delimiter.join(row) for row in rows).encode(encoding)
    assert shapes(data) == [("Table", "\n".join(" | ".join(row) for row in rows))]


def test_commas_in_figures_do_not_hide_the_semicolons() -> None:
    assert shapes(b"item;price\na;1,50\nb;2,75\n") == [("Table", "item | price\na | 1,50\nb | 2,75")]


def test_the_delimiter_that_excel_declares_is_believed() -> None:
    assert shapes(b"sep=;\r\na;b,c\r\n1;2,3\r\n") == [("Table", "a | b,c\n1 | 2,3")]


def test_lines_above_the_table_are_text() -> None:
    data = "某公司 2023 年报表,,,\n单位：元,,,\n\n科目,期初,期末,备注\n现金,1,2,\n存款,3,4,注\n".encode()
    assert shapes(data) == [
        ("NarrativeText", "某公司 2023 年报表"),
        ("NarrativeText", "单位：元"),
        ("Table", "科目 | 期初 | 期末 | 备注\n现金 | 1 | 2\n存款 | 3 | 4 | 注"),
    ]


@pytest.mark.parametrize(
    ("data", "has_header"),
    [(b"name,price\na,1\n", True), (b"1,2\n3,4\n", False), (b"2024-01-01,7\n2024-01-02,8\n", False)],
)
def test_a_first_row_with_figures_is_no_header(data: bytes, has_header: bool) -> None:
    html = read_delimited(data).elements[0].html
    assert html is not None
    assert ("<th>" in html) is has_header


def test_ragged_rows_and_quoted_line_ends_are_kept() -> None:
    assert shapes(b'a,b,c\n1,"two\nlines"\n3,4,5\n') == [("Table", "a | b | c\n1 | two lines\n3 | 4 | 5")]


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    assert shapes(b'a\tb\n"x\ty\nz\tw\n') == [("Table", 'a | b\n"x | y\nz | w')]


def test_everything_is_found_again() -> None:
    document = clean_document(read_delimited(b"Report,,\nitem,price,note\na,1,x\nb,2,y\n"))
    assert document.coverage == 1


def test_more_cells_than_memory_should_hold_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="more than 2,000,000 cells"):
        read_delimited(b"," * 2_000_001)
