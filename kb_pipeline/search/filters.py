"""The filter language of `--where`: conditions on named columns, parsed and never pasted into SQL.

    page_number >= 3 and language = 'zh' and section_title like '%年假%'
    source_file in ('a.pdf', 'b.pdf') or not (metadata.author is null)
    created_at between '2024-01-01' and '2024-06-30'

Terms
  column      a column of the serving table, a field that is declared, or `metadata.key`; a key that is no word is
              quoted: metadata.'doc no'. A list is compared with = <> and in: it is equal to each text that it contains.
  predicate   a column compared with = <> < <= > >= like ilike in between, or tested with `is null`.
  condition   predicates joined by and, or, not and parentheses, as in SQL: `not` binds tightest, then `and`.

As in SQL, a comparison with a missing value holds for no row, and neither does its negation. A date stands for
its whole day. What a Chinese keyboard types for operators, quotes and digits (＝ ＞ ， “ ” （ ） ３) is understood.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.fields.values import read_date
from kb_pipeline.store.conditions import (
    COLUMNS,
    And,
    Column,
    Comparison,
    Membership,
    Node,
    Not,
    NullTest,
    Operator,
    Or,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_CHARACTERS = 4_000
DEEPEST_NESTING = 20
LONGEST_NUMBER = 30  # characters
LONGEST_KEY = 100  # characters

T = TypeVar("T")


class _Mistake(Exception):
    """What is wrong with a filter, and where."""

    def __init__(self, position: int, problem: str) -> None:
        self.position = position
        self.problem = problem


def parse_filter(text: str, fields: Mapping[str, FieldType] = MappingProxyType({})) -> Node:
    """The condition that `text` says, where `fields` are declared.

    Raises SettingsError, which points at the position of a mistake.
    """
    try:
        return _Parser(text, fields).parse()
    except _Mistake as mistake:
        columns = ", ".join([*COLUMNS, *fields])
        raise SettingsError(
            f"The filter is wrong at character {mistake.position + 1}: {mistake.problem}; the columns are {columns} "
            "and metadata.<key>."
        ) from None


# --- tokens ----------------------------------------------------------------------------------------

# One character for one, so that positions in the folded text are positions in the text.
_FOLDING = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "＂＇"}
_FOLDING |= {ord("\u3000"): " ", ord("、"): ",", ord("。"): ".", ord("《"): "<", ord("》"): ">"}

# Opening quote -> the characters that close it.
_QUOTES = {"'": "'", '"': '"', "「": "」", "『": "』"}
_QUOTES |= dict.fromkeys("“”＂", '“”＂"') | dict.fromkeys("‘’＇", "‘’＇'")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>-?\d+(?:\.\d+)?(?!\w))
      | (?P<metadata>metadata\.(?P<key>[\w-]*))
      | (?P<word>[^\W\d]\w*)
      | (?P<operator><=|>=|<>|!=|==|=|<|>|≤|≥|≠)
      | (?P<sign>[(),])""",
    re.VERBOSE | re.IGNORECASE,
)
_OPERATORS: dict[str, Operator] = {
    "=": "=",
    "==": "=",
    "<>": "<>",
    "!=": "<>",
    "≠": "<>",
    "<": "<",
    "<=": "<=",
    "≤": "<=",
    ">": ">",
    ">=": ">=",
    "≥": ">=",
}
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "ilike", "is", "null", "between", "true", "false"})


@dataclass(frozen=True, slots=True)
class _Token:
    """`text` of a word is in lower case when it is a keyword or a column; of a string, what is between the quotes."""

    kind: Literal["number", "metadata", "word", "keyword", "operator", "sign", "string", "end"]
    text: str
    position: int


def _wrong(position: int, problem: str) -> NoReturn:
    raise _Mistake(position, problem)


def _tokens(text: str) -> list[_Token]:
    folded = text.translate(_FOLDING)
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        if folded[at] in _QUOTES:
            string, end = _string(text, at)
            tokens.append(_Token("string", string, at))
            at = end
            continue
        match = _TOKEN.match(folded, at)
        if match is None:
            _wrong(at, "this character has no meaning here")
        if (token := _token(match)) is not None:
            tokens.append(token)
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _token(match: re.Match[str]) -> _Token | None:
    found, at = match[0], match.start()
    match match.lastgroup:
        case "space":
            return None
        case "number":
            return _Token("number", found, at)
        case "operator":
            return _Token("operator", _OPERATORS[found], at)
        case "sign":
            return _Token("sign", found, at)
        case "word":
            word = found.lower()
            return _Token("keyword" if word in _KEYWORDS else "word", word, at)
        case _:
            return _Token("metadata", match["key"], at)


def _string(text: str, start: int) -> tuple[str, int]:
    """The string that opens at `start`, and where it ends; a doubled ASCII quote stands for itself."""
    closing = _QUOTES[text[start]]
    parts: list[str] = []
    at = start + 1
    while at < len(text):
        character = text[at]
        if character not in closing:
            parts.append(character)
        elif closing in {"'", '"'} and text[at + 1 : at + 2] == character:
            parts.append(character)
            at += 1
        else:
            return "".join(parts), at + 1
        at += 1
    _wrong(start, "this quote is not closed")


# --- parsing ---------------------------------------------------------------------------------------


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, fields: Mapping[str, FieldType]) -> None:
        if len(text) > MOST_CHARACTERS:
            _wrong(MOST_CHARACTERS, f"a filter has at most {MOST_CHARACTERS} characters")
        for position, character in enumerate(text):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                _wrong(position, "this character cannot be stored, so nothing can match it")
        self.fields = fields
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def advance(self) -> _Token:
        token = self.token
        self.at += 1
        return token

    def accept(self, kind: str, text: str) -> bool:
        if (self.token.kind, self.token.text) != (kind, text):
            return False
        self.at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.accept("sign", sign):
            _wrong(self.token.position, f"expected {sign}")

    def parse(self) -> Node:
        node = self.disjunction()
        if self.token.kind != "end":
            _wrong(self.token.position, "expected `and`, `or` or the end")
        return node

    def disjunction(self) -> Node:
        nodes = [self.conjunction()]
        while self.accept("keyword", "or"):
            nodes.append(self.conjunction())
        return reduce(Or, nodes)

    def conjunction(self) -> Node:
        nodes = [self.negation()]
        while self.accept("keyword", "and"):
            nodes.append(self.negation())
        return reduce(And, nodes)

    def negation(self) -> Node:
        start = self.token.position
        if not (self.accept("keyword", "not") or self.accept("sign", "(")):
            return self.predicate()
        is_negation = self.tokens[self.at - 1].text == "not"
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            _wrong(start, f"conditions are nested more than {DEEPEST_NESTING} deep")
        if is_negation:
            node: Node = Not(self.negation())
        else:
            node = self.disjunction()
            self.expect(")")
        self.depth -= 1
        return node

    def predicate(self) -> Node:
        column = self.column()
        token = self.advance()
        if token.kind == "operator":
            return self.comparison(column, _OPERATORS[token.text])
        if token.kind == "keyword" and token.text == "is":
            return self.null_test(column)
        negated = token.kind == "keyword" and token.text == "not"
        if negated:
            token = self.advance()
        if token.kind == "keyword" and token.text in {"in", "like", "ilike", "between"}:
            node = self.word_predicate(column, token)
            return Not(node) if negated else node
        _wrong(token.position, "expected a comparison such as =, <>, <, >=, like, in, between or is null")

    def column(self) -> Column:
        token = self.advance()
        if token.kind == "metadata":
            return Column("metadata", self.metadata_key(token))
        if token.kind != "word":
            _wrong(token.position, "expected a column")
        name = unicodedata.normalize("NFC", token.text)
        if name in self.fields:
            return Column(name, field=self.fields[name])
        if name not in COLUMNS:
            _wrong(token.position, f"there is no column {name[:40]}")
        return Column(name)

    def metadata_key(self, token: _Token) -> str:
        key = token.text or (self.advance().text if self.token.kind == "string" else "")
        if not 0 < len(key) <= LONGEST_KEY:
            _wrong(token.position, f"metadata needs a key of at most {LONGEST_KEY} characters, as in metadata.author")
        return key

    def comparison(self, column: Column, operator: Operator) -> Node:
        value = self.value(column)
        if isinstance(value, date) and not isinstance(value, datetime):
            return _on_day(column, operator, value)
        if isinstance(value, bool) and operator not in {"=", "<>"}:
            _wrong(self.tokens[self.at - 1].position, "true and false have no order")
        if column.kind == "list" and operator not in {"=", "<>"}:
            _wrong(self.tokens[self.at - 1].position, f"{column.name} is a list, which is compared with = or in")
        return Comparison(column, operator, value)

    def null_test(self, column: Column) -> Node:
        negated = self.accept("keyword", "not")
        if not self.accept("keyword", "null"):
            _wrong(self.token.position, "expected null")
        return Not(NullTest(column)) if negated else NullTest(column)

    def word_predicate(self, column: Column, word: _Token) -> Node:
        if word.text == "in":
            return self.membership(column)
        if word.text == "between":
            low = self.comparison(column, ">=")
            if not self.accept("keyword", "and"):
                _wrong(self.token.position, "expected `and` and the upper end")
            return And(low, self.comparison(column, "<="))
        if column.kind not in {"text", "any"}:
            _wrong(word.position, f"{column.name} is not a text that {word.text} could match")
        return Comparison(column, "like" if word.text == "like" else "ilike", self.pattern())

    def pattern(self) -> str:
        token = self.advance()
        if token.kind != "string":
            _wrong(token.position, "expected a pattern in quotes, such as '%年假%'")
        if (len(token.text) - len(token.text.rstrip("\\"))) % 2:
            _wrong(token.position, "a pattern cannot end with a single backslash")
        return token.text

    def membership(self, column: Column) -> Node:
        self.expect("(")
        start = self.token.position
        if column.kind == "date":
            return reduce(Or, self.listed(lambda: self.comparison(column, "=")))
        values = self.listed(lambda: self.value(column))
        if len({type(value) for value in values}) > 1:
            _wrong(start, "a list holds either texts or numbers")
        return Membership(column, tuple(values))

    def listed(self, item: Callable[[], T]) -> list[T]:
        items = [item()]
        while self.accept("sign", ","):
            items.append(item())
        self.expect(")")
        return items

    def value(self, column: Column) -> Value:
        token = self.advance()
        if token.kind == "word" or (token.kind == "keyword" and token.text not in {"true", "false"}):
            _wrong(token.position, "expected a value; texts and dates stand in quotes")
        if token.kind not in {"string", "number", "keyword"}:
            _wrong(token.position, "expected a value")
        if column.kind == "date":
            return _date(token)
        if column.kind == "number" and token.kind != "number":
            _wrong(token.position, f"{column.name} is compared with a number, without quotes")
        if column.kind in {"text", "list"} and token.kind != "string":
            _wrong(token.position, f"{column.name} is compared with a text in quotes")
        if column.kind == "boolean" and token.kind != "keyword":
            _wrong(token.position, f"{column.name} is true or false, without quotes")
        if token.kind == "string":
            return token.text
        return _number(token) if token.kind == "number" else token.text == "true"


def _number(token: _Token) -> Decimal:
    if len(token.text) > LONGEST_NUMBER:
        _wrong(token.position, f"a number has at most {LONGEST_NUMBER} characters")
    return Decimal(token.text)


def _date(token: _Token) -> date | datetime:
    """A day, or a moment when a time stands with it; without a zone, the database's."""
    found = read_date(token.text.translate(_FOLDING).strip()) if token.kind == "string" else None
    if found is None:
        _wrong(token.position, "expected a date in quotes, such as '2024-06-30' or '2024-06-30 14:00'")
    return found


def _on_day(column: Column, operator: Operator, day: date) -> Node:
    """A comparison with a whole day, said with its midnight and the next one."""
    after = day + timedelta(days=1)
    whole = And(Comparison(column, ">=", day), Comparison(column, "<", after))
    match operator:
        case "=":
            return whole
        case "<>":
            return Not(whole)
        case "<=":
            return Comparison(column, "<", after)
        case ">":
            return Comparison(column, ">=", after)
        case _:
            return Comparison(column, operator, day)
