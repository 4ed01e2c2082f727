"""Phrases and words to be left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.search.query import Query, parse_query, query_condition
from kb_pipeline.store.conditions import And, Node, Not, Or, Says


def as_it_is(text: str) -> list[str]:
    return [text]


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("annual leave", Query("annual leave")),
        ('"annual leave" days', Query("annual leave days", phrases=("annual leave",))),
        ("“数据安全”管理", Query("数据安全 管理", phrases=("数据安全",))),
        ("leave -sick", Query("leave", without_words=("sick",))),
        ('leave -"sick leave"', Query("leave", without_phrases=("sick leave",))),
        ("合同 -租赁", Query("合同", without_words=("租赁",))),
        ("-5 degrees", Query("-5 degrees")),
        ("ISO-9001 well-known -- x", Query("ISO-9001 well-known -- x")),
        ('a 5" pipe', Query('a 5" pipe')),
        ("-all -of", Query("", without_words=("all", "of"))),
    ],
)
def test_signs_are_read(typed: str, query: Query) -> None:
    assert parse_query(typed) == query


@pytest.mark.parametrize(
    ("typed", "condition"),
    [
        ("annual leave", None),
        ('"annual leave"', Says("'annual':AB <1> 'leave':AB")),
        ('"数据安全"', Says("'数据':AB <1> '据安':AB <1> '安全':AB")),
        ('"税"', Says("'税':AB")),
        ('"Q/ABC-2023-017"', Says("'q/abc-2023-017':AB <1> 'abc':AB <1> '2023':AB <1> '017':AB")),
        ('"5万元"', Says("'5万':AB <1> '万元':AB")),
        ("leave -policies", Not(Says("'polici'"))),
        ("leave -a -b", Not(Or(Says("'a'"), Says("'b'")))),
        ('"a" "b"', And(Says("'a':AB"), Says("'b':AB"))),
        ('"?!" leave', None),
    ],
)
def test_conditions_follow_from_them(typed: str, condition: Node | None) -> None:
    assert query_condition(parse_query(typed), as_it_is) == condition


def test_a_phrase_may_be_stored_in_several_forms() -> None:
    stored = {"call 13800138000": ["call <CN_MOBILE_3fa9c1abcd>", "call 13800138000"]}
    assert query_condition(parse_query('"call 13800138000"'), stored.__getitem__) == Or(
        Says("'call':AB <1> 'cn_mobile_3fa9c1abcd':AB"), Says("'call':AB <1> '13800138000':AB")
    )


def test_a_phrase_is_asked_for_whatever_else_may_stand_for_it() -> None:
    stored = {"hotel limit": ["hotel limit", "?!", "<PERSON_01adaece41>"]}
    assert query_condition(parse_query('"hotel limit"'), stored.__getitem__) == Or(
        Says("'hotel':AB <1> 'limit':AB"), Says("'person_01adaece41':AB")
    )


@given(
    st.text(st.sampled_from("ab -\"“”「」'\\:&|!()<>*年5 .\t") | st.characters(exclude_categories=["Cs"]), max_size=40)
)
def test_whatever_is_typed_is_read(typed: str) -> None:
    query_condition(parse_query(typed), as_it_is)
