"""Reading order, furniture, headings and ruled grids as pure functions over spans and lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kb_pipeline.parsing.pdf.columns import gutters
from kb_pipeline.parsing.pdf.contents import chart_scales, contents_lines
from kb_pipeline.parsing.pdf.furniture import furniture as furniture_of
from kb_pipeline.parsing.pdf.headings import Bookmark, Paragraph, heading_levels
from kb_pipeline.parsing.pdf.layout import Line, lines_in_reading_order
from kb_pipeline.parsing.pdf.page import Page, Rule, Span
from kb_pipeline.parsing.pdf.paragraphs import Style
from kb_pipeline.parsing.pdf.reader import structure
from kb_pipeline.parsing.pdf.rows import rows_of
from kb_pipeline.parsing.pdf.tables import PageTable, take_tables


def span(text: str, x0: float, top: float, *, size: float = 10.0, width: float | None = None) -> Span:
    wide = width if width is not None else len(text) * size * 0.5
    step = wide / len(text)
    centres = tuple(x0 + step * (index + 0.5) for index in range(len(text)))
    return Span(text, x0, top, x0 + wide, top + size, size, bold=False, centres=centres)


def line(text: str, top: float, page: int = 1) -> Line:
    return Line(text, 50, top, 300, top + 10, 10, bold=False, page_number=page, region=0)


def paragraph(text: str, size: float = 10.0, *, bold: bool = False, page: int = 1) -> Paragraph:
    return Paragraph(text, size, bold, line_count=1, page_number=page, alone=True)


BODY = Style(10.0, bold=False)


def page_of(spans: list[Span], rules: list[Rule], number: int = 1) -> Page:
    return Page(number, 600, 800, tuple(spans), tuple(rules), 0.0)


def furniture(pages: list[Page]) -> Mapping[int, str]:
    return furniture_of(pages, [rows_of(page.spans) for page in pages])


def tables_of(page: Page) -> tuple[list[PageTable], list[Span], list[Rule]]:
    return take_tables(page, rows_of(page.spans))


def lines_of(spans: list[Span]) -> list[Line]:
    return lines_in_reading_order(spans, rows_of(spans), [], 1, (), gutters(spans, ()))


def test_two_columns_are_read_one_after_the_other() -> None:
    left = [span(f"left line number {index:02} of the text", 50, 100 + 12 * index) for index in range(12)]
    right = [span(f"right line number {index:02} of it all", 310, 100 + 12 * index) for index in range(12)]
    title = span("A title that spans the whole page from left to right, so to say", 60, 60, size=14)
    interleaved = [title, *(item for pair in zip(left, right, strict=True) for item in pair)]
    texts = [found.text for found in lines_of(interleaved)]
    assert texts == [title.text, *(item.text for item in left), *(item.text for item in right)]


def test_a_page_of_labels_and_values_is_a_table_and_not_two_columns() -> None:
    spans = [
        item
        for index in range(12)
        for item in (span(f"Label {index}", 50, 100 + 12 * index), span(f"value {index}", 320, 100 + 12 * index))
    ]
    (line,) = lines_of(spans)
    assert line.table is not None
    assert line.table.rows[0] == ("Label 0", "value 0")


def test_running_lines_and_page_numbers_are_furniture() -> None:
    pages = [
        page_of(
            [
                span("ACME annual report 2023", 50, 20),
                span(f"Body {number} text", 50, 400),
                span(f"- {number} -", 50, 780),
            ],
            [],
            number,
        )
        for number in range(1, 5)
    ]
    reasons = furniture(pages)
    found = [[reasons.get(id(item)) for item in page.spans] for page in pages]
    assert found == [["page header", None, "page number"]] * 4


def test_headers_of_left_and_right_pages_and_of_chapters_are_furniture() -> None:
    headers = ["The book", "Chapter one", "The book", "Chapter one", "The book", "Chapter two", "The book"]
    pages = [
        page_of([span(header, 50, 20), span(f"Body {number} text", 50, 300)], [], number)
        for number, header in enumerate(headers, start=1)
    ]
    reasons = furniture(pages)
    assert [reasons.get(id(page.spans[0])) for page in pages] == ["page header"] * 7
    assert not any(id(page.spans[1]) in reasons for page in pages)


def test_footers_of_a_document_of_two_pages_are_furniture() -> None:
    pages = [
        page_of([span("Body", 50, 300), span("ACME Ltd.", 50, 780), span(f"Page {n} of 2", 400, 780)], [], n)
        for n in (1, 2)
    ]
    reasons = furniture(pages)
    assert [reasons.get(id(item)) for item in pages[1].spans] == [None, "page footer", "page number"]


def body_lines(top: float) -> list[Span]:
    return [span(f"line number {index} of the text", 50, top + 14 * index) for index in range(8)]


def test_a_header_that_names_a_numbered_chapter_is_no_footnote() -> None:
    second = [span("3 Scope and duties", 250, 30, size=8), *body_lines(90), span("1 See there", 50, 770, size=8)]
    pages = [page_of(body_lines(90), [], 1), page_of(second, [], 2)]
    reasons = furniture(pages)
    assert [text.text for text in second if id(text) in reasons] == ["3 Scope and duties"]


def test_a_page_number_that_was_misread_does_not_keep_the_footer_beside_it() -> None:
    footer, number = span("ACME report", 50, 770, size=8), span("12", 540, 769, size=10)
    pages = [page_of(body_lines(90), [], 1), page_of([*body_lines(90), footer, number], [], 2)]
    assert furniture(pages) == {id(footer): "page footer", id(number): "page footer"}


def test_the_name_of_a_company_may_end_in_an_abbreviation() -> None:
    footers = [span("ACME Systems Inc.", 50, 770, size=8), span("as told in section two.", 50, 770, size=8)]
    pages = [page_of([*body_lines(90), footer], [], number) for number, footer in enumerate(footers, start=1)]
    assert furniture(pages) == {id(footers[0]): "page footer"}


def test_the_margins_of_a_page_on_its_side_are_those_of_one_that_stands() -> None:
    footer = span("ACME report", 50, 547, size=8)
    pages = [
        Page(number, 800, 600, tuple(texts), (), 0.0)
        for number, texts in ((1, body_lines(90)), (2, [*body_lines(90), footer]))
    ]
    assert furniture(pages) == {id(footer): "page footer"}


def test_text_that_repeats_in_the_middle_of_pages_stays() -> None:
    pages = [page_of([span("Total", 50, 400)], [], number) for number in range(1, 5)]
    assert furniture(pages) == {}


def test_the_head_of_a_table_that_is_repeated_on_each_page_stays() -> None:
    frame = [Rule(45, 20, 45, 700), Rule(250, 20, 250, 700)]
    pages = [page_of([span("Name", 50, 30), span(f"row {number}", 50, 60)], frame, number) for number in range(1, 5)]
    assert furniture(pages) == {}


def test_a_faint_stamp_over_the_text_is_a_watermark() -> None:
    stamps = [replace(span("DRAFT", 100, 400, size=40), faint=True) for _ in range(2)]
    pages = [
        page_of([span("The body of the page. " * 3, 50, 410), stamp], [], number)
        for number, stamp in enumerate(stamps, start=1)
    ]
    assert furniture(pages) == {id(stamp): "watermark" for stamp in stamps}


def test_entries_without_leaders_before_and_after_those_with_leaders_belong_to_the_contents() -> None:
    texts = [
        "Contents",
        "1 Introduction  3",
        "2 Options  5",
        *(f"2.{n} Part ........ {n + 4}" for n in (1, 2, 3)),
        "3 Index  9",
        "In the text  4",
    ]
    page = [line(text, 100 + 12 * index) for index, text in enumerate(texts)]
    assert [id(item) in contents_lines([page]) for item in page] == [True] * 7 + [False]


def test_lines_of_a_table_of_contents_are_recognised() -> None:
    page = [
        line("Scope ........ 3", 100),
        line("目的……………………12", 120),
        line("Terms . . . . . 7", 140),
        line("Body...", 160),
    ]
    assert [id(item) in contents_lines([page]) for item in page] == [True, True, True, False]


def test_figures_that_fall_in_even_steps_are_the_scale_of_a_chart() -> None:
    page = [line(text, 100 + 20 * row) for row, text in enumerate(("Sales", "60%", "40%", "20%", "0%", "2021  2022"))]
    assert [id(item) in chart_scales([page]) for item in page] == [False, True, True, True, True, False]
    years = [line(str(year), 100 + 20 * row) for row, year in enumerate((2019, 2020, 2021, 2022))]
    assert chart_scales([years]) == {}


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
    assert heading_levels(paragraphs, [], BODY) == {0: 1, 1: 2, 2: 3, 4: 4, 6: 2}


def test_bookmarks_decide_where_there_are_some() -> None:
    paragraphs = [paragraph("Report", 20), paragraph("Scope", 12), paragraph("text " * 60), paragraph("Method", 12)]
    assert heading_levels(paragraphs, [Bookmark("Scope", 1, 1)], BODY) == {0: 1, 1: 1, 3: 1}


def test_sections_stay_below_articles_where_appendices_follow_that_look_alike() -> None:
    texts = ["Article I Scope", "Section 1.1 Terms", "Article II Duties", "Section 2.1 Records", "Appendix A Forms"]
    levels = heading_levels([paragraph(text, bold=True) for text in texts], [], BODY)
    assert levels == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}


def test_long_numbered_headings_make_their_look_no_running_text() -> None:
    long = replace(paragraph("1. Approval limits and timeline for every payment request " * 2, 12), line_count=3)
    levels = heading_levels([long, paragraph("2. Scope", 12), paragraph("A sentence of the text.")], [], BODY)
    assert levels == {0: 1, 1: 1}


def test_a_heading_may_take_many_lines_of_a_narrow_column() -> None:
    long = replace(
        paragraph("Approval limits and timeline for every payment request that concerns us", 12), line_count=7
    )
    assert heading_levels([long, paragraph("Scope", 12), paragraph("A sentence of the text.")], [], BODY) == {
        0: 1,
        1: 1,
    }


def test_an_inner_numbering_is_never_above_an_outer_one_by_its_weight() -> None:
    texts = [("第一章 概况", False), ("第一节 收入", True), ("第二章 财务", False), ("第一节 支出", True)]
    paragraphs = [paragraph(text, 14, bold=bold) for text, bold in texts]
    assert heading_levels(paragraphs, [], BODY) == {0: 1, 1: 2, 2: 1, 3: 2}


def test_a_header_beside_a_page_number_may_be_a_little_larger_than_the_text() -> None:
    pages = []
    for number in range(1, 11):
        header = span(f"1.{number} Scope of part {number}", 50, 40, size=10.5)
        beside = span(str(number + 2), 500, 40, size=10.5)
        body = [span(f"Line {row} of the text of page {number}, and more", 50, 100 + 12 * row) for row in range(20)]
        pages.append(page_of([header, beside, *body], [], number))
    found = furniture(pages)
    assert {found.get(id(page.spans[0])) for page in pages} == {"page header"}


def test_sentences_and_captions_are_no_headings() -> None:
    paragraphs = [
        paragraph("body " * 100),
        paragraph("A bold sentence of the text.", bold=True),
        paragraph("表 3 分机构贷款", bold=True),
        paragraph("公司应当遵守规定。", 14),
        paragraph("Warning", bold=True),
        paragraph("提示", 14),
        paragraph("Example 10.2. The options file", bold=True),
        paragraph("-h, --help", bold=True),
        paragraph("[3] Ann Smith. A book about pumps", 14),
    ]
    assert heading_levels(paragraphs, [], BODY) == {}


GRID = [
    *(Rule(50, top, 250, top) for top in (100.0, 120.0, 140.0)),
    Rule(150, 100, 150, 140),
]


def test_a_grid_with_open_sides_is_a_table() -> None:
    spans = [span("name", 60, 105), span("price", 160, 105), span("bolt", 60, 125), span("3.50", 160, 125)]
    (table,), rest, _ = tables_of(page_of([*spans, span("after", 60, 200)], GRID))
    assert table.rows == (("name", "price"), ("bolt", "3.50"))
    assert table.has_header
    assert [item.text for item in rest] == ["after"]


def test_a_span_over_two_cells_is_cut_at_the_rule() -> None:
    joined = span("left right", 120, 105, width=60)
    (table,), _, _ = tables_of(page_of([joined, span("a", 60, 125), span("b", 160, 125)], GRID))
    assert table.rows[0] == ("left", "right")


def test_rows_without_rules_between_them_are_told_by_their_lines() -> None:
    rules = [*(Rule(50, top, 250, top) for top in (100.0, 120.0, 180.0)), Rule(150, 100, 150, 180)]
    spans = [span("name", 60, 105), span("price", 160, 105)]
    for row, (name, price) in enumerate([("bolt", "3.50"), ("nut", "1.20"), ("gear", "9.00")]):
        spans += [span(name, 60, 125 + 18 * row), span(price, 160, 125 + 18 * row)]
    (table,), _, _ = tables_of(page_of(spans, rules))
    assert table.rows == (("name", "price"), ("bolt", "3.50"), ("nut", "1.20"), ("gear", "9.00"))


def test_a_drawing_that_words_cross_is_no_table() -> None:
    spans = [span("a long line of text across the drawing", 10, 105 + 20 * row) for row in range(2)]
    tables, rest, _ = tables_of(page_of(spans, GRID))
    assert tables == []
    assert len(rest) == 2


def test_frames_inside_cells_do_not_make_columns() -> None:
    doubled = [*GRID, Rule(155, 100, 155, 140), Rule(145, 100, 145, 140)]
    spans = [span("name", 60, 105), span("price", 160, 105), span("bolt", 60, 125), span("3.50", 160, 125)]
    (table,), _, _ = tables_of(page_of(spans, [replace(rule) for rule in doubled]))
    assert table.rows == (("name", "price"), ("bolt", "3.50"))


def test_a_footnote_is_called_what_other_formats_call_it() -> None:
    body = [span("The body of the page goes on from line to line and", 50, 100 + 12 * index) for index in range(20)]
    elements, _ = structure([page_of([*body, span("1 Of the year before.", 50, 700, size=8)], [])])
    assert [element.category for element in elements] == ["NarrativeText", "Footnote"]


def notes_of_delivery(rows: range, top: float) -> list[Span]:
    """Rows of numbers, as an invoice has them."""
    return [
        item
        for place, number in enumerate(rows)
        for item in (span(f"Part {number}", 50, top + 14 * place), span(f"{100 + number}", 300, top + 14 * place))
    ]


def test_rows_of_a_table_are_no_furniture_wherever_they_stand() -> None:
    pages = [page_of(notes_of_delivery(range(50 * n, 50 * n + 50), 40), [], n) for n in range(1, 5)]
    assert furniture(pages) == {}


def test_a_number_that_counts_the_pages_is_their_number_wherever_it_stands() -> None:
    ends = (430.0, 520.0, 610.0)
    pages = [page_of([*body_lines(300), span(str(40 + n), 300, top)], [], n) for n, top in enumerate(ends, start=1)]
    assert furniture(pages) == {id(page.spans[-1]): "page number" for page in pages}


SHADED = [Rule(250, y, 450, y) for y in (98, 112, 126, 140)] + [Rule(x, 98, x, 140) for x in (250, 350, 450)]


def test_a_grid_that_cuts_names_off_their_numbers_is_no_table() -> None:
    rows = [("Sales", "1,204", "1,100"), ("Costs", "(804)", "(790)"), ("Income", "400", "310")]
    spans = [
        span(text, x0, 100 + 14 * number)
        for number, row in enumerate(rows)
        for text, x0 in zip(row, (50, 300, 400), strict=True)
    ]
    tables, rest, _ = tables_of(page_of(spans, SHADED))
    assert tables == []
    assert rest == spans


def test_an_empty_column_that_is_ruled_stays() -> None:
    rules = [Rule(50, y, 350, y) for y in (100, 120, 140)] + [Rule(x, 100, x, 140) for x in (50, 150, 250, 350)]
    spans = [span("Bolt", 60, 105), span("20", 260, 105), span("Nut", 60, 125), span("7", 260, 125)]
    (table,), _, _ = tables_of(page_of(spans, rules))
    assert table.rows == (("Bolt", "", "20"), ("Nut", "", "7"))


def test_a_grid_that_only_parts_groups_of_columns_leaves_them_to_their_numbers() -> None:
    rules = [Rule(50, y, 350, y) for y in (100, 120, 140, 160)] + [Rule(x, 100, x, 160) for x in (50, 110, 350)]
    places = (("Cash", 60), ("12", 130), ("34", 220), ("56", 310))
    spans = [span(text, x, top) for top in (105, 125, 145) for text, x in places]
    tables, rest, _ = tables_of(page_of(spans, rules))
    assert tables == []
    assert rest == spans


def test_ticks_stand_in_the_column_that_the_rules_give_them() -> None:
    rules = [Rule(50, y, 350, y) for y in (100, 120, 140, 160)] + [Rule(x, 100, x, 160) for x in (50, 230, 290, 350)]
    texts = [("事项", 60, 105), ("是", 255, 105), ("否", 315, 105), ("是否担保", 60, 125), ("√", 315, 125)]
    texts += [("是否关联", 60, 145), ("√", 255, 145)]
    spans = [span(text, x, top, width=10 * len(text)) for text, x, top in texts]
    (table,), _, _ = tables_of(page_of(spans, rules))
    assert table.rows == (("事项", "是", "否"), ("是否担保", "", "√"), ("是否关联", "√", ""))


def test_two_tables_side_by_side_are_two_where_the_names_of_their_columns_repeat() -> None:
    head = ("Assets", "2023", "2022", "Debts", "2023", "2022")
    rows = ("Cash", "7", "6", "Loans", "4", "3"), ("Stock", "1", "2", "Tax", "", ""), ("Plant", "5", "5", "", "", "")
    table = PageTable(0, 0, 9, 9, (head, *rows))
    left, right = table.side_by_side()
    assert left.rows == (head[:3], ("Cash", "7", "6"), ("Stock", "1", "2"), ("Plant", "5", "5"))
    assert right.rows == (head[3:], ("Loans", "4", "3"), ("Tax", "", ""))
    for other in (("", "2023", "%", "2023", "%", "Note"), ("Assets", *["All of them"] * 5)):
        whole = PageTable(0, 0, 9, 9, (other, *rows))
        assert whole.side_by_side() == [whole]


def test_a_row_of_numbers_is_no_heading() -> None:
    texts = [
        "Part 180  873  2377.52",
        "Cash and what is like cash  180  873",
        "Overview 2023",
        "Our plans for 2022 – 2023",
    ]
    rows = [paragraph(text, 14, bold=True) for text in texts]
    assert heading_levels([*rows, paragraph("text of the body, which is longer than that")], (), BODY) == {2: 1, 3: 1}
