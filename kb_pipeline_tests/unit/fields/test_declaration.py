"""What a field may be called."""

from __future__ import annotations

import pytest
from psycopg import sql

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.declaration import RESERVED, complaint_about_name, field_name
from kb_pipeline.search.filters import _KEYWORDS
from kb_pipeline.settings import load_settings
from kb_pipeline.store.conditions import COLUMNS
from kb_pipeline.store.queries import query


def test_no_field_is_called_as_a_column_of_the_view_or_a_word_of_filters() -> None:
    nothing = {
        "view": sql.Identifier("v"),
        "invoker": sql.SQL("true"),
        "table": sql.Identifier("t"),
        "fields": sql.SQL(""),
        "joined": sql.SQL(""),
    }
    view = query("serving_table", "create_view", **nothing).as_string()
    columns = view.partition("SELECT ")[2].partition("FROM")[0].split(",")
    assert {column.strip().rpartition(" ")[2] for column in columns} <= RESERVED
    assert COLUMNS.keys() | _KEYWORDS <= RESERVED


@pytest.mark.parametrize("name", ["department", "部门", "doc_no", "a1", "groups"])
def test_words_in_small_letters_are_names(name: str) -> None:
    assert complaint_about_name(name) is None


@pytest.mark.parametrize(
    "name", ["content", "Department", "doc no", "1a", "", "a-b", "部" * 21, "x; drop table y", "and"]
)
def test_other_names_are_refused_by_the_settings(name: str) -> None:
    with pytest.raises(SettingsError, match="fields"):
        load_settings(fields={name: "text"})


def test_an_unknown_type_is_refused_and_the_types_are_named() -> None:
    with pytest.raises(SettingsError, match="'text', 'number', 'date', 'boolean' or 'list of text'"):
        load_settings(fields={"tag": "string"})


@pytest.mark.parametrize("pattern", ["finance/", "{content}/", "{department/", "{Department}/"])
def test_a_pattern_names_fields(pattern: str) -> None:
    with pytest.raises(SettingsError, match="sources"):
        load_settings(sources=[{"uri": "/documents", "patterns": [pattern]}])


def test_keys_mean_names() -> None:
    assert [field_name(key) for key in ("Doc No", "doc-no", " Doc.No ")] == ["doc_no"] * 3
