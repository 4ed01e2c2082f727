"""Conditions: which rows of a serving table a query may return.

Terms
  node        a condition as plain data: predicates on columns, joined by Not, And and Or. `search.filters` reads
              one from what a person types.
  condition   the same as SQL with its parameters. Values never become part of the SQL.

As in SQL, a comparison with a missing value holds for no row, and neither does its negation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from psycopg import sql

Kind = Literal["text", "number", "date", "any"]
Operator = Literal["=", "<>", "<", "<=", ">", ">=", "like", "ilike"]
Value = str | int | Decimal | bool | date | datetime

COLUMNS: dict[str, Kind] = {
    "source_file": "text",
    "page_number": "number",
    "page_end": "number",
    "section_title": "text",
    "collection": "text",
    "language": "text",
    "token_count": "number",
    "created_at": "date",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is set when `name` is metadata."""

    name: str
    key: str | None = None

    @property
    def kind(self) -> Kind:
        return "any" if self.key is not None else COLUMNS[self.name]


@dataclass(frozen=True, slots=True)
class Comparison:
    column: Column
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Membership:
    column: Column
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class NullTest:
    column: Column


@dataclass(frozen=True, slots=True)
class Not:
    inner: Node


@dataclass(frozen=True, slots=True)
class And:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Or:
    left: Node
    right: Node


Node = Comparison | Membership | NullTest | Not | And | Or


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL on the columns of a serving table, and its named parameters."""

    sql: sql.Composable
    parameters: Mapping[str, Any] = field(default_factory=dict)


EVERYTHING = Condition(sql.SQL("true"))

_OPERATORS: dict[Operator, sql.SQL] = {
    "=": sql.SQL("="),
    "<>": sql.SQL("<>"),
    "<": sql.SQL("<"),
    "<=": sql.SQL("<="),
    ">": sql.SQL(">"),
    ">=": sql.SQL(">="),
    "like": sql.SQL("LIKE"),
    "ilike": sql.SQL("ILIKE"),
}
_METADATA_TEXT = sql.SQL("(metadata ->> {key})")
# Also numbers that are stored as text; anything else is null and passes no comparison.
_METADATA_NUMBER = sql.SQL(
    "(CASE WHEN metadata ->> {key} ~ '^-?[0-9]{{1,40}}([.][0-9]{{1,40}})?$' THEN (metadata ->> {key})::numeric END)"
)


def compile_condition(node: Node | None) -> Condition:
    """`node` as SQL; None is every row."""
    return EVERYTHING if node is None else _Compiler().condition(node)


@dataclass(slots=True)
class _Compiler:
    parameters: dict[str, Value | list[Value]] = field(default_factory=dict)

    def condition(self, node: Node) -> Condition:
        return Condition(self.compile(node), self.parameters)

    def compile(self, node: Node) -> sql.Composable:
        match node:
            case Comparison(column, operator, value):
                stored = _stored(column, value)
                return sql.SQL(" ").join([self.column(column, stored), _OPERATORS[operator], self.bind(stored)])
            case Membership(column, values):
                listed = [_stored(column, value) for value in values]
                return sql.SQL("{} = ANY({})").format(self.column(column, listed[0]), self.bind(listed))
            case NullTest(column):
                return sql.SQL("{} IS NULL").format(self.column(column, ""))
            case Not(inner):
                return sql.SQL("(NOT {})").format(self.compile(inner))
            case And(left, right):
                return sql.SQL("({} AND {})").format(self.compile(left), self.compile(right))
            case Or(left, right):
                return sql.SQL("({} OR {})").format(self.compile(left), self.compile(right))

    def column(self, column: Column, value: Value) -> sql.Composable:
        if column.key is None:
            return sql.Identifier(column.name)
        template = _METADATA_TEXT if isinstance(value, str) else _METADATA_NUMBER
        return template.format(key=self.bind(column.key))

    def bind(self, value: Value | list[Value]) -> sql.Composable:
        name = f"where_{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name)


def _stored(column: Column, value: Value) -> Value:
    """The value as the column holds it: a truth value in metadata is read as text."""
    return str(value).lower() if column.key is not None and isinstance(value, bool) else value
