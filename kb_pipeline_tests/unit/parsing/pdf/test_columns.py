"""Columns are told from tables, and what crosses them divides the page."""

from __future__ import annotations

from kb_pipeline.parsing.pdf.columns import Item, gutters, regions, usual_gutters
from kb_pipeline.parsing.pdf.page import Span


def span(text: str, x0: float, top: float, width: float) -> Span:
    return Span(text, x0, top, x0 + width, top + 10, 10.0, bold=False, baseline=top + 8)


def column(name: str, x0: float, top: float, width: float, count: int, pitch: float = 13) -> list[Item]:
    return [
        span(f"{name}{number:02} a line of the running text", x0, top + pitch * number, width)
        for number in range(count)
    ]


def order(items: list[Item], known: list[float] | None = None) -> list[str]:
    found = regions(items, [], [*gutters(items, []), *(known or [])])
    return [region[0].raw[0] for region in found if isinstance(region[0], Span)]


def test_three_columns_are_read_from_the_left() -> None:
    items = column("C", 400, 100, 150, 12) + column("A", 50, 100, 150, 12) + column("B", 225, 100, 150, 12)
    assert order(items) == ["A", "B", "C"]


def test_an_abstract_over_the_columns_and_a_figure_between_them_divide_the_page() -> None:
    items = [
        *column("T", 50, 20, 500, 4),
        *column("A", 50, 100, 240, 8),
        *column("B", 310, 100, 240, 8),
        *column("F", 60, 230, 480, 2),
        *column("C", 50, 300, 240, 8),
        *column("D", 310, 300, 240, 8),
    ]
    assert order(items) == ["T", "A", "B", "F", "C", "D"]


def test_the_cells_of_a_table_are_no_columns() -> None:
    widths = (40, 110, 60, 90, 30, 75, 50, 100)
    items: list[Item] = [
        span(name * 3, x, 100 + 14 * number, width if x == 50 else width * 0.8)
        for number, width in enumerate(widths)
        for x, name in ((50, "left cell"), (310, "right cell"))
    ]
    assert gutters(items, []) == []


def cells(name: str, x0: float, top: float, count: int) -> list[Item]:
    """The rows of a table without rules, three cells each, whose baselines differ a little as in a scan."""
    return [
        span(f"{name} cell", x0 + 80 * column, top + 13 * number + (number + column) % 3, 40)
        for number in range(count)
        for column in range(3)
    ]


def test_columns_may_hold_a_table_each_whose_rows_are_no_full_lines() -> None:
    items = [
        item
        for name, x0 in (("A", 50), ("B", 310))
        for item in (
            *(span(f"{name} heading", x0, top, 90) for top in (60, 73, 86)),
            *column(name, x0, 100, 240, 7),
            *cells(name, x0, 200, 7),
        )
    ]
    assert order(items) == ["A", "B"]
    assert gutters(cells("A", 50, 100, 12) + cells("B", 310, 100, 12), []) == []


def test_a_sidebar_is_read_apart_from_the_text_beside_it() -> None:
    sidebar = [span("Sidebar line", 50, 103 + 17 * number, 90) for number in range(4)]
    items = [*sidebar, *column("A", 180, 100, 350, 14)]
    assert order(items) == ["S", "A"]


def test_a_gutter_of_other_pages_serves_a_page_with_few_lines() -> None:
    items = column("A", 50, 100, 240, 3) + column("B", 310, 100, 240, 2)
    assert order(items) == ["A"]
    assert order(items, usual_gutters([[300.0], [301.0], []])) == ["A", "B"]


def test_the_last_line_of_a_document_may_stand_alone_at_the_head_of_a_column() -> None:
    items = column("A", 50, 100, 240, 8) + column("B", 310, 100, 60, 1)
    assert order(items) == ["A"]
    assert order(items, [300.0]) == ["A", "B"]
    names: list[Item] = [span(f"{number} name", 50, 100 + 13 * number, 60 + 20 * number) for number in range(8)]
    assert order(names + column("B", 310, 100, 60, 1), [300.0]) == ["0"]
