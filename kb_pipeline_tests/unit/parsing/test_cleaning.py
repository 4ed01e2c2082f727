"""Cleaning leaves nothing that PostgreSQL refuses or a reader cannot see."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import EmptyDocument
from kb_pipeline.parsing.cleaning import clean_elements, clean_text
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.parsed import ParsedDocument


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b\x07c", "abc"),
        ("a\ud800b", "ab"),
        ("in\u00advisi\u200bble\ufeff", "invisible"),
        ("e\u0301te\u0301", "été"),
        ("⼈⺠银⾏", "人民银行"),
        ("one\u00a0 \u3000two  ", "one two"),
        ("a\r\nb\r\rc\u2028d", "a\nb\nc\nd"),
        ("ordinary", "ordinary"),
        ("\uf06c point", "point"),
    ],
)
def test_text_is_normalised(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_code_keeps_its_layout() -> None:
    (element,), _ = clean_elements([Element("CodeSnippet", "\nif a:\n    b\n\n    c\n")])
    assert element.text == "if a:\n    b\n\n    c"


def test_page_furniture_is_dropped_with_its_reason() -> None:
    kept, dropped = clean_elements(
        [
            Element("Header", "Confidential", 1),
            Element("NarrativeText", "Body", 1),
            Element("PageNumber", "3", 1),
            Element("PageBreak", ""),
            Element("Footer", "ACME", 1),
            Element("NarrativeText", "\u200b"),
        ]
    )
    assert [element.text for element in kept] == ["Body"]
    assert dropped == [
        DroppedText("page header", "Confidential", 1),
        DroppedText("page number", "3", 1),
        DroppedText("page footer", "ACME", 1),
    ]


def test_tables_and_metadata_are_cleaned_too() -> None:
    (element,), _ = clean_elements(
        [Element("Table", "a\x00", html="<table><tr><td>a\x00</td></tr></table>", metadata={"sheet": "x\x00"})]
    )
    assert (element.text, element.html, element.metadata) == ("a", "<table><tr><td>a</td></tr></table>", {"sheet": "x"})


def test_each_element_carries_the_headings_above_it() -> None:
    document = clean_document(
        ParsedDocument(
            (
                Element("NarrativeText", "before"),
                Element("Title", "A", heading_level=1),
                Element("Title", "A.1.1", heading_level=3),
                Element("NarrativeText", "deep"),
                Element("Title", "A.2", heading_level=2),
                Element("Title", "B", heading_level=1),
                Element("NarrativeText", "last"),
            )
        )
    )
    assert [element.section_path for element in document.elements] == [
        (),
        ("A",),
        ("A", "A.1.1"),
        ("A", "A.1.1"),
        ("A", "A.2"),
        ("B",),
        ("B",),
    ]


def test_a_document_with_nothing_left_is_empty() -> None:
    with pytest.raises(EmptyDocument):
        clean_document(ParsedDocument((Element("Header", "ACME"), Element("NarrativeText", " \x00 "))))


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\u202eb\u2066c\u061cd", "abcd"),
        ("visible\U000e0068\U000e0069", "visible"),
        ("☑\ufe0f done\u3164", "☑ done"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ue81e\ue831", "龴𡗗"),
        ("\U000f0001x", "x"),
    ],
)
def test_what_hides_or_reverses_text_goes_and_what_spells_it_stays(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_code_in_one_line_keeps_its_indentation() -> None:
    assert clean_text(" a = 1", preserve_layout=True) == " a = 1"
