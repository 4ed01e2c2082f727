"""PDF files made with reportlab, read back through the parser process."""

from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from kb_pipeline.errors import EmptyDocument, EncryptedDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline_tests.integration.parsing.conftest import Parse

SONG = "STSong-Light"
LEFT, TOP, LINE = 80, 740, 18
pdfmetrics.registerFont(UnicodeCIDFont(SONG))


def chinese(path: Path) -> None:
    """Three pages with header and page number; a paragraph that goes on on the next page; a ruled table."""
    canvas = Canvas(str(path), pagesize=A4)
    sentence = "公司应当按照规定管理费用并在每个季度结束之后编制报告提交给董事会审议"
    for number in (1, 2, 3):
        canvas.setFont(SONG, 9)
        canvas.drawString(LEFT, 800, "某某股份有限公司年度报告")
        canvas.drawCentredString(297, 40, f"第 {number} 页 共 3 页")
        canvas.setFont(SONG, 18)
        canvas.drawString(LEFT, TOP, f"第{'一二三'[number - 1]}章 概况{number}")
        canvas.setFont(SONG, 14)
        canvas.drawString(LEFT, TOP - 30, "一、基本情况")
        canvas.setFont(SONG, 12)
        lines = [sentence[:34]] * 3 + ([sentence[:20] + "。"] if number != 2 else [])
        for index, text in enumerate(lines):
            canvas.drawString(LEFT + (24 if index == 0 else 0), TOP - 60 - LINE * index, text if index else text[:32])
        canvas.showPage()
    canvas.setFont(SONG, 12)
    for row, cells in enumerate([("产品", "价格"), ("螺栓", "1.50")]):
        for column, text in enumerate(cells):
            canvas.rect(LEFT + 150 * column, 600 - 24 * row, 150, 24)
            canvas.drawString(LEFT + 150 * column + 6, 607 - 24 * row, text)
    canvas.drawString(LEFT, 500, "以上价格含税。")
    canvas.save()


def columns(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=A4)
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(150, 780, "A paper about two columns")
    canvas.setFont("Helvetica", 10)
    for index in range(20):  # row by row, as some programs write them
        for x, side in ((60, "left"), (310, "right")):
            end = "develop-" if index == 3 else "and goes on to the end"
            begin = "ment" if index == 4 else f"{side}{index:02}"
            canvas.drawString(x, 740 - 13 * index, f"{begin} text of the column {end}")
    canvas.save()


@pytest.fixture
def report(tmp_path: Path, parse: Parse) -> CleanedDocument:
    chinese(tmp_path / "a.pdf")
    return parse(tmp_path / "a.pdf")


def test_chinese_headings_have_levels_and_sections(report: CleanedDocument) -> None:
    titles = [
        (element.text, element.heading_level, element.page_number)
        for element in report.elements
        if element.heading_level
    ]
    assert titles == [
        found
        for number, numeral in enumerate("一二三", start=1)
        for found in ((f"第{numeral}章 概况{number}", 1, number), ("一、基本情况", 2, number))
    ]
    assert report.elements[2].section_path == ("第一章 概况1", "一、基本情况")
    assert report.page_count == 4


def test_lines_are_rejoined_without_spaces(report: CleanedDocument) -> None:
    paragraph = report.elements[2]
    assert paragraph.category == "NarrativeText"
    assert paragraph.text.endswith("。")
    assert len(paragraph.text) == 32 + 34 + 34 + 21
    assert " " not in paragraph.text


def test_running_lines_are_dropped_with_their_reason(report: CleanedDocument) -> None:
    assert [(item.reason, item.page_number) for item in report.dropped if item.reason == "page header"] == [
        ("page header", number) for number in (1, 2, 3)
    ]
    assert [item.text for item in report.dropped if item.reason == "page number"] == [
        f"第 {n} 页 共 3 页" for n in (1, 2, 3)
    ]
    assert "年度报告" not in "".join(element.text for element in report.elements)


def test_a_ruled_table_is_a_table_on_its_page(report: CleanedDocument) -> None:
    (table,) = [element for element in report.elements if element.category == "Table"]
    assert table.page_number == 4
    assert table.html == "<table><tr><th>产品</th><th>价格</th></tr><tr><td>螺栓</td><td>1.50</td></tr></table>"
    assert report.elements[-1].text == "以上价格含税。"


def test_columns_are_read_one_after_the_other_and_words_rejoined(tmp_path: Path, parse: Parse) -> None:
    columns(tmp_path / "a.pdf")
    document = parse(tmp_path / "a.pdf")
    text = " ".join(element.text for element in document.elements)
    assert document.elements[0].heading_level == 1
    assert text.index("left19") < text.index("right00")
    assert "development text" in text


def test_a_tilted_watermark_is_dropped(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(80, 700, "Body of the page.")
    canvas.rotate(45)
    canvas.setFont("Helvetica", 60)
    canvas.drawString(300, 100, "DRAFT")
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert [element.text for element in document.elements] == ["Body of the page."]
    assert [(item.reason, item.text) for item in document.dropped] == [("tilted watermark", "DRAFT")]


def test_a_page_printed_sideways_is_read_as_one_holds_it(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.rotate(90)
    canvas.drawString(100, -200, "First line of the sideways page.")
    canvas.drawString(100, -300, "Second line of it.")
    canvas.rotate(-90)
    canvas.drawString(20, 20, "stamp")
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert [element.text for element in document.elements] == ["First line of the sideways page.", "Second line of it."]
    assert [(item.reason, item.text) for item in document.dropped] == [("text across the reading direction", "stamp")]


def test_bookmarks_give_levels_to_headings_that_look_alike(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for level, text in ((0, "Scope"), (1, "Terms"), (0, "Method")):
        canvas.bookmarkPage(text)
        canvas.addOutlineEntry(text, text, level)
        canvas.drawString(80, 700, text)
        canvas.drawString(80, 660, "A sentence of the body that is clearly longer than the headings.")
        canvas.showPage()
    canvas.save()
    found = [
        (element.text, element.heading_level) for element in parse(tmp_path / "a.pdf").elements if element.heading_level
    ]
    assert found == [("Scope", 1), ("Terms", 2), ("Method", 1)]


def test_a_scan_says_that_it_needs_ocr(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.rect(100, 100, 200, 200, fill=1)
    canvas.save()
    with pytest.raises(EmptyDocument, match="OCR"):
        parse(tmp_path / "a.pdf")


def test_a_password_is_told_from_damage(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "locked.pdf"), encrypt=StandardEncryption("user", "owner"))
    canvas.drawString(80, 700, "text")
    canvas.save()
    with pytest.raises(EncryptedDocument):
        parse(tmp_path / "locked.pdf")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of the kind")
    with pytest.raises(MalformedDocument):
        parse(tmp_path / "broken.pdf")


def test_too_many_pages_are_refused(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for _ in range(21):
        canvas.drawString(80, 700, "text")
        canvas.showPage()
    canvas.save()
    with pytest.raises(LimitExceeded, match="21 pages"):
        parse(tmp_path / "a.pdf")
