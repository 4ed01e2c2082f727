"""Filters as OpenAI's vector stores take them, in the language of `search.filters`.

A *comparison* is {"type": "eq", "key": "year", "value": 2024}, with ne, gt, gte, lt, lte, in or nin; a *compound* is
{"type": "and", "filters": [...]} or one with or. A key is a column, a declared field or `metadata.…`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from kb_pipeline.errors import SettingsError
from kb_pipeline.search.filters import DEEPEST_NESTING

Value = StrictStr | StrictBool | StrictInt | StrictFloat

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_WORD = re.compile(r"[^\W\d]\w*")
_METADATA = "metadata."


class Comparison(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str = Field(min_length=1, max_length=100)
    value: Value | list[Value]


class Compound(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["and", "or"]
    filters: list[Comparison | Compound] = Field(min_length=1)


Filter = Comparison | Compound


def where(node: Filter, depth: int = 0) -> str:
    """The condition as a person would type it. Raises SettingsError."""
    if depth > DEEPEST_NESTING:
        raise SettingsError(f"The filters are nested more than {DEEPEST_NESTING} deep; flatten them.")
    if isinstance(node, Compound):
        return f" {node.type} ".join(f"({where(inner, depth + 1)})" for inner in node.filters)
    column = _column(node.key)
    if node.type in {"in", "nin"}:
        values = node.value if isinstance(node.value, list) else [node.value]
        if not values:
            raise SettingsError(f"The filter {node.type} of {node.key[:40]} lists no value; give some.")
        return f"{column} {'not ' if node.type == 'nin' else ''}in ({', '.join(map(_literal, values))})"
    if isinstance(node.value, list):
        raise SettingsError(f"The filter {node.type} of {node.key[:40]} compares with one value; use in for several.")
    return f"{column} {_OPERATORS[node.type]} {_literal(node.value)}"


def _column(key: str) -> str:
    if key.startswith(_METADATA):
        return f"{_METADATA}{_quoted(key.removeprefix(_METADATA))}"
    if not _WORD.fullmatch(key):
        raise SettingsError("The key of a filter is no name; use a column, a declared field or metadata.<key>.")
    return key


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    number = Decimal(str(value))
    if not number.is_finite():
        raise SettingsError("The value of a filter is no number; send one.")
    return f"{number:f}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
