"""Word files as a person sees them in Word."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn

from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.office.docx import read_docx
from kb_pipeline.parsing.tables import html_to_rows

MATH = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def saved(file: Any) -> bytes:
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def read(file: Any) -> CleanedDocument:
    return clean_document(read_docx(saved(file)))


def append(file: Any, text: str) -> None:
    """Put a `w:p`, given without namespaces, at the end of the body."""
    declared = text.replace("<w:p", f"<w:p {nsdecls('w', 'r')} {MATH}", 1)
    file.element.body.insert_element_before(parse_xml(declared), "w:sectPr")


def texts(document: CleanedDocument) -> list[str]:
    return [element.text for element in document.elements]


def titles(document: CleanedDocument) -> list[tuple[str, int | None]]:
    return [(element.text, element.heading_level) for element in document.elements if element.category == "Title"]


def dropped(document: CleanedDocument) -> set[tuple[str, str]]:
    return {(item.reason, item.text) for item in document.dropped}


def numbering(file: Any, levels: str) -> str:
    """Add a list with these levels; its id."""
    part = file.part.numbering_part.element
    abstract = parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="77">{levels}</w:abstractNum>')
    part.insert(0, abstract)
    part.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="77"><w:abstractNumId w:val="77"/></w:num>'))
    return "77"


def level(index: int, number_format: str, pattern: str, extra: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="1"/><w:numFmt w:val="{number_format}"/>{extra}'
        f'<w:lvlText w:val="{pattern}"/></w:lvl>'
    )


def number(paragraph: Any, list_id: str, index: int) -> None:
    properties = paragraph._p.get_or_add_pPr()
    properties.append(
        parse_xml(f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{index}"/><w:numId w:val="{list_id}"/></w:numPr>')
    )


# --- headings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("标题 1", 1),
        ("标题 3", 3),
        ("二级标题", 2),
        ("Überschrift 2", 2),
        ("My Heading 4", 4),
        ("Titre 1", 1),
        ("正文", None),
    ],
)
def test_a_style_makes_headings_by_its_name_in_any_language(name: str, expected: int | None) -> None:
    file = docx.Document()
    file.add_heading("Anchor", 1)
    file.add_heading("Anchor", 2)
    file.add_paragraph("标题文字", style=file.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH))
    found = read(file).elements[2]
    assert (found.category == "Title", found.heading_level) == (expected is not None, expected)


def test_an_outline_level_is_inherited_and_a_paragraph_may_change_it() -> None:
    file = docx.Document()
    base = file.styles.add_style("章", WD_STYLE_TYPE.PARAGRAPH)
    base.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))
    derived = file.styles.add_style("章（附录）", WD_STYLE_TYPE.PARAGRAPH)
    derived.base_style = base
    file.add_paragraph("附录一", style=derived)
    as_text = file.add_paragraph("说明文字", style=derived)
    as_text._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="9"/>'))
    plain = file.add_paragraph("直接设定大纲级别")
    plain._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>'))
    assert titles(read(file)) == [("附录一", 2), ("直接设定大纲级别", 1)]


def test_headings_and_lists_show_the_numbers_that_word_computes() -> None:
    file = docx.Document()
    list_id = numbering(
        file,
        level(0, "chineseCountingThousand", "第%1章", '<w:pStyle w:val="Heading1"/>')
        + level(1, "decimal", "%1.%2", "<w:isLgl/>")
        + level(2, "lowerLetter", "(%3)")
        + level(3, "bullet", "•"),
    )
    style = file.styles["Heading 1"].element.get_or_add_pPr()
    style.append(parse_xml(f'<w:numPr {nsdecls("w")}><w:numId w:val="{list_id}"/></w:numPr>'))
    for chapter in ("总则", "附则"):
        file.add_heading(chapter, 1)
        for section in ("目的", "范围"):
            number(file.add_heading(section, 2), list_id, 1)
            number(file.add_paragraph("甲方"), list_id, 2)
            number(file.add_paragraph("乙方"), list_id, 2)
    number(file.add_paragraph("要点"), list_id, 3)
    document = read(file)
    assert titles(document)[:3] == [("第一章 总则", 1), ("1.1 目的", 2), ("1.2 范围", 2)]
    assert titles(document)[3:] == [("第二章 附则", 1), ("2.1 目的", 2), ("2.2 范围", 2)]
    items = [element.text for element in document.elements if element.category == "ListItem"]
    assert items == ["(a) 甲方", "(b) 乙方"] * 4 + ["要点"]


def test_no_space_follows_a_chinese_mark() -> None:
    file = docx.Document()
    list_id = numbering(file, level(0, "chineseCounting", "%1、") + level(1, "chineseCounting", "（%2）"))
    file.add_heading("x", 1)
    number(file.add_heading("工作目标", 2), list_id, 0)
    number(file.add_heading("总体要求", 3), list_id, 1)
    assert titles(read(file))[1:] == [("一、工作目标", 2), ("（一）总体要求", 3)]


def test_a_list_that_starts_anew_counts_from_its_start() -> None:
    file = docx.Document()
    list_id = numbering(file, level(0, "decimal", "%1."))
    number(file.add_paragraph("one"), list_id, 0)
    number(file.add_paragraph("two"), list_id, 0)
    file.part.numbering_part.element.append(
        parse_xml(
            f'<w:num {nsdecls("w")} w:numId="78"><w:abstractNumId w:val="77"/>'
            '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
        )
    )
    number(file.add_paragraph("five"), "78", 0)
    assert texts(read(file)) == ["1. one", "2. two", "5. five"]


def test_without_heading_styles_what_looks_like_a_heading_is_one() -> None:
    file = docx.Document()
    title = file.add_paragraph()
    title.add_run("关于开展安全检查的通知").font.size = docx.shared.Pt(22)
    file.add_paragraph("各部门：")
    for heading, parts in (("一、检查范围", ("（一）办公场所", "（二）生产场所")), ("二、检查方式", ())):
        file.add_paragraph().add_run(heading).bold = True
        file.add_paragraph("为保障安全，现就有关事项通知如下，请各部门认真组织落实，并按时报送检查结果。")
        for part in parts:
            file.add_paragraph(part)
            file.add_paragraph("检查的重点是消防通道、用电线路和危险品的存放，发现问题应当立即整改。")
    file.add_paragraph("2023年5月1日")
    assert titles(read(file)) == [
        ("关于开展安全检查的通知", 1),
        ("一、检查范围", 2),
        ("（一）办公场所", 3),
        ("（二）生产场所", 3),
        ("二、检查方式", 2),
    ]


def test_a_paragraph_of_blanks_changes_no_heading() -> None:
    file = docx.Document()
    file.add_paragraph("\u3000", style="Heading 1")
    for title in ("项目背景", "实施范围"):
        file.add_paragraph().add_run(title).bold = True
        file.add_paragraph("\u3000\u3000")
        file.add_paragraph("正文写在这里，说明这一部分的内容，并且比标题长得多。")
    assert [title for title, _ in titles(read(file))] == ["项目背景", "实施范围"]


def test_bold_paragraphs_are_no_headings_where_styles_make_them() -> None:
    file = docx.Document()
    file.add_heading("Scope", 1)
    file.add_paragraph().add_run("Important").bold = True
    file.add_heading("Terms", 1)
    assert titles(read(file)) == [("Scope", 1), ("Terms", 1)]


# --- tables ----------------------------------------------------------------------------------------


def test_merged_cells_of_a_table_stand_where_they_reach() -> None:
    file = docx.Document()
    table = file.add_table(4, 3)
    for row, values in enumerate(
        [["地区", "2023", "2023"], ["地区", "Q1", "Q2"], ["华北", "1", "2"], ["合计", "", "3"]]
    ):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    for (top, left), (bottom, right), text in [
        ((0, 0), (1, 0), "地区"),
        ((0, 1), (0, 2), "2023"),
        ((3, 0), (3, 1), "合计"),
    ]:
        merged = table.cell(top, left).merge(table.cell(bottom, right))
        merged.text = text
    (element,) = read(file).elements
    assert html_to_rows(element.html or "")[0] == [
        ["地区", "2023", "2023"],
        ["地区", "Q1", "Q2"],
        ["华北", "1", "2"],
        ["合计", "合计", "3"],
    ]
    assert 'rowspan="2"' in (element.html or "")
    assert 'colspan="2"' in (element.html or "")


def test_a_nested_table_follows_the_table_around_it() -> None:
    file = docx.Document()
    outer = file.add_table(1, 2)
    outer.cell(0, 0).text = "outer"
    outer.cell(0, 1).text = "beside"
    inner = outer.cell(0, 1).add_table(2, 2)
    for cell, text in zip(inner._cells, "abcd", strict=True):
        cell.text = text
    assert texts(read(file)) == ["outer | beside", "a | b\nc | d"]


def test_a_table_of_one_cell_is_a_box_around_its_text() -> None:
    file = docx.Document()
    file.add_table(1, 1).cell(0, 0).add_paragraph("注意事项", style="Heading 1")
    assert titles(read(file)) == [("注意事项", 1)]


def test_a_row_that_was_deleted_with_changes_tracked_is_gone() -> None:
    file = docx.Document()
    table = file.add_table(2, 2)
    for cell, text in zip(table._cells, ["a", "b", "gone", "gone"], strict=True):
        cell.text = text
    table.rows[1]._tr.get_or_add_trPr().append(OxmlElement("w:del"))
    assert texts(read(file)) == ["a | b"]


# --- text ------------------------------------------------------------------------------------------


def test_tracked_changes_are_accepted_and_comments_ignored() -> None:
    file = docx.Document()
    append(
        file,
        '<w:p><w:r><w:t xml:space="preserve">The fee is </w:t></w:r><w:del w:id="1" w:author="x"><w:r><w:delText>10'
        '</w:delText></w:r></w:del><w:ins w:id="2" w:author="x"><w:r><w:t>12</w:t></w:r></w:ins>'
        '<w:moveFrom w:id="3" w:author="x"><w:r><w:t>moved</w:t></w:r></w:moveFrom>'
        '<w:r><w:commentReference w:id="0"/></w:r></w:p>',
    )
    append(
        file, '<w:p><w:pPr><w:rPr><w:del w:id="4" w:author="x"/></w:rPr></w:pPr><w:r><w:t>One para</w:t></w:r></w:p>'
    )
    append(file, "<w:p><w:r><w:t>graph.</w:t></w:r></w:p>")
    document = read(file)
    assert texts(document) == ["The fee is 12", "One paragraph."]
    assert document.coverage == 1.0


def test_what_changes_took_out_and_comments_are_listed() -> None:
    file = docx.Document()
    file.add_comment(file.add_paragraph("Penalty is ").runs, text="Too high?\nAsk them.", author="Rev")
    append(file, '<w:p><w:del w:id="1" w:author="x"><w:r><w:delText>five</w:delText></w:r></w:del></w:p>')
    append(file, '<w:p><w:moveFrom w:id="3" w:author="x"><w:r><w:t>A sentence.</w:t></w:r></w:moveFrom></w:p>')
    table = file.add_table(2, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("a", "b", "c", "d"), strict=True):
        cell.text = text
    table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f'<w:del {nsdecls("w")} w:id="9" w:author="x"/>'))
    document = read(file)
    assert dropped(document) == {
        ("deleted text", "five"),
        ("text moved away", "A sentence."),
        ("deleted row", "c d"),
        ("comment", "Too high? Ask them."),
    }
    assert document.coverage == 1.0


def test_hidden_text_and_placeholders_are_dropped_and_listed() -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("Shown")
    paragraph.add_run(" hidden").font.hidden = True
    append(
        file,
        "<w:p><w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>Click here</w:t></w:r></w:sdtContent>"
        "</w:sdt><w:sdt><w:sdtContent><w:r><w:t>Filled in</w:t></w:r></w:sdtContent></w:sdt></w:p>",
    )
    document = read(file)
    assert texts(document) == ["Shown", "Filled in"]
    assert dropped(document) == {("hidden text", "hidden"), ("placeholder of an empty field", "Click here")}
    assert document.coverage == 1.0


def test_a_text_box_is_read_once_and_after_its_paragraph() -> None:
    file = docx.Document()
    box = "<w:txbxContent><w:p><w:r><w:t>框内文字</w:t></w:r></w:p></w:txbxContent>"
    names = (
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:v="urn:schemas-microsoft-com:vml" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    )
    append(
        file,
        f'<w:p {names}><w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx>'
        f"</w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        "<w:r><w:t>Anchor</w:t></w:r></w:p>",
    )
    document = read(file)
    assert texts(document) == ["Anchor", "框内文字"]
    assert document.coverage == 1.0


def test_a_simple_equation_becomes_text() -> None:
    file = docx.Document()
    append(
        file,
        "<w:p><m:oMath><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r>"
        "</m:sup></m:sSup><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></w:p>",
    )
    (element,) = read(file).elements
    assert (element.category, element.text) == ("Formula", "E=mc^2(a+b)/2")


def test_the_text_of_links_and_field_results_is_kept_and_field_codes_are_not() -> None:
    file = docx.Document()
    append(
        file,
        '<w:p><w:hyperlink w:anchor="x"><w:r><w:t xml:space="preserve">see the annex </w:t></w:r></w:hyperlink>'
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> REF x </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>3</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>',
    )
    assert texts(read(file)) == ["see the annex 3"]


def test_a_table_of_contents_is_dropped_and_listed() -> None:
    file = docx.Document()
    append(
        file,
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> TOC \\o "1-3" </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>总则</w:t><w:tab/><w:t>1</w:t></w:r></w:p>',
    )
    append(file, "<w:p><w:r><w:t>附则</w:t><w:tab/><w:t>9</w:t></w:r></w:p>")
    append(file, '<w:p><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>')
    file.add_heading("总则", 1)
    document = read(file)
    assert texts(document) == ["总则"]
    assert dropped(document) == {("table of contents", "总则 1"), ("table of contents", "附则 9")}


def test_page_headers_footers_and_watermarks_are_dropped_and_listed() -> None:
    file = docx.Document()
    header = file.sections[0].header
    header.paragraphs[0].text = "内部资料"
    pict = parse_xml(
        f'<w:p {nsdecls("w")} xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:pict><v:shape><v:textpath string="草稿"/>'
        "</v:shape></w:pict></w:r></w:p>"
    )
    header._element.append(pict)
    file.sections[0].footer.paragraphs[0].text = "第 1 页"
    file.sections[0].first_page_footer.paragraphs[0].text = "unused: the first page is like the others"
    file.add_paragraph("正文")
    document = read(file)
    assert texts(document) == ["正文"]
    assert dropped(document) == {("page header", "内部资料"), ("watermark", "草稿"), ("page footer", "第 1 页")}


def test_a_note_follows_the_paragraph_that_refers_to_it() -> None:
    file = docx.Document()
    append(file, '<w:p><w:r><w:t>Claim</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>')
    file.add_paragraph("Next")
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote><w:footnote w:id="2">'
        "<w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>Source of the claim</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    document = clean_document(read_docx(with_part(saved(file), "word/footnotes.xml", notes)))
    assert [(e.category, e.text) for e in document.elements] == [
        ("NarrativeText", "Claim"),
        ("Footnote", "Source of the claim"),
        ("NarrativeText", "Next"),
    ]


def with_part(data: bytes, name: str, content: str, change: Callable[[str, bytes], bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.namelist():
            target.writestr(member, change(member, source.read(member)) if change else source.read(member))
        if name:
            target.writestr(name, content)
    return out.getvalue()


# --- pages -----------------------------------------------------------------------------------------


def pages(document: CleanedDocument) -> list[int | None]:
    return [element.page_number for element in document.elements]


def test_breaks_that_word_laid_out_tell_the_pages() -> None:
    file = docx.Document()
    file.add_paragraph("one")
    append(
        file,
        "<w:p><w:r><w:t>begins on one, </w:t></w:r><w:r><w:lastRenderedPageBreak/><w:t>ends on two</w:t></w:r></w:p>",
    )
    append(file, '<w:p><w:r><w:br w:type="page"/></w:r></w:p>')
    append(file, "<w:p><w:r><w:lastRenderedPageBreak/><w:t>three, not four</w:t></w:r></w:p>")
    document = read(file)
    assert pages(document) == [1, 1, 3]
    assert document.elements[1].metadata == {"page_end": 2}
    assert document.page_count == 3


def test_the_authors_breaks_tell_the_pages_unless_a_page_would_be_overfull() -> None:
    file = docx.Document()
    file.add_paragraph("one")
    file.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    file.add_paragraph("two")
    file.add_section()
    file.add_paragraph("three").paragraph_format.page_break_before = False
    file.add_paragraph("four").paragraph_format.page_break_before = True
    assert pages(read(file)) == [1, 2, 3, 4]
    file.add_paragraph("much more than a page holds " * 300)
    assert set(pages(read(file))) == {None}


def test_a_document_without_any_break_has_no_page_numbers() -> None:
    file = docx.Document()
    file.add_paragraph("text")
    assert pages(read(file)) == [None]


def test_cells_of_a_row_share_its_page_break() -> None:
    file = docx.Document()
    table = file.add_table(1, 2)
    for cell in table._cells:
        cell.paragraphs[0]._p.append(
            parse_xml(f"<w:r {nsdecls('w')}><w:t>a</w:t><w:lastRenderedPageBreak/><w:t>b</w:t></w:r>")
        )
    file.add_paragraph("after")
    assert pages(read(file)) == [1, 2]


# --- the file --------------------------------------------------------------------------------------


def test_the_strict_form_of_the_standard_reads_the_same() -> None:
    file = docx.Document()
    file.add_heading("总则", 1)
    file.add_paragraph("正文")

    def strict(_: str, content: bytes) -> bytes:
        content = content.replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
        return content.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        )

    document = clean_document(read_docx(with_part(saved(file), "", "", strict)))
    assert titles(document) == [("总则", 1)]
    assert texts(document) == ["总则", "正文"]


def test_damaged_xml_is_read_as_far_as_possible_and_said() -> None:
    file = docx.Document()
    file.add_paragraph("readable")

    def damage(name: str, content: bytes) -> bytes:
        return content.replace(b"</w:body>", b"<w:p><w:r><w:t>also & this") if name == "word/document.xml" else content

    document = read_docx(with_part(saved(file), "", "", damage))
    assert "readable" in [element.text for element in document.elements]
    assert any("damaged" in warning for warning in document.warnings)


def test_a_damaged_part_that_is_read_twice_counts_once() -> None:
    def damage(name: str, content: bytes) -> bytes:
        return content.replace(b"</w:settings>", b"& </w:settings>") if name == "word/settings.xml" else content

    file = docx.Document()
    file.add_paragraph("readable")
    (warning,) = read_docx(with_part(saved(file), "", "", damage)).warnings
    assert warning.startswith("1 damaged")


def test_a_drop_cap_belongs_to_its_paragraph() -> None:
    file = docx.Document()
    append(file, '<w:p><w:pPr><w:framePr w:dropCap="drop"/></w:pPr><w:r><w:t>O</w:t></w:r></w:p>')
    append(file, "<w:p><w:r><w:t>nce upon a time</w:t></w:r></w:p>")
    assert texts(read(file)) == ["Once upon a time"]


def test_a_checked_box_of_a_symbol_font_is_seen() -> None:
    file = docx.Document()
    paragraph = file.add_paragraph()
    run = paragraph.add_run()
    symbol = OxmlElement("w:sym")
    symbol.set(qn("w:font"), "Wingdings")
    symbol.set(qn("w:char"), "F0FE")
    run._r.append(symbol)
    paragraph.add_run(" agreed")
    assert texts(read(file)) == ["☑ agreed"]


def test_one_heading_style_is_enough_for_bold_lines_to_be_text() -> None:
    file = docx.Document()
    file.add_heading("Report", 1)
    for _ in range(3):
        file.add_paragraph("The committee met in the morning and heard the parties one after the other.")
        file.add_paragraph().add_run("Total amount due 1,200").bold = True
    assert titles(read(file)) == [("Report", 1)]


def test_bold_numbered_lines_that_follow_one_another_are_a_list() -> None:
    file = docx.Document()
    file.add_paragraph("操作步骤如下，须依次完成，每一步由操作人与复核人签字确认后方可进行下一步。" * 3)
    for number, text in enumerate(("检查设备", "记录读数", "班长签字"), start=1):
        file.add_paragraph().add_run(f"{number}. {text}").bold = True
    file.add_paragraph("完成后归档。")
    assert titles(read(file)) == []


def test_raised_and_lowered_text_keeps_its_meaning() -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("10")
    paragraph.add_run("6").font.superscript = True
    paragraph.add_run(" N, CO")
    paragraph.add_run("2").font.subscript = True
    paragraph.add_run(", x")
    paragraph.add_run("总").font.subscript = True
    assert texts(read(file)) == ["10⁶ N, CO₂, x_(总)"]
