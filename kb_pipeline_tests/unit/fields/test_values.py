"""What was written for a field as a value of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.fields.values import LONGEST_TEXT, as_labelled, complaint, plain_given, typed, without_label

if TYPE_CHECKING:
    from kb_pipeline.fields.declaration import FieldType
    from kb_pipeline.fields.values import Written


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("  finance ", "text", "finance"),
        ("x" * (LONGEST_TEXT + 1), "text", None),
        (["a"], "text", None),
        ("007", "text", "007"),
        ("1,234.50", "number", "1234.50"),
        ("－１２", "number", "-12"),
        ("1e3", "number", "1000"),
        ("1e999999", "number", None),
        ("nan", "number", None),
        ("12 €", "number", None),
        ("9" * 31, "number", None),
        ("2024-03-01", "date", "2024-03-01"),
        ("2024/3/1", "date", "2024-03-01"),
        ("2024年3月1日", "date", "2024-03-01"),
        ("2024-03-01T14:00:00+08:00", "date", "2024-03-01"),
        ("Fri, 01 Mar 2024 14:00:00 +0800", "date", "2024-03-01"),
        ("soon", "date", None),
        ("2024-02-30", "date", None),
        ("9999-12-31", "date", None),
        ("Yes", "boolean", True),
        ("否", "boolean", False),
        ("maybe", "boolean", None),
        (["a", "b", "a", " "], "list of text", ["a", "b"]),
        ("a, b；c", "list of text", ["a", "b", "c"]),
        (["x" * (LONGEST_TEXT + 1)], "list of text", None),
        (["a"] * 1000, "list of text", ["a"]),
    ],
)
def test_a_value_is_read_by_its_type(written: Written, kind: FieldType, value: object) -> None:
    assert typed(written, kind) == value


@given(st.text() | st.lists(st.text()), st.sampled_from(["text", "number", "date", "boolean", "list of text"]))
def test_whatever_is_written_is_a_value_or_none(written: Written, kind: FieldType) -> None:
    typed(written, kind)


def test_what_was_masked_is_no_mistake_and_no_value_but_of_a_text() -> None:
    masked = "<CN_MOBILE_0123456789>"
    assert complaint({"phone": masked, "born": "199***"}, {"phone": "number", "born": "date"}) is None
    assert typed(masked, "number") is None
    assert typed(masked, "text") == masked


def test_a_complaint_names_the_field_and_no_value() -> None:
    assert complaint({"a": "x", "born": "secret"}, {"born": "date"}) == "born is not a date such as 2024-06-30"


def test_nested_values_are_left_out() -> None:
    given_values = {"A b": 1, "c": {"d": 1}, "e": [1, None, "x"], "f": [[1]], "g": None, "h": True, "i": ""}
    assert plain_given(given_values) == {"a_b": "1", "e": ["1", "x"], "h": "true"}


@given(st.text())
def test_a_label_is_taken_off_again(text: str) -> None:
    assert without_label("author", as_labelled("author", text)) == text
    assert without_label("author", "<PERSON_0123456789>: x") is None
