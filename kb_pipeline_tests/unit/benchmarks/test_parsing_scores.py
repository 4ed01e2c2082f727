"""The marks that benchmarks/parsing.py gives: full ones for a perfect result, fewer for each kind of damage."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from labelled.draft import Plan, chinese_number, section_number, write_draft  # noqa: E402
from labelled.labels import Furniture, Heading, Paragraph, Table, Truth  # noqa: E402
from labelled.web import draw_html  # noqa: E402
from parsing_scores import Piece, html_grid, leaks, match_headings, page_accuracy, score, table_scores  # noqa: E402
from parsing_tools import markdown_pieces  # noqa: E402

TITLE = Heading("采购管理办法", 0, 1)
GRID = (("项目", "金额", "占比"), ("预算", "1,200", "35%"), ("合同", "840", "12%"))
TRUTH = Truth(
    name="sample",
    format="pdf",
    language="zh",
    pages=2,
    headings=(TITLE, Heading("第一章 总则", 1, 1), Heading("1.1 范围", 2, 2)),
    paragraphs=(
        Paragraph("采购部应当在每月五日前审核年度预算，并将结果抄送财务中心和内部审计处。", 1),
        Paragraph("金额超过五十万元的合同，还应报法务合规部备案，任何人不得擅自变更其内容。", 2),
    ),
    furniture=(Furniture("明川科技有限公司", "header", 1), Furniture("明川科技有限公司", "header", 2),
               Furniture("第1页", "page number", 1), Furniture("2", "page number", 2)),
    tables=(Table(GRID, ruled=True), Table((("城市", "数量"), ("上海", "17")), ruled=False)),
    flow=(TITLE.text, "第一章 总则"),
)  # fmt: skip


def as_html(grid: Sequence[Sequence[str]]) -> str:
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid)
    return f"<table>{rows}</table>"


def perfect(truth: Truth, *, first_level: int = 1) -> list[Piece]:
    headings = [Piece("heading", h.text, h.level + first_level, h.page) for h in truth.headings]
    texts = [Piece("text", paragraph.text, page=paragraph.page) for paragraph in truth.paragraphs]
    tables = [Piece("table", "\n".join(map(" ".join, t.grid)), html=as_html(t.grid)) for t in truth.tables]
    return [*headings, *texts, *tables]


@pytest.mark.parametrize("first_level", [0, 1, 2])
def test_a_perfect_result_has_full_marks_wherever_its_levels_begin(first_level: int) -> None:
    marks = score(TRUTH, perfect(TRUTH, first_level=first_level))
    assert (marks.heading_text, marks.heading_level, marks.body_recall, marks.whole) == (1, 1, 1, 1)
    assert (marks.removal, marks.ruled, marks.unruled, marks.pages) == (1, 1, 1, 1)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_perfect_result_for_a_drawn_document_has_full_marks(language: str) -> None:
    draft = write_draft(language, random.Random(4), Plan(chapters=4, tables=1.0))
    _, truth = draw_html(draft, random.Random(4), name="drawn")
    marks = score(truth, perfect(truth))
    assert (marks.heading_level, marks.body_recall, marks.whole, marks.ruled) == (1, 1, 1, 1)


def test_missed_and_invented_headings_lower_the_heading_figure() -> None:
    pieces = [Piece("heading", "第一章总则", 1), Piece("heading", "金额", 1)]
    assert score(TRUTH, pieces).heading_text == pytest.approx(2 * 1 / (3 + 2))


def test_levels_that_are_all_equal_are_right_for_one_level_and_the_title() -> None:
    pieces = [replace(piece, level=1) for piece in perfect(TRUTH) if piece.kind == "heading"]
    match = match_headings(TRUTH.headings, pieces)
    assert (len(match.matched), match.right_levels) == (3, 2)


def test_a_heading_may_have_its_automatic_number_or_not() -> None:
    headings = [Heading("总则", 1, numbered="第一章 总则")]
    for text in ("总则", "第一章　总则"):
        assert len(match_headings(headings, [Piece("heading", text, 1)]).matched) == 1


def test_lost_text_lowers_the_recall_and_a_broken_paragraph_is_not_whole() -> None:
    pieces = perfect(TRUTH)
    whole = TRUTH.paragraphs[0].text
    broken = [replace(piece, text=whole[:15] + "\n" + whole[15:]) if piece.text == whole else piece for piece in pieces]
    at = next(number for number, piece in enumerate(pieces) if piece.text == whole)
    halves = [*pieces[:at], Piece("text", whole[:15]), Piece("text", whole[15:]), *pieces[at + 1 :]]
    lost = [replace(piece, text=whole[:15]) if piece.text == whole else piece for piece in pieces]
    assert score(TRUTH, broken).whole == 1
    assert (score(TRUTH, halves).whole, score(TRUTH, halves).body_recall) == (0.5, 1)
    assert (score(TRUTH, lost).body_recall or 1) < 0.8


def test_furniture_in_the_text_is_counted_by_occurrence() -> None:
    pieces = [*perfect(TRUTH), Piece("text", "明川科技有限公司\n第 1 页"), Piece("text", "2")]
    assert leaks(TRUTH, pieces) == {"明川科技有限公司": 1, "第1页": 1, "2": 1}
    assert score(TRUTH, pieces).removal == 0.25


def test_a_running_title_is_no_leak_where_the_title_itself_stands() -> None:
    truth = replace(TRUTH, furniture=(Furniture(TITLE.text, "header", 2),))
    assert score(truth, perfect(truth)).removal == 1
    assert score(truth, [*perfect(truth), Piece("text", TITLE.text)]).removal == 0


def test_nothing_kept_is_not_furniture_removed() -> None:
    marks = score(TRUTH, [])
    assert (marks.removal, marks.body_recall, marks.heading_text, marks.ruled) == (0, 0, 0, 0)


def test_a_table_continued_on_the_next_page_counts_as_one_without_its_repeated_header() -> None:
    parts = [Piece("table", "", html=as_html(rows)) for rows in (GRID[:2], (GRID[0], GRID[2]))]
    assert table_scores([Table(GRID, ruled=True)], parts) == (1, None)


def test_cells_in_the_wrong_column_or_missing_are_wrong() -> None:
    swapped = [GRID[0], GRID[1], (GRID[2][1], GRID[2][0], GRID[2][2])]
    ruled, _ = table_scores([Table(GRID, ruled=True)], [Piece("table", "", html=as_html(swapped))])
    assert ruled == pytest.approx(7 / 9)
    ruled, _ = table_scores([Table(GRID, ruled=True)], [Piece("table", "", html=as_html(GRID[:2]))])
    assert ruled == pytest.approx(2 * 6 / (9 + 6))


def test_the_text_of_a_merged_cell_may_be_repeated() -> None:
    grid = (("地区", "金额", ""), ("", "本年", "上年"), ("上海", "5", "7"))
    table = Table(grid, ruled=True, covered=((0, 2), (1, 0)))
    html = ("<table><tr><td rowspan=2>地区</td><td colspan=2>金额</td></tr><tr><td>本年</td><td>上年</td></tr>"
            "<tr><td>上海</td><td>5</td><td>7</td></tr></table>")  # fmt: skip
    assert [tuple(row) for row in html_grid(html)] == list(grid)
    repeated = (("地区", "金额", "金额"), ("地区", "本年", "上年"), grid[2])
    for text in (html, as_html(repeated)):
        assert table_scores([table], [Piece("table", "", html=text)]) == (1, None)


def test_a_table_where_there_is_none_counts_against_the_unruled_ones() -> None:
    assert table_scores([], [Piece("table", "", html=as_html(GRID))]) == (None, 0)


def test_page_numbers_are_those_of_the_elements_that_hold_the_beginnings() -> None:
    shifted = [replace(piece, page=1) for piece in perfect(TRUTH)]
    assert page_accuracy(TRUTH.paragraphs, shifted) == 0.5
    assert page_accuracy(TRUTH.paragraphs, [replace(piece, page=None) for piece in shifted]) is None


def test_the_error_rate_counts_wrong_characters_and_forgives_furniture() -> None:
    truth = replace(TRUTH, flow=("甲乙丙丁戊", "己庚辛壬癸"))
    pieces = [Piece("text", "明川科技有限公司\n甲乙丙丁 戊\n己庚X壬癸")]
    assert score(truth, pieces, recognised=True).error_rate == pytest.approx(0.1)


def test_markdown_is_read_as_headings_texts_and_tables() -> None:
    markdown = "# **Scope** of\\_it\n\nOne\ntwo.\n\n- item\n\n| a | b |\n|---|---|\n| 1 | x \\| y |\n"
    pieces = [Piece(**piece) for piece in markdown_pieces(markdown)]
    assert [(piece.kind, piece.level) for piece in pieces] == [
        ("heading", 1),
        ("text", None),
        ("text", None),
        ("table", None),
    ]
    assert [piece.text for piece in pieces[:3]] == ["Scope of_it", "One\ntwo.", "item"]
    assert html_grid(pieces[3].html or "") == [["a", "b"], ["1", "x | y"]]


@pytest.mark.parametrize(("number", "text"), [(1, "一"), (10, "十"), (11, "十一"), (20, "二十"), (35, "三十五")])
def test_chinese_numbers_are_written_as_headings_have_them(number: int, text: str) -> None:
    assert chinese_number(number) == text
    assert section_number("chapter", "zh", (number,)) == f"第{text}章"
