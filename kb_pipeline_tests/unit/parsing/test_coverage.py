"""Text that was lost or read twice is said in a warning."""

from __future__ import annotations

from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element


def warnings_of(*elements: Element, characters: int) -> tuple[str, ...]:
    return clean_document(ParsedDocument(elements, source_characters=characters)).warnings


def test_text_lost_or_read_twice_is_said() -> None:
    text = Element("NarrativeText", "a" * 100)
    assert warnings_of(text, characters=100) == ()
    assert "Only 83.3%" in warnings_of(text, characters=120)[0]
    assert "some of it twice" in warnings_of(text, characters=90)[0]


def test_a_table_that_says_its_numbers_twice_is_said() -> None:
    twice = table_element(
        [["Services", "19,604", "19,604"], ["Total", "82,959", "82,959"]], header=False, page_number=4
    )
    once = table_element([["Services", "19,604", "5"], ["Total", "82,959", "5"], ["Rest", "0", "0"]], header=False)
    assert twice is not None
    assert once is not None
    (warning,) = clean_document(ParsedDocument((twice, once))).warnings
    assert "1 tables" in warning
    assert "(pages 4)" in warning
