"""Slides as a person reads them."""

from __future__ import annotations

import io
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Cm, Pt

from kb_pipeline.errors import LimitExceeded
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.office.pptx import read_pptx
from kb_pipeline.parsing.office.reading_order import reading_order
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.tables import html_to_rows

TITLE_ONLY, BLANK, TITLE_AND_CONTENT = 5, 6, 1
DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


def slide(deck: Any, layout: int, title: str | None = None) -> Any:
    added = deck.slides.add_slide(deck.slide_layouts[layout])
    if title is not None:
        added.shapes.title.text = title
    return added


def box(shapes: Any, text: str, left: float, top: float, size: int | None = None) -> Any:
    """A text box of 4 × 2 cm with its corner at (left, top) cm."""
    shape = shapes.add_textbox(Cm(left), Cm(top), Cm(4), Cm(2))
    shape.text_frame.text = text
    if size:
        shape.text_frame.paragraphs[0].runs[0].font.size = Pt(size)
    return shape


def read(deck: Any) -> CleanedDocument:
    out = io.BytesIO()
    deck.save(out)
    return clean_document(read_pptx(out.getvalue(), limits=ParseLimits()))


def texts(document: CleanedDocument) -> list[str]:
    return [element.text for element in document.elements]


def test_each_slide_is_a_page_with_its_title_as_heading_and_its_notes_last() -> None:
    deck = pptx.Presentation()
    for number in (1, 2):
        added = slide(deck, TITLE_AND_CONTENT, f"季度汇报 {number}")
        added.placeholders[1].text = "收入增长\n成本下降"
    added.notes_slide.notes_text_frame.text = "提醒听众"
    document = read(deck)
    assert [(e.category, e.heading_level, e.text, e.page_number) for e in document.elements][3:] == [
        ("Title", 1, "季度汇报 2", 2),
        ("ListItem", None, "收入增长", 2),
        ("ListItem", None, "成本下降", 2),
        ("NarrativeText", None, "提醒听众", 2),
    ]
    assert document.elements[-1].metadata == {"notes": True}
    assert document.page_count == 2
    assert document.coverage == 1.0


def test_columns_are_read_one_after_the_other_and_rows_of_cards_card_by_card() -> None:
    deck = pptx.Presentation()
    added = slide(deck, TITLE_ONLY, "对比")
    for text, left, top in [("右二", 14, 9), ("左一", 1, 5), ("右一", 14, 5.5), ("左二", 1, 9), ("结论", 8, 14)]:
        box(added.shapes, text, left, top)
    assert texts(read(deck)) == ["对比", "左一", "左二", "右一", "右二", "结论"]


def test_what_stands_below_the_head_of_a_column_is_read_after_it_however_far_below() -> None:
    deck = pptx.Presentation()
    added = slide(deck, TITLE_ONLY, "对比")
    for text, left, top in [("右题", 14, 4), ("左一\n左二", 2, 9), ("左题", 2, 4), ("右一\n右二", 14, 9)]:
        box(added.shapes, text, left, top).width = Cm(11)
    assert texts(read(deck)) == ["对比", "左题", "左一", "左二", "右题", "右一", "右二"]


def test_reading_order_cuts_along_the_widest_gap() -> None:
    def cards(column_pitch: float, row_pitch: float) -> list[tuple[str, tuple[float, float, float, float]]]:
        corners = [(row, column, column * column_pitch, row * row_pitch) for row in (0, 1) for column in (0, 1)]
        return [(f"{row}{column}", (x, y, x + 40, y + 40)) for row, column, x, y in corners]

    assert reading_order(cards(50, 100)) == ["00", "01", "10", "11"]
    assert reading_order(cards(100, 50)) == ["00", "10", "01", "11"]
    assert reading_order([("below", (0, 5, 10, 15)), ("above", (0, 0, 10, 10))]) == ["above", "below"]


def test_shapes_in_groups_stand_where_the_group_puts_them() -> None:
    deck = pptx.Presentation()
    added = slide(deck, TITLE_ONLY, "流程")
    group = added.shapes.add_group_shape()
    box(group.shapes, "第二步", 10, 6)
    box(added.shapes, "第一步", 2, 6)
    box(added.shapes, "第三步", 18, 6)
    assert texts(read(deck)) == ["流程", "第一步", "第二步", "第三步"]


def test_a_table_keeps_merged_cells() -> None:
    deck = pptx.Presentation()
    table = slide(deck, TITLE_ONLY, "表").shapes.add_table(2, 3, Cm(1), Cm(5), Cm(10), Cm(3)).table
    for cell, text in zip(table.iter_cells(), ["地区", "收入", "", "华北", "1", "2"], strict=True):
        cell.text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    (element,) = [e for e in read(deck).elements if e.category == "Table"]
    assert html_to_rows(element.html or "") == ([["地区", "收入", "收入"], ["华北", "1", "2"]], True)


def test_a_chart_is_the_table_of_its_values() -> None:
    deck = pptx.Presentation()
    new_data: Any = CategoryChartData  # without types
    data = new_data(number_format="0.0%")
    data.categories = ["一季度", "二季度"]
    data.add_series("增长", (0.125, 0.2))
    frame = slide(deck, TITLE_ONLY, "增长").shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Cm(1), Cm(5), Cm(10), Cm(8), data
    )
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "季度增长"
    document = read(deck)
    (element,) = [e for e in document.elements if e.category == "Table"]
    assert element.text == "季度增长 | 增长\n一季度 | 12.5%\n二季度 | 20.0%"
    assert document.coverage == 1.0


def test_hidden_slides_are_left_out_listed_and_said() -> None:
    deck = pptx.Presentation()
    slide(deck, TITLE_ONLY, "shown")
    slide(deck, TITLE_ONLY, "backup").element.set("show", "0")
    slide(deck, TITLE_ONLY, "last")
    document = read(deck)
    assert [(element.text, element.page_number) for element in document.elements] == [("shown", 1), ("last", 3)]
    assert [(item.reason, item.text, item.page_number) for item in document.dropped] == [("hidden slide", "backup", 2)]
    assert document.warnings[0].startswith("1 hidden slides")


def test_numbers_that_powerpoint_computes_are_shown() -> None:
    deck = pptx.Presentation()
    frame = slide(deck, TITLE_AND_CONTENT, "议程").placeholders[1].text_frame
    frame.text = "总结\n计划\n无编号"
    for paragraph in frame.paragraphs[:2]:
        paragraph._p.get_or_add_pPr().append(parse_xml(f'<a:buAutoNum {DRAWING} type="ea1ChsPeriod"/>'))
    frame.paragraphs[2]._p.get_or_add_pPr().append(parse_xml(f"<a:buNone {DRAWING}/>"))
    found = [(element.category, element.text) for element in read(deck).elements[1:]]
    assert found == [("ListItem", "一. 总结"), ("ListItem", "二. 计划"), ("NarrativeText", "无编号")]


def test_a_slide_without_a_title_is_called_by_its_largest_text_or_by_its_number() -> None:
    deck = pptx.Presentation()
    first = slide(deck, BLANK)
    box(first.shapes, "部门简介", 1, 1, size=32)
    box(first.shapes, "我们负责数据平台的建设与运营。", 1, 6, size=16)
    second = slide(deck, BLANK)
    second.shapes.add_table(1, 2, Cm(1), Cm(5), Cm(10), Cm(3)).table.cell(0, 0).text = "x"
    slide(deck, BLANK).notes_slide.notes_text_frame.text = "图片页的讲稿"
    document = read(deck)
    titles = [(element.text, element.page_number) for element in document.elements if element.category == "Title"]
    assert titles == [("部门简介", 1), ("Slide 2", 2), ("Slide 3", 3)]
    assert document.elements[-1].section_path == ("Slide 3",)
    assert document.coverage == 1.0


def test_footers_and_slide_numbers_are_dropped() -> None:
    deck = pptx.Presentation()
    added = slide(deck, TITLE_ONLY, "T")
    layout: Any = deck.slide_layouts[TITLE_ONLY]
    for placeholder in layout.placeholders:
        if placeholder.placeholder_format.type in (15, 13):  # footer, slide number
            added.shapes.clone_placeholder(placeholder)
            added.placeholders[placeholder.placeholder_format.idx].text = f"x{placeholder.placeholder_format.idx}"
    document = read(deck)
    assert texts(document) == ["T"]
    assert {item.reason for item in document.dropped} == {"page footer", "page number"}


def test_running_text_in_plain_boxes_is_dropped_and_what_changes_is_kept() -> None:
    deck = pptx.Presentation()
    for number in (1, 2, 3, 4):
        added = slide(deck, TITLE_ONLY, f"第 {number} 课")
        box(added.shapes, "成都云岭电气股份有限公司", 1, 17)
        box(added.shapes, f"{number} / 4", 20, 17)
        box(added.shapes, f"练习 {number * 7}", 10, 17)
        box(added.shapes, "同样的正文", 8, 8)
    document = read(deck)
    assert texts(document)[:3] == ["第 1 课", "同样的正文", "练习 7"]
    assert {(item.reason, item.text) for item in document.dropped if item.page_number == 4} == {
        ("page footer", "成都云岭电气股份有限公司"),
        ("page number", "4 / 4"),
    }


def test_more_slides_than_pages_may_be_are_refused() -> None:
    deck = pptx.Presentation()
    slide(deck, BLANK)
    slide(deck, BLANK)
    out = io.BytesIO()
    deck.save(out)
    with pytest.raises(LimitExceeded, match="2 slides"):
        read_pptx(out.getvalue(), limits=ParseLimits(pages=1))


def test_raised_and_lowered_text_keeps_its_meaning() -> None:
    deck = pptx.Presentation()
    paragraph = box(slide(deck, BLANK).shapes, "10", 1, 1).text_frame.paragraphs[0]
    for text, baseline in (("6", "30000"), (" CO", "0"), ("2", "-25000")):
        run = paragraph.add_run()
        run.text = text
        run._r.get_or_add_rPr().set("baseline", baseline)
    assert texts(read(deck)) == ["10⁶ CO₂"]
