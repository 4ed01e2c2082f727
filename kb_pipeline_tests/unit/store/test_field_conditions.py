"""Conditions on declared fields as SQL: one look at their table for neighbours, negations inside."""

from __future__ import annotations

import re

import pytest

from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.masked_filters import mask_values
from kb_pipeline.store.conditions import compile_condition

FIELDS = {"tag": "text", "date": "date", "groups": "list of text", "draft": "boolean"}


def compiled(text: str) -> str:
    condition = compile_condition(parse_filter(text, FIELDS))  # type: ignore[arg-type]
    return re.sub(r"\s+", " ", condition.sql.as_string().replace('"', ""))


LOOK = "document_id IN (SELECT f.document_id FROM document_fields f WHERE {})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tag = 'x'", LOOK.format("f.tag = %(where_0)s")),
        ("not tag = 'x'", LOOK.format("(NOT f.tag = %(where_0)s)")),
        ("groups = 'x'", LOOK.format("f.groups @> ARRAY[%(where_0)s]::text[]")),
        ("groups in ('x', 'y')", LOOK.format("f.groups && %(where_0)s::text[]")),
        ("draft = true", LOOK.format("f.draft = %(where_0)s")),
        (
            "tag = 'x' and page_number = 1 and tag is not null",
            "(page_number = %(where_0)s AND " + LOOK.format("(f.tag = %(where_1)s AND (NOT f.tag IS NULL))") + ")",
        ),
        (
            "not (tag = 'x' and page_number = 1)",
            "((NOT page_number = %(where_0)s) OR " + LOOK.format("(NOT f.tag = %(where_1)s)") + ")",
        ),
    ],
)
def test_neighbouring_fields_are_one_look(text: str, expected: str) -> None:
    got = compiled(text)
    got = re.sub(r"-- .*? table\. ", "", got)
    assert got == expected


def test_a_value_is_looked_up_in_every_form_that_may_stand_behind_the_name() -> None:
    def forms(text: str) -> list[str]:
        return [text.replace("secret", "<X>"), text, "stand-ins"]

    found = mask_values(parse_filter("tag = 'secret' or groups <> 'secret'", FIELDS), forms)  # type: ignore[arg-type]
    expected = parse_filter("tag in ('<X>', 'secret') or not groups in ('<X>', 'secret')", FIELDS)  # type: ignore[arg-type]
    assert found == expected
