"""The filter language: what it accepts, what it says about mistakes, and that no value becomes SQL."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from kb_pipeline.errors import SettingsError
from kb_pipeline.search.filters import DEEPEST_NESTING, MOST_CHARACTERS, parse_filter
from kb_pipeline.search.masked_filters import mask_values
from kb_pipeline.store.conditions import (
    COLUMNS,
    And,
    Column,
    Comparison,
    Membership,
    Not,
    NullTest,
    Or,
    compile_condition,
)

PAGE = Column("page_number")
LANGUAGE = Column("language")
SECTION = Column("section_title")
CREATED = Column("created_at")


def test_every_kind_of_predicate_is_read() -> None:
    found = parse_filter(
        "page_number >= 3 and language = 'zh' and section_title like '%年假%' and metadata.author = 'x'"
        " and source_file in ('a','b')"
    )
    assert found == And(
        And(
            And(
                And(Comparison(PAGE, ">=", Decimal(3)), Comparison(LANGUAGE, "=", "zh")),
                Comparison(SECTION, "like", "%年假%"),
            ),
            Comparison(Column("metadata", "author"), "=", "x"),
        ),
        Membership(Column("source_file"), ("a", "b")),
    )


def test_not_binds_tighter_than_and_and_and_tighter_than_or() -> None:
    one, two, three = (Comparison(PAGE, "=", Decimal(n)) for n in (1, 2, 3))
    text = "not page_number = 1 or page_number = 2 and page_number = 3"
    assert parse_filter(text) == Or(Not(one), And(two, three))
    assert parse_filter("not (page_number = 1 or page_number = 2) and page_number = 3") == And(Not(Or(one, two)), three)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("page_number ＞＝ ３", "page_number >= 3"),
        ("page_number ≥ 3", "page_number >= 3"),
        ("page_number 》= 3", "page_number >= 3"),
        ("language ＝ “zh”", "language = 'zh'"),
        ("language！＝‘zh’", "language <> 'zh'"),
        ("language ≠ 'zh'", "language <> 'zh'"),
        ("language == 'zh'", "language = 'zh'"),
        ('language = "zh"', "language = 'zh'"),
        ("language ＝ ＂zh＂", "language = 'zh'"),
        ("language = ”zh“", "language = 'zh'"),
        ("language = 「zh」", "language = 'zh'"),
        ("source_file in （'a'，'b'、“c”）", "source_file in ('a', 'b', 'c')"),
        ("metadata。author = 'x'", "metadata.author = 'x'"),
        ("ｌａｎｇｕａｇｅ = 'zh'\u3000AND\u3000page_number > 1", "language = 'zh' and page_number > 1"),
        ("created_at >= '2024年1月5日'", "created_at >= '2024-01-05'"),
        ("created_at >= '２０２４-０１-０５'", "created_at >= '2024-01-05'"),
        ("Page_Number Is Not Null", "not page_number is null"),
        ("page_number between 2 and 4", "page_number >= 2 and page_number <= 4"),
        ("language not in ('zh')", "not language in ('zh')"),
        ("section_title not like '%x%'", "not section_title like '%x%'"),
    ],
)
def test_what_a_chinese_keyboard_types_means_the_same(typed: str, plain: str) -> None:
    assert parse_filter(typed) == parse_filter(plain)


def test_text_inside_quotes_is_kept_as_it_was_typed() -> None:
    assert parse_filter("section_title = '（一）＝“Ａ”  it''s'") == Comparison(SECTION, "=", "（一）＝“Ａ”  it's")


def test_metadata_keys_can_be_words_of_any_script_or_quoted() -> None:
    assert parse_filter("metadata.作者 = 'x'") == Comparison(Column("metadata", "作者"), "=", "x")
    assert parse_filter("metadata.doc-type = 'x'") == Comparison(Column("metadata", "doc-type"), "=", "x")
    assert parse_filter("metadata.'doc no' is null") == NullTest(Column("metadata", "doc no"))
    assert parse_filter("metadata.draft = true") == Comparison(Column("metadata", "draft"), "=", True)


def test_a_date_stands_for_its_whole_day() -> None:
    day, after = date(2024, 1, 5), date(2024, 1, 6)
    whole = And(Comparison(CREATED, ">=", day), Comparison(CREATED, "<", after))
    assert parse_filter("created_at = '2024-01-05'") == whole
    assert parse_filter("created_at <= '2024-01-05'") == Comparison(CREATED, "<", after)
    assert parse_filter("created_at > '2024-01-05'") == Comparison(CREATED, ">=", after)
    assert parse_filter("created_at in ('2024-01-05', '2024-01-05')") == Or(whole, whole)
    moment = datetime(2024, 1, 5, 14, 30)  # noqa: DTZ001 - in the database's zone
    assert parse_filter("created_at <= '2024-01-05 14:30'") == Comparison(CREATED, "<=", moment)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("pages = 3", 1, "no column pages"),
        ("page_number = 3 and titel = 'x'", 21, "no column titel"),
        ("page_number = '3'", 15, "compared with a number"),
        ("language = zh", 12, "stand in quotes"),
        ("language = 3", 12, "text in quotes"),
        ("language = 'zh", 12, "not closed"),
        ("language 'zh'", 10, "expected a comparison"),
        ("language =", 11, "expected a value"),
        ("(language = 'zh'", 17, "expected )"),
        ("language = 'zh')", 16, "expected `and`"),
        ("language = 'zh' language = 'en'", 17, "expected `and`"),
        ("source_file in ()", 17, "expected a value"),
        ("source_file in 'a'", 16, "expected ("),
        ("page_number like '3'", 13, "not a text"),
        ("section_title like 'a\\'", 20, "backslash"),
        ("created_at > 'yesterday'", 14, "expected a date"),
        ("created_at > '9999-12-31'", 14, "expected a date"),
        ("created_at = 2024", 14, "expected a date"),
        ("metadata. = 'x'", 1, "needs a key"),
        ("metadata.x in (1, 'a')", 16, "either texts or numbers"),
        ("metadata.x > true", 14, "no order"),
        ("language = 'zh'; drop table x", 16, "no meaning"),
        ("language = 'a\0b'", 14, "cannot be stored"),
        ("page_number = " + "9" * 31, 15, "at most 30"),
        ("page_number = 3 and", 20, "expected a column"),
        ("", 1, "expected a column"),
    ],
)
def test_a_mistake_is_pointed_at_and_the_columns_are_listed(text: str, position: int, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_filter(text)
    message = str(raised.value)
    assert message.startswith(f"The filter is wrong at character {position}: ")
    assert problem in message
    assert all(column in message for column in COLUMNS)


def test_length_and_nesting_are_bounded() -> None:
    predicate = "page_number = 1"
    parse_filter("(" * DEEPEST_NESTING + predicate + ")" * DEEPEST_NESTING)
    for text in (
        "(" * (DEEPEST_NESTING + 1) + predicate + ")" * (DEEPEST_NESTING + 1),
        "not " * (DEEPEST_NESTING + 1) + predicate,
        "(" * MOST_CHARACTERS,
        " or ".join([predicate] * MOST_CHARACTERS),
    ):
        with pytest.raises(SettingsError):
            parse_filter(text)
    long = " or ".join([predicate] * (MOST_CHARACTERS // (len(predicate) + 4)))
    assert len(compile_condition(parse_filter(long)).parameters) > 200


def test_values_of_masked_columns_are_masked_and_others_are_not() -> None:
    text = "section_title = '{0}' and not (metadata.x in ('{0}', 'b') or metadata.y = 1)"
    text += " and source_file = '{0}' and language = 'a'"
    masked = mask_values(parse_filter(text.format("a")), lambda value: [value.replace("a", "MASKED")])
    asked = "section_title in ('{0}') and not (metadata.x in ('{0}', 'b') or metadata.y = 1)"
    assert masked == parse_filter(f"{asked.format('MASKED')} and source_file in ('MASKED') and language = 'a'")


@pytest.mark.parametrize(
    ("asked", "looked_up"),
    [
        ("metadata.x = 'a'", "metadata.x in ('A', 'a')"),
        ("metadata.x <> 'a'", "not metadata.x in ('A', 'a')"),
        ("metadata.x in ('a', 'b')", "metadata.x in ('A', 'a', 'B', 'b')"),
        ("metadata.x like '%a_%'", "metadata.x like '%A_%' or metadata.x like '%a_%'"),
        ("metadata.x like '%'", "metadata.x like '%'"),
        ("metadata.x < 'a'", "metadata.x < 'A'"),
    ],
)
def test_a_masked_column_is_compared_with_every_form_of_a_value(asked: str, looked_up: str) -> None:
    found = mask_values(parse_filter(asked), lambda value: list(dict.fromkeys([value.upper(), value])))
    assert found == parse_filter(looked_up)


# --- no value becomes SQL ----------------------------------------------------------------------------

QUOTED = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
WORDS = "and or not in like is null between ( ) , = <> >= 3 -1.5 '2024-01-01' 'x' ' \" “ ” % %s %(a)s {x} ; -- /* \\ $1"
FRAGMENTS = st.sampled_from([*COLUMNS, "metadata.k", "metadata.'k; --'", *WORDS.split()])

# What may stand in a compiled filter once identifiers and placeholders are taken out: the fragments of the
# query file, and nothing of what was typed.
SQL_WORDS = re.compile(
    r"""(?:\s|[()=<>]|->>|'\^-\?\[0-9\]\{1,40\}\(\[\.\]\[0-9\]\{1,40\}\)\?\$'|~|--\ Also\ [^\n]*\n
    |\b(?:AND|OR|NOT|IS|NULL|ANY|LIKE|ILIKE|CASE|WHEN|THEN|END|metadata|numeric)\b|::)*""",
    re.VERBOSE,
)


def leaves(composed: sql.Composable) -> list[sql.Composable]:
    if isinstance(composed, sql.Composed):
        return [leaf for part in composed for leaf in leaves(part)]
    return [composed]


def assert_holds_only_known_sql(text: str) -> None:
    condition = compile_condition(parse_filter(text))
    names = set()
    literal = ""
    for leaf in leaves(condition.sql):
        if isinstance(leaf, sql.Placeholder):
            names.add(leaf._obj)
        elif isinstance(leaf, sql.Identifier):
            assert leaf.as_string() in {f'"{column}"' for column in COLUMNS}
        else:
            assert isinstance(leaf, sql.SQL)
            literal += leaf.as_string()
    assert SQL_WORDS.fullmatch(literal), literal
    assert names == set(condition.parameters)


@given(QUOTED)
def test_a_quoted_value_reaches_the_database_only_as_a_parameter(value: str) -> None:
    quoted = value.replace("'", "''")
    text = f"language = '{quoted}' or metadata.k in ('{quoted}') or not metadata.n = 3"
    assert_holds_only_known_sql(text)
    parameters = list(compile_condition(parse_filter(text)).parameters.values())
    assert value in parameters
    assert [value] in parameters


@given(st.lists(FRAGMENTS | QUOTED, max_size=14).map(" ".join))
def test_any_text_is_a_condition_of_known_pieces_or_a_settings_error(text: str) -> None:
    try:
        parse_filter(text)
    except SettingsError as error:
        assert "the columns are" in str(error)  # noqa: PT017
    else:
        assert_holds_only_known_sql(text)


@given(st.text(max_size=60))
def test_arbitrary_text_never_raises_anything_but_a_settings_error(text: str) -> None:
    try:
        parse_filter(text)
    except SettingsError:
        return
    assert_holds_only_known_sql(text)
