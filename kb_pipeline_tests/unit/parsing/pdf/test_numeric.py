"""Tables that only their numbers show, told from the rows of a page."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.pdf.layout import lines_in_reading_order
from kb_pipeline.parsing.pdf.numeric import continued, numeric_tables
from kb_pipeline.parsing.pdf.page import Span
from kb_pipeline.parsing.pdf.rows import is_number, rows_of
from kb_pipeline.parsing.pdf.tables import PageTable

from .page_drafts import lines, right, span

RIGHTS = (300.0, 380.0)
INCOME = [("Sales", "2,487.0", "2,112.8"), ("Other income", "77.2", "(78.8)"), ("Total", "2,564.2", "2,034.0")]


def tables_in(spans: list[Span]) -> list[PageTable]:
    return [found.table for found in numeric_tables(rows_of(spans))]


@pytest.mark.parametrize(
    "text", ["1,234", "$(5.6)", "12.5%", "—", "N/A", "US$3", "2023E", "25bps", "1.2x", "+3", "1,234⁽¹⁾"]
)
def test_numbers_are_told_with_their_signs_and_units(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["Sales", "Item 1", "June 25", "第3章", "a", "and"])
def test_words_are_no_numbers(text: str) -> None:
    assert not is_number(text)


def test_rows_of_numbers_below_each_other_are_a_table_with_the_names_above_them() -> None:
    (table,) = tables_in(lines([("", "2023", "2022"), *INCOME], RIGHTS))
    assert table.rows == (("", "2023", "2022"), *INCOME)
    assert table.has_header


def test_a_sign_set_apart_belongs_to_its_number() -> None:
    signs = [span("$", 250, 100), span("$", 330, 100), span("%", 392, 114)]
    (table,) = tables_in([*lines(INCOME, RIGHTS), *signs])
    assert table.rows[0] == ("Sales", "$2,487.0", "$2,112.8")
    assert table.rows[1] == ("Other income", "77.2", "(78.8)%")


def test_a_name_over_several_columns_is_said_in_each_and_its_lines_are_one() -> None:
    names = [span("Year ended", 297, 72), *lines([("", "2023", "2022")], RIGHTS, top=86)]
    (table,) = tables_in([*names, *lines(INCOME, RIGHTS)])
    assert table.rows[0] == ("", "Year ended 2023", "Year ended 2022")


def test_names_of_parts_and_lines_of_long_names_stay_in_the_table() -> None:
    rows = [INCOME[0], ("Costs of what was sold:",), INCOME[1], ("Interest and other",), ("income, net", "7", "8")]
    (table,) = tables_in(lines(rows, RIGHTS))
    assert table.rows[1] == ("Costs of what was sold:", "", "")
    assert table.rows[-1] == ("Interest and other income, net", "7", "8")


def test_a_line_of_text_ends_a_table_and_a_caption_is_no_name() -> None:
    text = span("The table above shows the income of the company in each of these years, as audited.", 50, 142)
    caption = span("Table 3. Income of all parts", 200, 72)
    (table,) = tables_in([caption, *lines(INCOME, RIGHTS), text])
    assert table.rows == tuple(INCOME)


def test_a_list_a_contents_page_and_numbers_without_names_are_no_tables() -> None:
    assert tables_in(lines([("1.", "12"), ("2.", "14"), ("3.", "16")], (200,))) == []
    assert tables_in(lines([(f"Part {n} ........", f"{n}") for n in range(1, 6)], (400,))) == []
    assert tables_in(lines([("80", "5"), ("60", "5"), ("40", "5")], (400,))) == []


def test_two_tables_beside_each_other_are_two_where_a_gutter_is_known() -> None:
    beside = [span(f"Item {n}", 330, 100 + 14 * n) for n in range(3)]
    beside += [right(value, 520, 100 + 14 * n) for n, value in enumerate(("10", "20", "30"))]
    left = [item for n, (name, value, _) in enumerate(INCOME) for item in lines([(name, value)], (250,), 100 + 14 * n)]
    spans = [*left, *beside]
    found = lines_in_reading_order(spans, rows_of(spans), [], 1, (), [290.0])
    assert [line.table.rows[0] for line in found if line.table] == [("Sales", "2,487.0"), ("Item 0", "10")]


def test_what_is_left_of_a_table_on_the_next_page_belongs_to_it() -> None:
    (table,) = tables_in(lines([("", "2023", "2022"), *INCOME], RIGHTS))
    rest = continued(rows_of(lines([("Taxes", "180", "873"), ("See the notes",)], RIGHTS, top=40)), table)
    assert rest is not None
    assert rest.table.rows == (("Taxes", "180", "873"),)
    again = continued(rows_of(lines([("", "2023", "2022"), ("Taxes", "180", "873")], RIGHTS, top=40)), table)
    assert again is not None
    assert table.joined(again.table).rows == (("", "2023", "2022"), *INCOME, ("Taxes", "180", "873"))


def test_another_table_on_the_next_page_is_another_table() -> None:
    (table,) = tables_in(lines([("", "2023", "2022"), *INCOME], RIGHTS))
    assert continued(rows_of(lines([("", "Staff", "Sites"), ("North", "180", "873")], RIGHTS, top=40)), table) is None
    assert continued(rows_of(lines([("North", "7")], (560,), top=40)), table) is None
