"""Sheets as a person sees them in Excel. The XLS file was written by LibreOffice."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.worksheet.worksheet import Worksheet

from kb_pipeline.errors import LimitExceeded, UnsupportedFormat
from kb_pipeline.parsing import cells
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.office.xls import read_xls
from kb_pipeline.parsing.office.xlsx import read_xlsx
from kb_pipeline.parsing.tables import html_to_rows


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(book: Any) -> CleanedDocument:
    return clean_document(read_xlsx(saved(book)))


def fill(sheet: Worksheet, rows: Sequence[Sequence[object]], top: int = 1, left: int = 1) -> None:
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            sheet.cell(top + i, left + j).value = value


def book_of(rows: Sequence[Sequence[object]], name: str = "Sheet1") -> Any:
    book = openpyxl.Workbook()
    book.active.title = name
    fill(book.active, rows)
    return book


def tables(document: CleanedDocument) -> list[str]:
    return [element.text for element in document.elements if element.category == "Table"]


def paragraphs(document: CleanedDocument) -> list[str]:
    return [element.text for element in document.elements if element.category == "NarrativeText"]


def test_values_are_shown_as_excel_shows_them() -> None:
    book = book_of(
        [["项目", "值"], ["金额", 1234.5], ["占比", 0.125], ["日期", datetime.date(2023, 5, 1)], ["是", True]]
    )
    for cell, code in [("B2", "¥#,##0.00"), ("B3", "0.0%"), ("B4", "yyyy-mm-dd")]:
        book.active[cell].number_format = code
    document = read(book)
    assert tables(document) == ["项目 | 值\n金额 | ¥1,234.50\n占比 | 12.5%\n日期 | 2023-05-01\n是 | TRUE"]
    assert document.coverage == 1.0


def test_a_phone_number_typed_as_an_amount_is_shown_without_separators() -> None:
    book = book_of([["联系人", "手机"], ["周启明", 13900004127]])
    book.active["B2"].number_format = "#,##0"
    assert tables(read(book)) == ["联系人 | 手机\n周启明 | 13900004127"]


def test_a_blank_column_does_not_tear_rows_apart() -> None:
    rows = [
        ["姓名", "部门", None, "电话", "备注"],
        ["甲", "采购", None, "8001", "新"],
        ["乙", "生产", None, "8002", "老"],
    ]
    assert tables(read(book_of(rows))) == ["姓名 | 部门 | 电话 | 备注\n甲 | 采购 | 8001 | 新\n乙 | 生产 | 8002 | 老"]


def test_raised_text_in_a_cell_stays_raised() -> None:
    book = book_of(
        [["面积"], [CellRichText("25 m", TextBlock(InlineFont(vertAlign="superscript"), "2"))], ["x"], ["y"]]
    )
    assert "25 m²" in "\n".join(element.text for element in read(book).elements)


def test_blank_rows_and_columns_set_tables_apart() -> None:
    book = book_of([["产品", "价格"], ["螺栓", 1.5]])
    fill(book.active, [["城市", "人口"], ["林江", 3]], left=4)
    fill(book.active, [["月份", "销量"], ["一月", 7]], top=5)
    assert tables(read(book)) == ["产品 | 价格\n螺栓 | 1.5", "城市 | 人口\n林江 | 3", "月份 | 销量\n一月 | 7"]


def test_a_blank_row_does_not_end_a_table_whose_columns_go_on() -> None:
    book = book_of([["科目", "2022", "2023"], ["现金", 1, 2], ["存货", 3, 4], [], ["负债"], ["借款", 5, 6]])
    assert tables(read(book)) == ["科目 | 2022 | 2023\n现金 | 1 | 2\n存货 | 3 | 4\n负债\n借款 | 5 | 6"]


def test_years_name_columns() -> None:
    book = book_of([["科目", 2022, 2023], ["现金", 1, 2], [], ["科目", 2022, 2023], ["存货", 3, 4]])
    found = [element for element in read(book).elements if element.category == "Table"]
    assert [element.text for element in found] == [
        "科目 | 2022 | 2023\n现金 | 1 | 2",
        "科目 | 2022 | 2023\n存货 | 3 | 4",
    ]
    assert [html_to_rows(element.html or "")[1] for element in found] == [True, True]


def test_a_blank_column_before_figures_does_not_cut_them_from_their_labels() -> None:
    book = book_of([["Item", None, "2022", None, "2023"], ["Cash", None, 1, None, 2], ["Stock", None, 3, None, 4]])
    assert tables(read(book)) == ["Item | 2022 | 2023\nCash | 1 | 2\nStock | 3 | 4"]


def test_merged_headers_name_every_column_below_them() -> None:
    book = book_of([["地区", "收入", None], [None, "Q1", "Q2"], ["华北", 1, 2]])
    book.active.merge_cells("A1:A2")
    book.active.merge_cells("B1:C1")
    (table,) = [element for element in read(book).elements if element.category == "Table"]
    assert table.html is not None
    assert html_to_rows(table.html) == ([["地区", "收入", "收入"], ["地区", "Q1", "Q2"], ["华北", "1", "2"]], True)
    assert table.html.startswith('<table><tr><th rowspan="2">地区</th><th colspan="2">收入</th></tr><tr><th>Q1</th>')


def test_titles_and_notes_around_a_table_are_text() -> None:
    note = "注：以上数据未经审计，仅供内部参考，不构成任何承诺。"
    book = book_of([["价目表"], ["单位：元"], ["产品", "价格", "备注"], ["螺栓", 1.5, "无"], [note]])
    book.active.merge_cells("A1:C1")
    document = read(book)
    assert paragraphs(document) == ["价目表", "单位：元", note]
    assert tables(document) == ["产品 | 价格 | 备注\n螺栓 | 1.5 | 无"]


def test_what_is_hidden_is_left_out_listed_and_said() -> None:
    book = book_of([["a", "secret", "b"], [1, 2, 3], ["gone", 5, 6], [7, 8, 9]], "shown")
    book.active.column_dimensions["B"].hidden = True
    book.active.row_dimensions[3].hidden = True
    book.create_sheet("hidden").append(["not", "shown"])
    book["hidden"].sheet_state = "veryHidden"
    document = read(book)
    assert [element.text for element in document.elements] == ["shown", "a | b\n1 | 3\n7 | 9"]
    assert {item.reason for item in document.dropped} == {"hidden rows and columns", "hidden sheet"}
    assert "not shown" in [item.text for item in document.dropped]
    assert [warning.split(" were")[0] for warning in document.warnings] == [
        "1 hidden sheets",
        "1 hidden rows",
        "1 hidden columns",
    ]
    assert document.coverage == 1.0


def test_a_formula_shows_its_stored_value_and_one_without_is_said() -> None:
    book = book_of([["x", "y"], [1, "=A2+1"]])
    assert any("1 formulas have no stored value" in warning for warning in read(book).warnings)
    data = saved(book)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(
                name, source.read(name).replace(b"</f><v></v>", b"</f><v>2</v>").replace(b"</f><v/>", b"</f><v>2</v>")
            )
    document = clean_document(read_xlsx(out.getvalue()))
    assert tables(document) == ["x | y\n1 | 2"]
    assert document.warnings == ()


def test_a_chart_sheet_is_read_as_the_chart_says() -> None:
    book = book_of([["月", "销量"], ["一月", 3]])
    chart = BarChart()
    chart.title = "销量走势"
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    book.create_chartsheet("图").add_chart(chart)
    document = read(book)
    assert ("图", "销量走势") in [
        (e.section_path[0], e.text) for e in document.elements if e.category == "FigureCaption"
    ]


def test_a_huge_used_range_costs_nothing() -> None:
    book = book_of([["a", "b"], [1, 2]])
    book.active["XFD1048576"].number_format = "0.00"
    assert tables(read(book)) == ["a | b\n1 | 2"]


def test_too_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MOST_CELLS", 3)
    with pytest.raises(LimitExceeded, match="more than 3 cells"):
        read(book_of([["a", "b"], [1, 2]]))


def test_a_binary_workbook_is_refused_with_a_remedy() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("xl/workbook.bin", b"")
    with pytest.raises(UnsupportedFormat, match="save it as XLSX"):
        read_xlsx(out.getvalue())


def test_a_list_in_one_column_is_a_table_and_prose_is_text() -> None:
    assert tables(read(book_of([["苹果"], ["梨"], ["桃"], ["杏"]]))) == ["苹果\n梨\n桃\n杏"]
    prose = [
        "本表说明了各部门的预算编制口径，凡涉及跨部门的费用，一律由牵头部门统一申报，其他部门不得重复申报，请各位同事遵照执行。"
    ]
    assert paragraphs(read(book_of([prose]))) == prose


def test_a_workbook_of_excel_97_reads_the_same() -> None:
    document = clean_document(read_xls((Path(__file__).parent / "files" / "old.xls").read_bytes()))
    rows = ["产品 | 价格 | 日期", "螺栓 | 1,234.50 | 2023年5月1日", "垫圈 | 2 | 5/2/2023", "合计 | 合计 | 1236.5"]
    assert tables(document) == ["\n".join(rows)]
    assert [item.reason for item in document.dropped] == ["hidden rows and columns", "hidden sheet"]
    assert len(document.warnings) == 2
