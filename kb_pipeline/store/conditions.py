"""Conditions: which rows of a serving table a query may return.

Terms
  node        a condition as plain data: predicates on columns, joined by Not, And and Or. `search.filters` reads
              one from what a person types.
  condition   the same as SQL with its parameters. Values never become part of the SQL.

  field       a column of `document_fields` that the settings declare. A list is equal to what it contains.
  readable    by groups: the document of the row says that one of them may read it, see `fields.groups`.

As in SQL, a comparison with a missing value holds for no row, and neither does its negation. So negations are pushed
down to the predicates first; then all that neighbouring predicates ask of fields becomes one look at `document_fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Literal

from psycopg import sql

from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.store.queries import query

Kind = Literal["text", "number", "date", "boolean", "list", "any"]
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
    """`key` is set when `name` is metadata, `field` when it is a declared field."""

    name: str
    key: str | None = None
    field: FieldType | None = None

    @property
    def kind(self) -> Kind:
        if self.field is not None:
            return "list" if self.field == "list of text" else self.field
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
class Says:
    """The words match a tsquery."""

    pattern: str


@dataclass(frozen=True, slots=True)
class ReadableBy:
    groups: tuple[str, ...]


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


Node = Comparison | Membership | NullTest | Says | ReadableBy | Not | And | Or


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


def compile_condition(node: Node | None, prefix: str = "") -> Condition:
    """`node` as SQL; None is every row. `prefix`: of its parameters, where several stand in one statement."""
    return EVERYTHING if node is None else _Compiler(prefix).condition(_pushed_down(node))


def _pushed_down(node: Node, *, negated: bool = False) -> Node:
    """The same condition with Not only around predicates."""
    match node:
        case Not(inner):
            return _pushed_down(inner, negated=not negated)
        case And(left, right) | Or(left, right):
            join = Or if isinstance(node, And) == negated else And
            return join(_pushed_down(left, negated=negated), _pushed_down(right, negated=negated))
        case _:
            return Not(node) if negated else node


def _is_about_fields(node: Node) -> bool:
    match node:
        case Not(inner):
            return _is_about_fields(inner)
        case And(left, right) | Or(left, right):
            return _is_about_fields(left) and _is_about_fields(right)
        case Comparison(column) | Membership(column) | NullTest(column):
            return column.field is not None
        case Says() | ReadableBy():
            return False


@dataclass(slots=True)
class _Compiler:
    """`inside`: whether what is compiled stands in a look at `document_fields`."""

    prefix: str = ""
    parameters: dict[str, Value | list[Value]] = field(default_factory=dict)
    inside: bool = False

    def condition(self, node: Node) -> Condition:
        return Condition(self.compile(node), self.parameters)

    def compile(self, node: Node) -> sql.Composable:
        if not self.inside and _is_about_fields(node):
            return self.look_at_fields(node)
        match node:
            case Comparison(column, operator, value):
                return self.comparison(column, operator, value)
            case Membership(column, values):
                listed = [_stored(column, value) for value in values]
                if column.field == "list of text":
                    return sql.SQL("{} && {}::text[]").format(self.column(column, ""), self.bind(listed))
                return sql.SQL("{} = ANY({})").format(self.column(column, listed[0]), self.bind(listed))
            case NullTest(column):
                return sql.SQL("{} IS NULL").format(self.column(column, ""))
            case Says(pattern):
                return sql.SQL("lexemes @@ {}::tsquery").format(self.bind(pattern))
            case ReadableBy(groups):
                return query("access", "passes", groups=self.bind(list(groups)))
            case Not(inner):
                return sql.SQL("(NOT {})").format(self.compile(inner))
            case And() | Or():
                return self.operands(node)

    def look_at_fields(self, node: Node) -> sql.Composable:
        self.inside = True
        inner = self.compile(node)
        self.inside = False
        return query("fields", "passes", condition=inner)

    def operands(self, node: And | Or) -> sql.Composable:
        """What a chain of And, or of Or, joins; all that asks for fields in one look."""
        chain, join = _chain(node), And if isinstance(node, And) else Or
        about_fields = [] if self.inside else [operand for operand in chain if _is_about_fields(operand)]
        parts = [self.compile(operand) for operand in chain if operand not in about_fields]
        if about_fields:
            parts.append(self.compile(reduce(join, about_fields)))
        return sql.SQL("({})").format(sql.SQL(" AND " if join is And else " OR ").join(parts))

    def comparison(self, column: Column, operator: Operator, value: Value) -> sql.Composable:
        stored = _stored(column, value)
        if column.field == "list of text":
            contains = sql.SQL("{} @> ARRAY[{}]::text[]").format(self.column(column, ""), self.bind(stored))
            return contains if operator == "=" else sql.SQL("(NOT {})").format(contains)
        return sql.SQL(" ").join([self.column(column, stored), _OPERATORS[operator], self.bind(stored)])

    def column(self, column: Column, value: Value) -> sql.Composable:
        if column.field is not None:
            return sql.Identifier("f", column.name)
        if column.key is None:
            return sql.Identifier(column.name)
        template = _METADATA_TEXT if isinstance(value, str) else _METADATA_NUMBER
        return template.format(key=self.bind(column.key))

    def bind(self, value: Value | list[Value]) -> sql.Composable:
        name = f"{self.prefix}where_{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name)


def _chain(node: And | Or) -> list[Node]:
    """What `node` joins, in order, however it is nested."""
    waiting: list[Node] = [node]
    found: list[Node] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, And | Or) and type(one) is type(node):
            waiting += [one.right, one.left]
        else:
            found.append(one)
    return found


def _stored(column: Column, value: Value) -> Value:
    """The value as the column holds it: a truth value in metadata is read as text."""
    return str(value).lower() if column.key is not None and isinstance(value, bool) else value
