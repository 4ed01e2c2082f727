"""OpenDocument text as a word processor shows it."""

from __future__ import annotations

import io
import zipfile

import pytest

from kb_pipeline.errors import EncryptedDocument, LimitExceeded
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.office.odt import read_odt
from kb_pipeline.parsing.tables import html_to_rows

NAMES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in [
        ("office", "office"),
        ("style", "style"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("fo", "xsl-fo-compatible"),
    ]
)
PAGE_STYLES = """<office:master-styles><style:master-page style:name="Standard">
<style:header><text:p>内部资料</text:p></style:header></style:master-page></office:master-styles>"""
OUTLINE = """<office:styles><text:outline-style>
<text:outline-level-style text:level="1" style:num-format="一, 二, 三, ..." style:num-prefix="第"
 style:num-suffix="章"/>
<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/>
</text:outline-style></office:styles>"""


def document(body: str, *, automatic: str = "", styles: str = "", manifest: str = "") -> CleanedDocument:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        target.writestr(
            "content.xml",
            f"<office:document-content {NAMES}><office:automatic-styles>{automatic}</office:automatic-styles>"
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
        )
        target.writestr("styles.xml", f"<office:document-styles {NAMES}>{styles}</office:document-styles>")
        target.writestr("META-INF/manifest.xml", manifest)
    return clean_document(read_odt(out.getvalue()))


def texts(found: CleanedDocument) -> list[str]:
    return [element.text for element in found.elements]


def test_headings_have_levels_and_the_numbers_of_the_outline() -> None:
    found = document(
        '<text:h text:outline-level="1">总则</text:h><text:h text:outline-level="2">目的</text:h>'
        '<text:p>正文</text:p><text:h text:outline-level="1">附则</text:h>',
        styles=OUTLINE,
    )
    assert [(e.text, e.heading_level) for e in found.elements if e.category == "Title"] == [
        ("第一章 总则", 1),
        ("一.1 目的", 2),
        ("第二章 附则", 1),
    ]
    assert found.coverage == 1.0


def test_lists_show_their_numbers_and_bullets_do_not() -> None:
    styles = (
        '<text:list-style style:name="N"><text:list-level-style-number text:level="1" style:num-format="1" '
        'style:num-suffix="."/><text:list-level-style-bullet text:level="2" text:bullet-char="•"/></text:list-style>'
    )
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>"
    inner = "<text:list>" + item.format("要点", "") + "</text:list>"
    found = document(
        '<text:list text:style-name="N">' + item.format("甲", inner) + item.format("乙", "") + "</text:list>"
        '<text:list text:style-name="N" text:continue-numbering="true">' + item.format("丙", "") + "</text:list>",
        automatic=styles,
    )
    assert [(e.category, e.text) for e in found.elements] == [
        ("ListItem", "1. 甲"),
        ("ListItem", "要点"),
        ("ListItem", "2. 乙"),
        ("ListItem", "3. 丙"),
    ]


def test_white_space_notes_comments_and_text_boxes() -> None:
    found = document(
        "<text:p>a\n   b<text:s text:c='2'/>c<text:tab/>d"
        "<office:annotation><text:p>comment</text:p></office:annotation>"
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>note</text:p></text:note-body>"
        "</text:note><draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame> end</text:p>"
    )
    assert [(e.category, e.text) for e in found.elements] == [
        ("NarrativeText", "a b c d end"),
        ("NarrativeText", "box"),
        ("Footnote", "note"),
    ]
    assert found.coverage == 1.0


def test_deleted_and_hidden_text_and_contents_are_not_part_of_the_text() -> None:
    found = document(
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        "<text:table-of-content><text:index-body><text:p>总则 1</text:p></text:index-body></text:table-of-content>"
        '<text:p>shown <text:span text:style-name="H">hidden</text:span></text:p>',
        automatic='<style:style style:name="H" style:family="text"><style:text-properties text:display="none"/>'
        "</style:style>",
        styles=PAGE_STYLES,
    )
    assert texts(found) == ["shown"]
    assert {(item.reason, item.text) for item in found.dropped} == {
        ("page header", "内部资料"),
        ("table of contents", "总则 1"),
        ("hidden text", "hidden"),
    }
    assert found.coverage == 1.0


def test_tables_keep_spans_and_header_rows() -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    found = document(
        "<table:table><table:table-header-rows><table:table-row>"
        + cell.format("地区")
        + '<table:table-cell table:number-columns-spanned="2"><text:p>收入</text:p></table:table-cell>'
        "<table:covered-table-cell/></table:table-row></table:table-header-rows>"
        "<table:table-row>" + "".join(map(cell.format, ["华北", "1", "2"])) + "</table:table-row></table:table>"
    )
    assert html_to_rows(found.elements[0].html or "") == ([["地区", "收入", "收入"], ["华北", "1", "2"]], True)


def test_soft_and_hard_page_breaks_tell_the_pages() -> None:
    found = document(
        '<text:p>one</text:p><text:p text:style-name="B">two</text:p>'
        "<text:p>be<text:soft-page-break/>gins on two</text:p>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row>"
        "<text:soft-page-break/></table:table><text:p>four</text:p>",
        automatic='<style:style style:name="B" style:family="paragraph"><style:paragraph-properties '
        'fo:break-before="page"/></style:style>',
    )
    assert [element.page_number for element in found.elements] == [1, 2, 2, 3, 4]


def test_a_password_is_said() -> None:
    with pytest.raises(EncryptedDocument):
        document("", manifest="<manifest:encryption-data/>")


def test_raised_and_lowered_text_keeps_its_meaning() -> None:
    found = document(
        '<text:p>10<text:span text:style-name="up">6</text:span> CO<text:span text:style-name="down">2</text:span>'
        ' <text:span text:style-name="plain">4</text:span></text:p>',
        automatic="".join(
            f'<style:style style:name="{name}" style:family="text">'
            f'<style:text-properties style:text-position="{position}"/></style:style>'
            for name, position in (("up", "super 58%"), ("down", "-33% 58%"), ("plain", "0% 100%"))
        ),
    )
    assert texts(found) == ["10⁶ CO₂ 4"]


def test_rows_that_repeat_without_end_are_refused() -> None:
    row = '<table:table-row table:number-rows-repeated="1000"><table:table-cell table:number-columns-repeated="1000">'
    with pytest.raises(LimitExceeded, match="more than 2,000,000 cells"):
        document(f"<table:table>{(row + '<text:p>x</text:p></table:table-cell></table:table-row>') * 3}</table:table>")
