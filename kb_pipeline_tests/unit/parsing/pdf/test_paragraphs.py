"""Lines become paragraphs over lines, columns and pages; tables go on; footnotes wait."""

from __future__ import annotations

from kb_pipeline.parsing.pdf.layout import Line, with_edges
from kb_pipeline.parsing.pdf.page import Rule
from kb_pipeline.parsing.pdf.paragraphs import Style, blocks, joined_text, mark_notes
from kb_pipeline.parsing.pdf.tables import PageTable

BODY = Style(10.0, bold=False)


def line(
    text: str, top: float, *, page: int = 1, x0: float = 50, x1: float = 500, size: float = 10, bold: bool = False
) -> Line:
    return Line(text, x0, top, x1, top + size, size, bold=bold, page_number=page, region=0)


def texts(pages: list[list[Line]]) -> list[str]:
    return [joined_text(lines) for lines, table in blocks([with_edges(page) for page in pages], BODY) if table is None]


def test_a_paragraph_goes_on_over_a_page_and_its_footnote_comes_after_it() -> None:
    first = [
        line("The first line of a paragraph that goes on and", 700),
        line("on the next page, after its footnote, which says", 714),
        line("1 Something else.", 760, size=8, x1=150),
    ]
    first = mark_notes(first, [], BODY, 800)
    second = [line("nothing of importance.", 60, page=2, x1=160), line("Another paragraph.", 90, page=2, x1=140)]
    assert texts([first, second]) == [
        (
            "The first line of a paragraph that goes on and on the next page, after its footnote, which says "
            "nothing of importance."
        ),
        "1 Something else.",
        "Another paragraph.",
    ]


def test_small_lines_below_a_short_rule_are_footnotes() -> None:
    lines = [line("The body.", 600), line("The author works at a bank.", 740, size=8)]
    assert [item.is_note for item in mark_notes(lines, [Rule(50, 738, 150, 738)], BODY, 800)] == [False, True]
    assert not any(item.is_note for item in mark_notes(lines, [], BODY, 800))


def test_a_bold_beginning_does_not_end_the_paragraph() -> None:
    page = [
        line("我国商业银行资产规模和利润总量逐步扩大，但净息差和资产利润率处下", 100, bold=True),
        line("降趋势。总资产达到一定规模。", 114, x1=200),
    ]
    assert len(texts([page])) == 1


def test_a_quantity_at_the_beginning_of_a_line_is_no_number_of_a_heading() -> None:
    page = [
        line("较上年末高 0.21 个、期限均为", 100),
        line("1 年，利率不变，比上年低 0.5 个百分点，", 114),
        line("下降。", 128, x1=80),
    ]
    assert len(texts([page])) == 1


def test_a_title_over_two_centred_lines_is_one() -> None:
    page = [
        line("A long title about the", 80, x0=150, x1=400, size=18),
        line("structure of documents", 102, x0=140, x1=410, size=18),
        line("The body of the text begins here and is set smaller than the", 150),
        line("title.", 164, x1=90),
    ]
    assert texts([page])[0] == "A long title about the structure of documents"


def test_headings_of_one_size_that_follow_each_other_are_no_paragraph() -> None:
    text = line("The body of the text begins here and is set smaller than the", 250)
    apart = [line("Scope and duties", 80, x1=495, size=13), line("I. Persons concerned", 109, x1=330, size=13)]
    near = [line("Scope and duties of all", 80, x1=495, size=13), line("persons concerned", 97, x1=160, size=13)]
    assert len(texts([[*apart, text]])) == 3
    assert len(texts([[*near, text]])) == 2


def test_a_table_goes_on_on_the_next_page_without_its_repeated_head() -> None:
    def part(rows: tuple[tuple[str, ...], ...], page: int) -> Line:
        table = PageTable(50, 100, 500, 300, rows)
        return Line("", 50, 100, 500, 300, 0.0, bold=False, page_number=page, region=0, table=table)

    first = part((("Name", "Price", "Note"), ("Bolt", "1", "made of")), 1)
    second = part((("Name", "Price", "Note"), ("", "", "steel"), ("Nut", "2", "")), 2)
    ((lines, table),) = blocks([[first], [second]], BODY)
    assert table is not None
    assert table.rows == (("Name", "Price", "Note"), ("Bolt", "1", "made of steel"), ("Nut", "2", ""))
    assert [item.page_number for item in lines] == [1, 2]
