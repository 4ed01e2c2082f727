"""Each format from a real file, made here, through the parser process."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.enum.style import WD_STYLE_TYPE

from kb_pipeline.errors import DocumentError, EncryptedDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline_tests.integration.parsing.conftest import Parse


def titles(document: CleanedDocument) -> list[tuple[str, int | None]]:
    return [(element.text, element.heading_level) for element in document.elements if element.category == "Title"]


def test_docx_keeps_headings_tables_and_drops_running_lines(tmp_path: Path, parse: Parse) -> None:
    source = docx.Document()
    source.sections[0].header.paragraphs[0].text = "内部资料"
    source.sections[0].footer.paragraphs[0].text = "ACME"
    source.add_heading("差旅管理制度", 1)
    source.add_heading("第一条 目的", 2)
    source.add_paragraph("为规范差旅费用，制定本制度。")
    source.add_paragraph("短句", style=source.styles.add_style("自定义", WD_STYLE_TYPE.PARAGRAPH))
    table = source.add_table(2, 2)
    for cell, text in zip([c for row in table.rows for c in row.cells], ["级别", "上限", "经理", "800"], strict=True):
        cell.text = text
    source.save(str(tmp_path / "a.docx"))
    document = parse(tmp_path / "a.docx")
    assert titles(document) == [("差旅管理制度", 1), ("第一条 目的", 2)]
    assert document.elements[2].section_path == ("差旅管理制度", "第一条 目的")
    (found,) = [element for element in document.elements if element.category == "Table"]
    assert found.text == "级别 | 上限\n经理 | 800"
    assert {(item.reason, item.text) for item in document.dropped} == {
        ("page header", "内部资料"),
        ("page footer", "ACME"),
    }


def test_a_sheet_is_a_section_without_pages(tmp_path: Path, parse: Parse) -> None:
    book = openpyxl.Workbook()
    first = book.active
    first.title = "价格表"
    for row in (["产品", "价格"], ["螺栓", 1.5], ["垫圈", 0.3]):
        first.append(row)
    book.create_sheet("Stock").append(["item", "count"])
    book.save(tmp_path / "a.xlsx")
    document = parse(tmp_path / "a.xlsx")
    assert titles(document) == [("价格表", 1), ("Stock", 1)]
    table = document.elements[1]
    assert (table.category, table.page_number, table.section_path) == ("Table", None, ("价格表",))
    assert table.metadata == {"sheet": "价格表"}
    assert "螺栓 | 1.5" in table.text


def test_slides_count_pages_and_only_their_titles_are_headings(tmp_path: Path, parse: Parse) -> None:
    deck = pptx.Presentation()
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"季度汇报 {number}"
        slide.placeholders[1].text = "收入增长"
    slide.notes_slide.notes_text_frame.text = "提醒听众预算"
    deck.save(str(tmp_path / "a.pptx"))
    document = parse(tmp_path / "a.pptx")
    assert titles(document) == [("季度汇报 1", 1), ("季度汇报 2", 1)]
    assert document.page_count == 2
    assert [element.page_number for element in document.elements if element.text == "收入增长"] == [1, 2]
    assert any("提醒听众预算" in element.text for element in document.elements)


HTML = """<html><head><title>Rules</title><meta charset="gb2312"></head><body>
<header>ACME portal</header><nav><a>Home</a></nav>
<h1>规定</h1><p>第一段文字。</p>
<h2>表格</h2>
<table><tr><th rowspan="2">地区</th><th>Q1</th></tr><tr><td>3</td></tr></table>
<article><header><h2>In the article</h2></header><p>Text of the article.</p></article>
<script>track()</script><footer>© ACME</footer></body></html>"""


def test_html_boilerplate_is_dropped_and_listed(tmp_path: Path, parse: Parse) -> None:
    (tmp_path / "a.html").write_bytes(HTML.encode("gb18030"))
    document = parse(tmp_path / "a.html")
    assert titles(document) == [("规定", 1), ("表格", 2), ("In the article", 2)]
    assert {(item.reason, item.text) for item in document.dropped} == {
        ("HTML header", "ACME portal"),
        ("HTML navigation", "Home"),
        ("HTML footer", "© ACME"),
    }
    assert "track" not in repr(document)
    (table,) = [element for element in document.elements if element.category == "Table"]
    assert table.text == "地区 | Q1\n地区 | 3"


def test_text_outside_the_main_part_of_a_page_is_listed(tmp_path: Path, parse: Parse) -> None:
    (tmp_path / "a.html").write_text(
        "<body><div>menu</div><main><h1>T</h1><p>The content of the page.</p></main></body>"
    )
    document = parse(tmp_path / "a.html")
    assert [element.text for element in document.elements] == ["T", "The content of the page."]
    assert [(item.reason, item.text) for item in document.dropped] == [("outside the main content", "menu")]


def test_mail_has_its_subject_as_heading_and_its_headers_as_metadata(tmp_path: Path, parse: Parse) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "合同续签", "li@example.com", "wang@example.com"
    message.set_content("您好：\n\n请查收附件。\n")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="合同.pdf")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    document = parse(tmp_path / "a.eml")
    assert titles(document) == [("合同续签", 1)]
    assert "请查收附件。" in [element.text for element in document.elements]
    assert document.metadata["from"] == "li@example.com"
    assert document.metadata["attachments"] == ["合同.pdf"]
    assert document.warnings == ()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, parse: Parse) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (9 << 20))
    with pytest.raises(LimitExceeded, match="9 MiB"):
        parse(tmp_path / "a.docx")


def test_a_zip_bomb_that_lies_about_its_size_does_no_harm(tmp_path: Path, parse: Parse) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (9 << 20))
    honest, lie = (9 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    (tmp_path / "a.docx").write_bytes(buffer.getvalue().replace(honest, lie))
    with pytest.raises(MalformedDocument):
        parse(tmp_path / "a.docx")


@pytest.mark.parametrize("extension", ["docx", "xlsx", "pptx"])
def test_a_damaged_office_file_names_the_format_and_a_remedy(extension: str, tmp_path: Path, parse: Parse) -> None:
    folder = {"docx": "word", "xlsx": "xl", "pptx": "ppt"}[extension]
    with zipfile.ZipFile(tmp_path / f"a.{extension}", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}/secret.xml", "<SECRET")
    with pytest.raises(MalformedDocument, match=rf"{extension.upper()} \(\w+\); open it") as caught:
        parse(tmp_path / f"a.{extension}")
    assert "SECRET" not in str(caught.value)


def test_an_encrypted_zip_member_means_a_password(tmp_path: Path, parse: Parse) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    data = bytearray(buffer.getvalue())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.docx").write_bytes(data)
    with pytest.raises(EncryptedDocument):
        parse(tmp_path / "a.docx")


@pytest.mark.parametrize(
    "extension", ["pdf", "docx", "xlsx", "xls", "pptx", "msg", "epub", "odt", "rtf", "eml", "html"]
)
@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf1 ", b""])
def test_junk_is_always_a_document_error(extension: str, start: bytes, tmp_path: Path, parse: Parse) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(start + bytes(range(256)) * 20)
    with pytest.raises(DocumentError) as caught:
        parse(path)
    assert "crash" not in type(caught.value).__name__.lower()
