"""Source code and configuration files -> code snippets, cut at definitions.

Terms
  level      how deep a line stands: open brackets, or columns of indentation, or open tags.
  unit       consecutive lines that belong together: a function, a class, a statement, a top-level key; with
             the comments right above it. A *container* is a unit that holds units, such as a class.
  path       the names of the units around a snippet, outermost first, each with those before it: Loader,
             Loader.read. It becomes the section of the snippet.

Python is read by its own grammar; everything else, and Python that does not parse, line by line with what
`languages` knows. The text of a snippet is the text of the file: every line that is not blank is in exactly one.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.code.languages import (
    CSS,
    JAVASCRIPT,
    JSON,
    PYTHON,
    XML,
    Language,
    Nesting,
    definition_name,
    language_of_file,
)
from kb_pipeline.parsing.code.lines import CodeLines, code_lines
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_declared
from kb_pipeline.parsing.parsed import ParsedDocument

_SNIPPET_CHARACTERS = 1500  # a longer unit is cut at what it holds, then at blank lines
_ENTRY_CHARACTERS = 500  # shorter entries of a configuration stay with their neighbours
_BARE_HEAD_CHARACTERS = 80
_RULE_CHARACTERS = 150  # a shorter comment on a line of its own is a title of what follows
_HEADER_CHARACTERS = 1000  # of a unit: where its name is looked for
_GRAMMAR_CHARACTERS = 2_000_000  # of Python; more is generated, and its syntax tree would take gigabytes
_DEEPEST = 12  # containers in containers
_MINIFIED_LINE = 1000  # characters per line, on average
_MINIFIED_FILE = 5000  # characters; a shorter file is read whatever its lines are like
_DECLARED = re.compile(rb"coding[=:]\s{0,4}([-\w.]{1,40})|<\?xml[^>]{0,100}?encoding\s{0,4}=\s{0,4}[\"']([\w-]{1,40})")
_DECLARED_WITHIN = 200  # bytes; a declaration stands in the first two lines
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}")
_ATTRIBUTES = re.compile(r"^\s*(?:@[\w.]+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*|#?\[[^\]\n]*\]\s*)+")
_QUERY_NAME = re.compile(r"^\s*--\s*name\s*:\s*([\w.$!<>^-]{1,80})", re.MULTILINE | re.IGNORECASE)
_ROUTINE = re.compile(
    r"\b(?:create|replace|alter)\b.{0,200}?\b(?:function|procedure|trigger|package|event)\b|^\s*declare\b",
    re.IGNORECASE,
)
_OPENS = re.compile(r"\b(?:begin(?!\s+(?:tran|transaction)\b)|case)\b", re.IGNORECASE)
_CLOSES = re.compile(r"\bend\b(?!\s*(?:if|loop|while|repeat|for)\b)", re.IGNORECASE)
_BODY_WORD = re.compile(r"\b(?:as|is|begin|declare)\b", re.IGNORECASE)
_BODY_END = re.compile(r"\bend\b|\$\$|\blanguage\b|\breturn\b", re.IGNORECASE)
_ROUTINE_LINES = 200  # the last of a routine's declaration that are looked at
_SQL_MODIFIERS = re.compile(
    r"\b(?:or\s+replace|if\s+(?:not\s+)?exists|concurrently|only|temporary|temp|unlogged|global|local)\s+",
    re.IGNORECASE,
)
_DEFINING = re.compile(r"(?:create|alter|drop|grant|merge|truncate)\b", re.IGNORECASE)
_TAG_NAME = re.compile(r"^\s*<([\w:.-]+)([^<>]*)")
_TAG_LABEL = re.compile(r"\s(?:id|name|key|artifactId)\s*=\s*[\"']([^\"'<>]{1,80})")


@dataclass(frozen=True, slots=True)
class Unit:
    """Lines [start, end) of a file. `name`: None for what defines nothing."""

    start: int
    end: int
    name: str | None = None
    is_container: bool = False
    units: tuple[Unit, ...] = ()


def read_code(data: bytes, *, name: str) -> ParsedDocument:
    """`name`: of the file; it says which language it is. Raises UnsupportedFormat for minified scripts."""
    language = language_of_file(name)
    if language is None:
        raise UnsupportedFormat("The file is in no programming language that is known; save it as .txt.")
    declared = _DECLARED.search(data[:_DECLARED_WITHIN])
    found = next((group for group in declared.groups() if group), b"").decode() if declared else None
    text, encoding = decode_declared(data, found)
    text = _readable(text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"), language)
    lines = text.split("\n")
    return ParsedDocument(
        tuple(_Snippets(lines, language).elements(units_of(text, lines, language))),
        metadata={"programming_language": language.name, "encoding": encoding},
        source_characters=len("".join(text.split())),
    )


def _readable(text: str, language: Language) -> str:
    """One endless line as lines, where that is possible without changing what it says."""
    minified = len(text) > _MINIFIED_FILE and len(text) > _MINIFIED_LINE * (text.count("\n") + 1)
    if language is JSON and (minified or _ESCAPED.search(text)):
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return text
    if minified and language is XML:
        return re.sub(r">(?=<)", ">\n", text)
    if minified and language in (JAVASCRIPT, CSS):
        raise UnsupportedFormat("The file is minified code, which nobody reads; add the source it was made from.")
    return text


# --- units -----------------------------------------------------------------------------------------


def units_of(text: str, lines: Sequence[str], language: Language) -> list[Unit]:
    """The outermost units of a text in order; `lines` are its lines."""
    units = _python_units(text, lines) if language is PYTHON else None
    return _units(code_lines(text, language), language) if units is None else units


def _python_units(text: str, lines: Sequence[str]) -> list[Unit] | None:
    """The classes and functions of Python code; None where it does not parse."""
    if len(text) > _GRAMMAR_CHARACTERS:
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _definitions(tree.body, lines, 0)


def _definitions(body: Sequence[ast.stmt], lines: Sequence[str], start: int) -> list[Unit]:
    units: list[Unit] = []
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            lowest = units[-1].end if units else start
            while first > lowest and lines[first - 1].lstrip().startswith("#"):
                first -= 1
            end = node.end_lineno or node.lineno
            inner = _definitions(node.body, lines, node.lineno) if isinstance(node, ast.ClassDef) else []
            if first >= lowest:
                units.append(Unit(first, end, node.name, isinstance(node, ast.ClassDef), tuple(inner)))
    return units


def _units(code: CodeLines, language: Language) -> list[Unit]:
    if language.nesting is Nesting.STATEMENTS:
        return _statements(code, language)
    return _outline(code, language, 0, len(code.texts), depth=0)


def _outline(
    code: CodeLines, language: Language, start: int, end: int, *, depth: int, inside: bool = False
) -> list[Unit]:
    """The units of the lines [start, end): each begins at a line of the least level there."""
    may_begin = [i for i in range(start, end) if code.is_code[i] and not code.closes[i]]
    if not may_begin or depth > _DEEPEST:
        return []
    base = min(code.levels[i] for i in may_begin)
    begins = [i for i in may_begin if code.levels[i] == base]
    units: list[Unit] = []
    for begin, following in zip(begins, [*begins[1:], end], strict=True):
        stop = following
        while stop > begin + 1 and not code.is_code[stop - 1]:
            stop -= 1  # comments and blank lines belong to what follows them
        units.append(_unit(code, language, begin, stop, depth=depth, inside=inside))
    return _with_comments(units if language.is_data else _with_heads(units, code), code, start)


def _unit(code: CodeLines, language: Language, begin: int, end: int, *, depth: int, inside: bool) -> Unit:
    name, is_container = _name(code, language, begin, end, inside=inside)
    size = sum(len(code.texts[i]) for i in range(begin, end))
    wrapper = language.is_data and name is None
    if not (is_container or wrapper) or (language.is_data and size <= _ENTRY_CHARACTERS):
        return Unit(begin, end, name, is_container)
    inner = _outline(code, language, begin + 1, end, depth=depth + 1, inside=True)
    return Unit(begin, end, name, is_container or wrapper, tuple(inner))


def _with_heads(units: list[Unit], code: CodeLines) -> list[Unit]:
    """Decorators, annotations and the lines of a head above its brace, joined to the definition below."""
    joined: list[Unit] = []
    for unit in units:
        above = joined[-1] if joined else None
        if above and above.end == unit.start and above.name is None and code.continues[above.end - 1]:
            joined[-1] = Unit(above.start, unit.end, unit.name, unit.is_container, unit.units)
        else:
            joined.append(unit)
    return joined


def _with_comments(units: Sequence[Unit], code: CodeLines, start: int) -> list[Unit]:
    """Each unit with the comment lines right above it."""
    grown: list[Unit] = []
    for unit in units:
        lowest = grown[-1].end if grown else start
        first = unit.start
        while first > lowest and code.is_comment[first - 1]:
            first -= 1
        grown.append(Unit(first, unit.end, unit.name, unit.is_container, unit.units))
    return grown


def _name(code: CodeLines, language: Language, begin: int, end: int, *, inside: bool) -> tuple[str | None, bool]:
    if language is XML:
        return _tag_name(code, begin, end)
    pattern = language.members if inside and language.members else language.definition
    if pattern is None:
        return None, False
    source = code.texts if language.is_data else code.masked
    header = ""
    for line in source[begin:end]:
        header += line + "\n"
        if len(header) > _HEADER_CHARACTERS or (not language.is_data and re.search(r"[{;]\s*$", line)):
            break
    found = pattern.search(_ATTRIBUTES.sub("", header[:_HEADER_CHARACTERS]) if not language.is_data else header)
    if found is None:
        return None, False
    name, is_container = definition_name(found)
    return " ".join(name.split()), is_container


def _tag_name(code: CodeLines, begin: int, end: int) -> tuple[str | None, bool]:
    """An element's tag with the attribute that names it; every element may hold others."""
    match = _TAG_NAME.match("\n".join(code.texts[begin : min(begin + 5, end)])[:_HEADER_CHARACTERS])
    if match is None:
        return None, False
    label = _TAG_LABEL.search(match.group(2))
    return f"{match.group(1)} {label.group(1)}" if label else match.group(1), True


def _statements(code: CodeLines, language: Language) -> list[Unit]:
    """The statements of SQL; the body of a routine is part of its statement."""
    units: list[Unit] = []
    begin: int | None = None
    balance = 0
    is_routine = False
    for i, masked in enumerate(code.masked):
        if begin is not None and balance <= 0 and _begins_anew(code, i):
            units.append(_statement(code, language, begin, i))
            begin = None
        if not code.is_code[i]:
            continue
        if begin is None:
            begin, balance, is_routine = i, 0, False
        is_routine = is_routine or bool(_ROUTINE.search(masked))
        balance += len(_OPENS.findall(masked)) - len(_CLOSES.findall(masked))
        stripped = masked.strip()
        if stripped.lower().startswith("delimiter "):
            continue  # the next statement is told how it ends
        alone = stripped.lower() in ("go", "/")
        if alone and begin == i and units:
            units[-1] = replace(units[-1], end=i + 1)
            begin = None
            continue
        closed = stripped.endswith((";", "$$", "//")) and (not is_routine or balance <= 0) and not code.is_open[i]
        if alone or closed:
            if closed and is_routine and not alone and _awaits_body(code, begin, i):
                continue
            units.append(_statement(code, language, begin, i + 1))
            begin = None
    if begin is not None:
        units.append(_statement(code, language, begin, len(code.texts)))
    grown = _with_comments(units, code, 0)
    return [unit if unit.name else Unit(unit.start, unit.end, _query_name(code, unit)) for unit in grown]


def _awaits_body(code: CodeLines, begin: int, last: int) -> bool:
    """Whether the declarations of a routine ended with a semicolon, before its BEGIN … END."""
    text = "\n".join(code.masked[begin : last + 1][-_ROUTINE_LINES:])
    return bool(_BODY_WORD.search(text)) and not _BODY_END.search(text)


def _begins_anew(code: CodeLines, i: int) -> bool:
    """Whether a statement begins although the one before has no semicolon: after a blank line, or at its name."""
    if _QUERY_NAME.match(code.texts[i]):
        return True
    return i > 0 and not code.texts[i - 1].strip() and bool(_DEFINING.match(code.masked[i]))


def _statement(code: CodeLines, language: Language, begin: int, end: int) -> Unit:
    if language.definition is None:
        return Unit(begin, end)
    found = language.definition.search("\n".join(code.texts[begin : min(end, begin + 10)])[:_HEADER_CHARACTERS])
    return Unit(begin, end, " ".join(_SQL_MODIFIERS.sub("", definition_name(found)[0]).split()) if found else None)


def _query_name(code: CodeLines, unit: Unit) -> str | None:
    """The name that a comment gives a query: `-- name: find_user`."""
    found = _QUERY_NAME.search("\n".join(code.texts[unit.start : min(unit.start + 20, unit.end)]))
    return found.group(1) if found else None


def _joined_repeats(units: Sequence[Unit]) -> Iterator[Unit]:
    """Neighbours of one name, such as the INSERT statements of a dump, as one unit of units without a name."""
    for name, group in groupby(units, key=lambda unit: unit.name):
        same = list(group)
        if name is None or len(same) == 1 or any(unit.is_container for unit in same):
            yield from same
        else:
            yield Unit(same[0].start, same[-1].end, name, units=tuple(replace(unit, name=None) for unit in same))


# --- snippets --------------------------------------------------------------------------------------


class _Snippets:
    """Turns units into elements. `lines`: of the file."""

    def __init__(self, lines: Sequence[str], language: Language) -> None:
        self._lines = lines
        self._language = language

    def elements(self, units: Sequence[Unit]) -> Iterator[Element]:
        return self._range(0, len(self._lines), units, ())

    def _range(self, start: int, end: int, units: Sequence[Unit], path: tuple[str, ...]) -> Iterator[Element]:
        """The elements of lines [start, end): units that have a name of their own, and the rest between them."""
        rest: list[tuple[int, int]] = []  # ranges of lines that stay together
        position = start
        for unit in _joined_repeats(units):
            if unit.start > position:
                rest.append((position, unit.start))
            position = unit.end
            if self._stands_alone(unit):
                leads = rest and (self._is_rule(rest) or (path and self._is_bare_head(rest)))
                if not leads:
                    yield from self._rest(rest, path)
                yield from self._unit(replace(unit, start=rest[0][0]) if leads else unit, path)
                rest = []
            else:
                rest.append((unit.start, unit.end))
        rest.append((position, end))
        yield from self._rest(rest, path)

    def _is_bare_head(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether lines only open a container, such as a namespace and its brace: they stay with what follows."""
        text = self._text(ranges)
        return bool(text) and len(text) <= _BARE_HEAD_CHARACTERS and not any(mark in text for mark in "\"'#/;")

    def _text(self, ranges: Sequence[tuple[int, int]]) -> str:
        return "\n".join(line for start, end in ranges for line in self._lines[start:end]).strip()

    def _is_rule(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether lines are one short comment, which says what follows them."""
        text = self._text(ranges)
        marks = (*self._language.line_comments, *(start for start, _ in self._language.block_comments))
        return bool(text) and len(text) <= _RULE_CHARACTERS and text.startswith(marks) and "\n" not in text

    def _stands_alone(self, unit: Unit) -> bool:
        if unit.name is None:
            return bool(unit.units) and self._size(unit) > _SNIPPET_CHARACTERS
        return not self._language.is_data or self._size(unit) > _ENTRY_CHARACTERS

    def _size(self, unit: Unit) -> int:
        return self._characters(unit.start, unit.end)

    def _unit(self, unit: Unit, path: tuple[str, ...]) -> Iterator[Element]:
        if unit.name is not None:
            path = (*path, f"{path[-1]}.{unit.name}" if path else unit.name)
        if unit.units and not (self._language.is_data and self._size(unit) <= _SNIPPET_CHARACTERS):
            yield from self._range(unit.start, unit.end, unit.units, path)
        else:
            yield from self._rest([(unit.start, unit.end)], path)

    def _rest(self, ranges: Sequence[tuple[int, int]], path: tuple[str, ...]) -> Iterator[Element]:
        """Lines as few snippets: cut at blank lines, or between units, where they are too long together."""
        parts = [part for start, end in ranges for part in self._paragraphs(start, end)]
        if not parts:
            return
        start, end = parts[0]
        size = self._characters(start, end)
        for following_start, following_end in parts[1:]:
            added = self._characters(end, following_end)
            if size + added > _SNIPPET_CHARACTERS:
                yield self._element(start, end, path)
                start, size = following_start, 0
            end = following_end
            size += added
        yield self._element(start, end, path)

    def _paragraphs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges between blank lines."""
        begin: int | None = None
        for i in range(start, end):
            if self._lines[i].strip():
                begin = i if begin is None else begin
            elif begin is not None:
                yield begin, i
                begin = None
        if begin is not None:
            yield begin, end

    def _characters(self, start: int, end: int) -> int:
        return sum(len(self._lines[i]) + 1 for i in range(start, end))

    def _element(self, start: int, end: int, path: tuple[str, ...]) -> Element:
        text = "\n".join(line.rstrip() for line in self._lines[start:end])
        return Element("CodeSnippet", text, section_path=path, metadata={"line": start + 1})
