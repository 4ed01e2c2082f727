"""RTF as WordPad, Word and converters write it."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.rtf import read_rtf

WORD = (
    rb"{\rtf1\ansi\ansicpg936\deff0{\fonttbl{\f0\fnil\fcharset134 \'cb\'ce\'cc\'e5;}{\f1\fswiss\fcharset0 Arial;}}"
    rb"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s5 \'b1\'ea\'cc\'e2 2;}}"
    rb"{\info{\title \'b1\'ea\'cc\'e2}{\author Li}}{\header\pard Confidential\par}"
    rb"\pard\s1\fs36\b \'b1\'ea\'cc\'e2\par\pard\plain\f0 \'d5\'fd\'ce\'c4\u8364?\u-10179?\u-8704? a\~b{\v hidden}\par"
    rb"\pard\s5 Part\par\pard {\field{\*\fldinst HYPERLINK x}{\fldrslt link}} text{\pict\wmetafile8 0100090000}"
    rb"{\footnote\pard A note.\par}\par"
    rb"{\listtext\u8226?\tab}item\par\trowd\trhdr\cellx1\cellx2\intbl A\cell B\cell\row\intbl 1\cell 2\par x\cell\row"
    rb"\pard After\par}"
)


def test_styles_fonts_fields_notes_lists_and_tables_are_understood() -> None:
    document = read_rtf(WORD)
    assert [(e.category, e.text, e.heading_level) for e in document.elements] == [
        ("Title", "标题", 1),
        ("NarrativeText", "正文€😀 a b", None),
        ("Title", "Part", 2),
        ("NarrativeText", "link text [A note.]", None),
        ("ListItem", "item", None),
        ("Table", "A | B\n1 | 2 x", None),
        ("NarrativeText", "After", None),
    ]
    assert document.metadata == {"title": "标题", "author": "Li"}
    assert {(item.reason, item.text) for item in document.dropped} == {
        ("page header", "Confidential"),
        ("hidden text", "hidden"),
    }
    assert clean_document(document).coverage == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("inside", "texts"),
    [
        (rb"a {\shp{\*\shpinst{\sp{\sn shapeType}{\sv 202}}{\shptxt box\par}}{\shprslt old box}}", ["a box"]),
        (rb"a {\object{\*\objdata 0105}{\result shown}} b\par", ["a shown b"]),
        (rb"{\info{\upr{\title ?}{\*\ud{\title \u26631?}}}}a\par", ["a"]),
        (rb"\trowd\intbl {in\nestcell side\nestcell{\*\nesttableprops\nestrow}}1\cell 2\cell\row", ["in side 1 | 2"]),
    ],
)
def test_boxes_objects_and_nested_tables_show_their_text_and_nothing_else(inside: bytes, texts: list[str]) -> None:
    document = read_rtf(rb"{\rtf1\ansi " + inside + b"}")
    assert [element.text for element in document.elements] == texts
    assert document.metadata == ({"title": "标"} if b"title" in inside else {})


@pytest.mark.parametrize(
    ("start", "text"),
    [(rb"Scope{\footnote\pard\plain Note}", "Scope [Note]"), (rb"{\listtext\pard 1.\tab}Scope", "1. Scope")],
)
def test_a_heading_stays_one_with_a_note_or_a_number_in_it(start: bytes, text: str) -> None:
    data = rb"{\rtf1\ansi{\stylesheet{\s1 heading 1;}}\pard\s1 " + start + rb"\par\pard Text\par}"
    assert [(e.category, e.text) for e in read_rtf(data).elements] == [("Title", text), ("NarrativeText", "Text")]


def test_bold_lines_are_headings_where_there_are_no_styles() -> None:
    body = rb"\par ".join([rb"{\b Scope}", b"Text of it.", rb"{\b Terms}", b"More text.", b"The end."])
    elements = read_rtf(rb"{\rtf1\ansi " + body + rb"\par}").elements
    assert [element.text for element in elements if element.category == "Title"] == ["Scope", "Terms"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2\par}", "Привет"),
        ("{\\rtf1\\ansi\\ansicpg936 裸露的中文\\par}".encode("gb18030"), "裸露的中文"),
        (rb"{\rtf1\ansi\uc2\u20013\'d6\'d0\u25991\'ce\'c4\par}", "中文"),
        (rb"{\rtf1 open", "open"),
        (rb"{\rtf1 a\bin5 {{{{{b\par}", "ab"),
    ],
)
def test_encodings_and_damage(data: bytes, text: str) -> None:
    assert [element.text for element in read_rtf(data).elements] == [text]


@pytest.mark.parametrize("data", [b"{\\rtf1 " + b"{" * 20_000, b"{\\rtf1 " + bytes(range(256)) * 20])
def test_what_is_no_text_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_rtf(data)
