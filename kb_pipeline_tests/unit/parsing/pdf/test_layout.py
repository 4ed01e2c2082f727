"""Reading order, furniture, headings and ruled grids as pure functions over spans and lines."""

from __future__ import annotations

from dataclasses import replace

from kb_pipeline.parsing.pdf.furniture import contents_lines, furniture
from kb_pipeline.parsing.pdf.headings import Bookmark, Paragraph, heading_levels
from kb_pipeline.parsing.pdf.layout import Line, lines_in_reading_order
from kb_pipeline.parsing.pdf.page import Page, Rule, Span
from kb_pipeline.parsing.pdf.tables import take_tables


def span(text: str, x0: float, top: float, *, size: float = 10.0, width: float | None = None) -> Span:
    wide = width if width is not None else len(text) * size * 0.5
    step = wide / len(text)
    centres = tuple(x0 + step * (index + 0.5) for index in range(len(text)))
    return Span(text, x0, top, x0 + wide, top + size, size, bold=False, centres=centres)


def line(text: str, top: float, page: int = 1) -> Line:
    return Line(text, 50, top, 300, top + 10, 10, bold=False, page_number=page, region=0)


def paragraph(text: str, size: float = 10.0, *, bold: bool = False, page: int = 1) -> Paragraph:
    return Paragraph(text, size, bold, line_count=1, page_number=page, alone=True)


def page_of(spans: list[Span], rules: list[Rule]) -> Page:
    return Page(1, 600, 800, tuple(spans), tuple(rules), 0.0)


def test_two_columns_are_read_one_after_the_other() -> None:
    left = [span(f"left line number {index:02} of the text", 50, 100 + 12 * index) for index in range(12)]
    right = [span(f"right line number {index:02} of it all", 310, 100 + 12 * index) for index in range(12)]
    title = span("A title that spans the whole page from left to right, so to say", 60, 60, size=14)
    interleaved = [title, *(item for pair in zip(left, right, strict=True) for item in pair)]
    texts = [found.text for found in lines_in_reading_order(interleaved, [], 1)]
    assert texts == [title.text, *(item.text for item in left), *(item.text for item in right)]


def test_a_page_of_labels_and_values_is_not_two_columns() -> None:
    spans = [
        item
        for index in range(12)
        for item in (span(f"Label {index}", 50, 100 + 12 * index), span(f"value {index}", 320, 100 + 12 * index))
    ]
    assert next(found.text for found in lines_in_reading_order(spans, [], 1)) == "Label 0  value 0"


def test_running_lines_and_page_numbers_are_furniture() -> None:
    pages = [
        [
            line("ACME annual report 2023", 20, number),
            line(f"Body {number} text", 400, number),
            line(f"- {number} -", 780, number),
        ]
        for number in range(1, 5)
    ]
    reasons = furniture(pages, [800.0] * 4)
    assert [[reasons.get(id(item)) for item in page] for page in pages] == [["page header", None, "page number"]] * 4


def test_text_that_repeats_in_the_middle_of_pages_stays() -> None:
    pages = [[line("Total", 400, number)] for number in range(1, 5)]
    assert furniture(pages, [800.0] * 4) == {}


def test_lines_of_a_table_of_contents_are_recognised() -> None:
    page = [
        line("Scope ........ 3", 100),
        line("目的……………………12", 120),
        line("Terms . . . . . 7", 140),
        line("Body...", 160),
    ]
    assert [id(item) in contents_lines([page]) for item in page] == [True, True, True, False]


def test_size_then_numbering_decide_the_level() -> None:
    paragraphs = [
        paragraph("年度报告", 18),
        paragraph("第一章 概况", 14),
        paragraph("一、基本情况", 12),
        paragraph("正文" * 60),
        paragraph("（一）收入", bold=True),
        paragraph("正文" * 60),
        paragraph("第二章 财务", 14),
    ]
    assert heading_levels(paragraphs, []) == {0: 1, 1: 2, 2: 3, 4: 4, 6: 2}


def test_bookmarks_decide_where_there_are_some() -> None:
    paragraphs = [paragraph("Report", 20), paragraph("Scope", 12), paragraph("text " * 60), paragraph("Method", 12)]
    assert heading_levels(paragraphs, [Bookmark("Scope", 1, 1)]) == {0: 1, 1: 1, 3: 1}


def test_sentences_and_captions_are_no_headings() -> None:
    paragraphs = [
        paragraph("body " * 100),
        paragraph("A bold sentence of the text.", bold=True),
        paragraph("表 3 分机构贷款", bold=True),
        paragraph("公司应当遵守规定。", 14),
    ]
    assert heading_levels(paragraphs, []) == {}


GRID = [
    *(Rule(50, top, 250, top) for top in (100.0, 120.0, 140.0)),
    Rule(150, 100, 150, 140),
]


def test_a_grid_with_open_sides_is_a_table() -> None:
    spans = [span("name", 60, 105), span("price", 160, 105), span("bolt", 60, 125), span("3.50", 160, 125)]
    (table,), rest = take_tables(page_of([*spans, span("after", 60, 200)], GRID))
    assert table.rows == (("name", "price"), ("bolt", "3.50"))
    assert table.has_header
    assert [item.text for item in rest] == ["after"]


def test_a_span_over_two_cells_is_cut_at_the_rule() -> None:
    joined = span("left right", 120, 105, width=60)
    (table,), _ = take_tables(page_of([joined, span("a", 60, 125), span("b", 160, 125)], GRID))
    assert table.rows[0] == ("left", "right")


def test_rows_without_rules_between_them_are_told_by_their_lines() -> None:
    rules = [*(Rule(50, top, 250, top) for top in (100.0, 120.0, 180.0)), Rule(150, 100, 150, 180)]
    spans = [span("name", 60, 105), span("price", 160, 105)]
    for row, (name, price) in enumerate([("bolt", "3.50"), ("nut", "1.20"), ("gear", "9.00")]):
        spans += [span(name, 60, 125 + 18 * row), span(price, 160, 125 + 18 * row)]
    (table,), _ = take_tables(page_of(spans, rules))
    assert table.rows == (("name", "price"), ("bolt", "3.50"), ("nut", "1.20"), ("gear", "9.00"))


def test_a_drawing_that_words_cross_is_no_table() -> None:
    spans = [span("a long line of text across the drawing", 10, 105 + 20 * row) for row in range(2)]
    tables, rest = take_tables(page_of(spans, GRID))
    assert tables == []
    assert len(rest) == 2


def test_frames_inside_cells_do_not_make_columns() -> None:
    doubled = [*GRID, Rule(155, 100, 155, 140), Rule(145, 100, 145, 140)]
    spans = [span("name", 60, 105), span("price", 160, 105), span("bolt", 60, 125), span("3.50", 160, 125)]
    (table,), _ = take_tables(page_of(spans, [replace(rule) for rule in doubled]))
    assert table.rows == (("name", "price"), ("bolt", "3.50"))
