"""PDF files made with reportlab, read back through the parser process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from kb_pipeline.errors import EmptyDocument, EncryptedDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.pdf.page_reader import read_page
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


def test_a_picture_without_text_says_so(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.rect(100, 100, 200, 200, fill=1)
    canvas.save()
    with pytest.raises(EmptyDocument, match="no text can be recognized"):
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


def tagged(path: Path) -> None:
    """One page whose heading looks like the body, and whose header is marked as an artifact."""
    content = (
        b"BT /F1 11 Tf /Artifact BMC 72 780 Td (Only this page has this header) Tj EMC "
        b"/H1 <</MCID 0>> BDC 0 -60 Td (Purpose of the rules) Tj EMC "
        b"/P <</MCID 1>> BDC 0 -20 Td (These rules say who may sign which contract and how long it is kept.) Tj EMC ET"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/MarkInfo<</Marked true>>/StructTreeRoot 6 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/StructParents 0"
            b"/Resources<</Font<</F1 5 0 R>>>>>>"
        ),
        b"<</Length " + str(len(content)).encode() + b">>stream\n" + content + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/StructTreeRoot/K 7 0 R/ParentTree 10 0 R>>",
        b"<</Type/StructElem/S/Document/P 6 0 R/K[8 0 R 9 0 R]>>",
        b"<</Type/StructElem/S/H1/P 7 0 R/Pg 3 0 R/K 0>>",
        b"<</Type/StructElem/S/P/P 7 0 R/Pg 3 0 R/K 1>>",
        b"<</Nums[0[8 0 R 9 0 R]]>>",
    ]
    data = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj" % number + body + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 11\n0000000000 65535 f \n%btrailer<</Size 11/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(data),
    )
    path.write_bytes(data + end)


def test_tags_name_headings_and_running_text(tmp_path: Path, parse: Parse) -> None:
    tagged(tmp_path / "a.pdf")
    document = parse(tmp_path / "a.pdf")
    assert [(element.text, element.heading_level) for element in document.elements] == [
        ("Purpose of the rules", 1),
        ("These rules say who may sign which contract and how long it is kept.", None),
    ]
    assert [(item.reason, item.text) for item in document.dropped] == [
        ("page header", "Only this page has this header")
    ]


def test_text_printed_twice_to_look_bold_is_read_once(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for shift in (0, 0.4):
        canvas.drawString(80 + shift, 700, "A bold line")
    canvas.drawString(80, 680, "and one that is not.")
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert "".join(element.text for element in document.elements).count("bold") == 1
    assert document.coverage == 1.0


def test_text_printed_twice_in_pieces_is_bold(tmp_path: Path) -> None:
    """As a program writes a bold heading whose letters are in several fonts: all pieces, and then all again."""
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for shift in (0, 0.3):
        for number in range(8):
            canvas.drawString(80 + 20 * number + shift, 700, f"{number}a")
    canvas.drawString(80, 680, "One sentence that is printed once.")
    canvas.drawString(80, 660, "l")
    canvas.drawString(82.7, 660, "l")
    canvas.save()
    document = pdfium.PdfDocument(tmp_path / "a.pdf")
    try:
        spans = read_page(document, 0).spans
    finally:
        document.close()
    assert {span.text: span.bold for span in spans} == {
        "0a 1a 2a 3a 4a 5a 6a 7a": True,
        "One sentence that is printed once.": False,
        "ll": False,
    }


def test_each_letter_printed_twice_on_one_place_is_read_once(tmp_path: Path, parse: Parse) -> None:
    """As browsers do where a font has no bold face; letters of which ligatures are made, too."""
    canvas = Canvas(str(tmp_path / "a.pdf"))
    x = 80.0
    for character in "stable official office":
        for _ in range(2):
            canvas.drawString(x, 700, character)
        x += pdfmetrics.stringWidth(character, "Helvetica", 12)
    canvas.drawString(80, 680, "A sentence about the stable office that is printed once.")
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert " ".join(element.text for element in document.elements) == (
        "stable official office A sentence about the stable office that is printed once."
    )


def test_what_is_filled_into_a_form_is_read_where_it_stands(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.drawString(80, 720, "Product:")
    canvas.acroForm.textfield(name="product", value="Hydraulic pump", x=140, y=712, width=200, height=20)
    canvas.drawString(80, 600, "Further conditions are on the back of this sheet.")
    canvas.save()
    (first, second) = parse(tmp_path / "a.pdf").elements
    assert first.text.split() == ["Product:", "Hydraulic", "pump"]
    assert second.text.startswith("Further conditions")


def test_a_stamp_that_lets_the_text_through_is_dropped(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for number in range(3):
        canvas.setFont("Helvetica", 11)
        canvas.drawString(80, 500, f"Sentence {number} of the body of this document.")
        canvas.setFillAlpha(0.25)
        canvas.setFont("Helvetica", 40)
        canvas.drawString(120, 490, "INTERNAL")
        canvas.showPage()
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert {(item.reason, item.text) for item in document.dropped} == {("watermark", "INTERNAL")}
    assert "INTERNAL" not in "".join(element.text for element in document.elements)


def test_vertical_chinese_is_read_from_the_right(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont(SONG, 12)
    for column, text in enumerate(("床前明月光疑是地上霜", "举头望明月低头思故乡")):
        for row, character in enumerate(text):
            canvas.drawString(500 - 30 * column, 750 - 14 * row, character)
    canvas.save()
    text = "".join(element.text for element in parse(tmp_path / "a.pdf").elements)
    assert text == "床前明月光疑是地上霜举头望明月低头思故乡"


def test_a_text_layer_of_wrong_letters_counts_as_unmapped(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(80, 700, "ÄÖÜßéèêàçñøåæÐÞ¼½¾±²³ÄÖÜßéèêàçñøåæÐÞ")
    canvas.save()
    document = pdfium.PdfDocument(tmp_path / "a.pdf")
    assert read_page(document, 0).unmapped_share == 1.0
    document.close()


_WITHOUT_FONTS = """
import ctypes, sys
import pypdfium2.raw as pdfium_c
pdfium_c.FPDF_DestroyLibrary()
folders = (ctypes.POINTER(ctypes.c_char) * 2)(ctypes.create_string_buffer(sys.argv[1].encode()), None)
pdfium_c.FPDF_InitLibraryWithConfig(pdfium_c.FPDF_LIBRARY_CONFIG(version=2, m_pUserFontPaths=folders))
from pathlib import Path
from kb_pipeline.errors import DocumentError
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.pdf.reader import read_pdf
for path in map(Path, sys.argv[2:]):
    try:
        print(sum(len(element.text) for element in read_pdf(path.read_bytes(), limits=ParseLimits()).elements))
    except DocumentError as error:
        print(error)
"""


def test_text_that_is_lost_for_want_of_a_chinese_font_fails_its_document(tmp_path: Path) -> None:
    """Set character by character, most of it is lost without a font; set line by line, nothing is."""
    line = "公司应当按照规定管理费用并在每个季度结束之后编制报告提交给董事会审议"
    for name, length in (("characters.pdf", 1), ("lines.pdf", len(line))):
        canvas = Canvas(str(tmp_path / name), pagesize=A4)
        canvas.setFont(SONG, 10)
        for row in range(5):
            for column in range(0, len(line), length):
                canvas.drawString(LEFT + 10 * column, TOP - LINE * row, line[row:][column : column + length])
        canvas.save()
    canvas = Canvas(str(tmp_path / "blanks.pdf"), pagesize=A4)
    canvas.drawString(LEFT, TOP, "A statement in English.")
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawString(LEFT, TOP - LINE, " ")  # a blank is no text, and no text is lost with it
    canvas.save()
    (tmp_path / "no fonts").mkdir()
    command = [sys.executable, "-c", _WITHOUT_FONTS, str(tmp_path / "no fonts")]
    done = subprocess.run(
        [*command, *(str(tmp_path / name) for name in ("characters.pdf", "lines.pdf", "blanks.pdf"))],
        capture_output=True,
        text=True,
        check=True,
    )
    failure, characters, english = done.stdout.splitlines()
    assert "this machine has none" in failure
    assert "fonts-wqy-zenhei" in failure
    assert int(characters) >= 5 * (len(line) - 5)
    assert int(english) == len("A statement in English.")


def test_an_element_over_two_pages_names_the_last(tmp_path: Path, parse: Parse) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    for text in ("The first half of a sentence that goes on over", "the end of the page it began on."):
        canvas.drawString(80, 400, text)
        canvas.showPage()
    canvas.save()
    (element,) = parse(tmp_path / "a.pdf").elements
    assert (element.page_number, element.metadata) == (1, {"page_end": 2})


def test_raised_and_lowered_text_keeps_its_meaning(tmp_path: Path, parse: Parse) -> None:
    path = tmp_path / "raised.pdf"
    drawing = Canvas(str(path))
    text = drawing.beginText(72, 700)
    for piece, size, rise in (
        ("The load is 10", 12, 0),
        ("6", 8, 5),
        (" N of CO", 12, 0),
        ("2", 8, -3),
        (" gas", 12, 0),
    ):
        text.setFont("Helvetica", size)
        text.setRise(rise)
        text.textOut(piece)
    drawing.drawText(text)
    drawing.save()
    assert [element.text for element in parse(path).elements] == ["The load is 10⁶ N of CO₂ gas"]


def test_coloured_areas_are_no_rules(tmp_path: Path, parse: Parse) -> None:
    path = tmp_path / "filled.pdf"
    drawing = Canvas(str(path))
    for row in range(6):
        y = 700 - 20 * row
        drawing.setFillGray(0.85)
        drawing.rect(70, y - 6, 120, 20, stroke=0, fill=1)
        drawing.rect(200, y - 6, 200, 20, stroke=0, fill=row % 2)
        drawing.setFillGray(0)
        drawing.drawString(75, y, f"Label {row}")
        for column in range(4):
            drawing.drawRightString(240 + 50 * column, y, str(100 * row + 10 * column))
    drawing.save()
    (element,) = parse(path).elements
    assert element.text.splitlines()[5] == "Label 5 | 500 | 510 | 520 | 530"
    assert len(element.text.splitlines()) == 6


def test_boxes_are_read_as_ticked_or_not_and_comments_are_listed(tmp_path: Path, parse: Parse) -> None:
    path = tmp_path / "form.pdf"
    drawing = Canvas(str(path))
    for name, y, checked in (("Approved:", 700, True), ("Rejected:", 660, False)):
        drawing.drawString(72, y, name)
        drawing.acroForm.checkbox(name=name, x=160, y=y - 3, size=14, checked=checked)
    drawing.textAnnotation("Who signs this?", Rect=(300, 700, 320, 720))
    drawing.save()
    document = parse(path)
    text = " ".join(element.text for element in document.elements)
    assert "Approved: ☑" in text
    assert "Rejected: ☐" in text
    assert [(item.reason, item.text) for item in document.dropped] == [("comment", "Who signs this?")]
