"""Tables of texts are found, and ordinary text is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from kb_pipeline.parsing.pdf.aligned import aligned_tables
from kb_pipeline.parsing.pdf.numeric import continued
from kb_pipeline.parsing.pdf.page import Rule, Span
from kb_pipeline.parsing.pdf.rows import rows_of
from kb_pipeline.parsing.pdf.tables import PageTable

from .page_drafts import span

LEFTS = (50, 200, 350)


def texts_in_rows(texts: Sequence[Sequence[str]], pitch: float = 14) -> list[Span]:
    return [
        span(text, x, 100 + pitch * number)
        for number, row in enumerate(texts)
        for text, x in zip(row, LEFTS, strict=False)
        if text
    ]


def tables_of(spans: Sequence[Span], rules: Sequence[Rule] = ()) -> list[PageTable]:
    return [found.table for found in aligned_tables(rows_of(spans), rules)]


def tables_in(texts: Sequence[Sequence[str]], rules: Sequence[Rule] = (), pitch: float = 14) -> list[PageTable]:
    return tables_of(texts_in_rows(texts, pitch), rules)


def test_cells_below_each_other_are_a_table() -> None:
    (table,) = tables_in([("Name", "Price", "Stock"), ("Bolt", "1.50", "20"), ("Nut", "0.20", "7"), ("Gear", "", "1")])
    assert table.rows == (("Name", "Price", "Stock"), ("Bolt", "1.50", "20"), ("Nut", "0.20", "7"), ("Gear", "", "1"))


def test_figures_at_the_right_edge_stand_below_the_name_at_the_left_edge() -> None:
    rows = [
        *(span("Region", 50, 100), span("Sales", 200, 100)),
        *(span(name, 50, top) for name, top in (("East", 114), ("West", 128), ("North", 142))),
        *(span("9.1", 285, top) for top in (114, 128, 142)),
    ]
    (table,) = tables_of(rows)
    assert table.rows == (("Region", "Sales"), ("East", "9.1"), ("West", "9.1"), ("North", "9.1"))


def test_rows_between_horizontal_rules_need_less_evidence() -> None:
    texts = [("Method", "Result"), ("Dense", "good")]
    rules = [Rule(45, y, 300, y) for y in (98, 112, 130)]
    (table,) = tables_in(texts, rules)
    assert table.rows == (("Method", "Result"), ("Dense", "good"))
    assert tables_in(texts) == []


def test_the_lines_of_a_cell_are_joined() -> None:
    rows = [
        *texts_in_rows([("Item", "Remarks", "Sum")]),
        *(span("Bolt", 50, 130), span("made of steel", 200, 130), span("20", 350, 130)),
        span("and zinc", 200, 141),
        *(span("Nut", 50, 160), span("made of brass", 200, 160), span("7", 350, 160)),
        *(span("Gear", 50, 190), span("none", 200, 190), span("1", 350, 190)),
    ]
    (table,) = tables_of(rows)
    assert table.rows[1] == ("Bolt", "made of steel and zinc", "20")
    assert len(table.rows) == 4


def test_a_cell_may_have_many_lines() -> None:
    texts = [("Term", "Meaning"), ("SoC", "a system on a chip"), *[("", "that goes on")] * 4, ("SSD", "a drive")]
    tops = (100, 120, 132, 144, 156, 168, 188)
    rows = [
        span(text, x, top)
        for row, top in zip(texts, tops, strict=True)
        for text, x in zip(row, LEFTS, strict=False)
        if text
    ]
    (table,) = tables_of([*rows, *(span(text, x, 208) for text, x in zip(("US", "a country"), LEFTS, strict=False))])
    assert len(table.rows) == 4
    assert table.rows[1][1].endswith("that goes on that goes on")


def test_text_lists_forms_and_scales_are_no_tables() -> None:
    sentence = "a sentence that goes on and on"
    assert tables_in([(f"{sentence} here", f"{sentence} there")] * 8, pitch=12) == []
    assert tables_in([(f"{n}.", "open the file and look at it") for n in range(1, 6)]) == []
    assert tables_in([("Name:", "Li Wei"), ("Address:", "Hangzhou"), ("Telephone:", "571"), ("Mail:", "x")]) == []
    assert tables_in([(str(tick), "legend") if tick == 80 else (str(tick), "5") for tick in (80, 60, 40, 20, 0)]) == []


def test_a_table_of_contents_is_no_table() -> None:
    assert tables_in([(f"Table {n}", f"Sales of {n} ........ {n}") for n in range(1, 7)]) == []


def test_rows_left_on_the_next_page_belong_to_a_table_of_texts() -> None:
    (table,) = tables_in([("Term", "Meaning", "Source"), *[("corpus", "all of the texts", "handbook")] * 4])
    rest = [
        ("element", "a part of a text", "glossary"),
        ("", "or of a table", ""),
        ("chunk", "what is found", "glossary"),
    ]
    below = [*texts_in_rows(rest), span("The end of the chapter.", 50, 168)]
    found = continued(rows_of(below), table)
    assert found is not None
    assert found.table.rows == (("element", "a part of a text or of a table", "glossary"), rest[2])
    assert continued(rows_of([span("Some text", 80, 100), span("of two", 300, 100)]), table) is None
