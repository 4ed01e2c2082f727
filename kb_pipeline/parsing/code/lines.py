"""The lines of a source file: how deep each stands, and which are comments.

Comments and strings are found by one regular expression per language, tried once at each place, so that a
bracket or a keyword inside them counts for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kb_pipeline.parsing.code.languages import Language, Nesting

_OPENING, _CLOSING = "{([", "})]"
_CONTINUATION = 1 << 20  # the level of a line that begins inside a string
_TAB_COLUMNS = 4
_CLOSERS = re.compile(r"\s*(?:[})\]]|\{|(?:end|fi|done|esac|else|elif|elsif|rescue|ensure|when|then|End|Next|Wend)\b)")
_DATA_CLOSERS = re.compile(r"\s*[})\]]")
_HEAD_END = re.compile(
    r"^[\w\s*&:<>]*[\w*&>]\s*$|[,(\[=+|&\\]\s*$|^\s*(?:@[\w.]+(?:\(.*\))?|\[[\w(\"].*\]|#\[.*\]|template\s*<.*>)\s*$"
)
_TAG = re.compile(r"<!\[CDATA\[.*?\]\]>|<[?!][^<>]*>|<(/?)[\w:.-]+[^<>]*?(/?)>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CodeLines:
    """Parallel lists, an entry for each line.

    `masked`: the line without comments, the insides of its strings replaced. `levels`: how deep its start
    stands. `is_code`, `is_comment`: neither is true for a blank line. `closes`: ends what is above rather than
    beginning something. `continues`: goes on in the next line, as a decorator does. `is_open`: a string is open
    at its end.
    """

    texts: list[str]
    masked: list[str]
    levels: list[int]
    is_code: list[bool]
    is_comment: list[bool]
    closes: list[bool]
    continues: list[bool]
    is_open: list[bool]


def code_lines(text: str, language: Language) -> CodeLines:
    texts = text.split("\n")
    masked = _masked(text, language)
    masked_lines = masked.split("\n")
    is_code = [bool(line.strip()) for line in masked_lines]
    # A line break inside a string is masked as a mark at the start of the next line.
    inside = [line.startswith(_INSIDE) for line in masked_lines]
    levels = _levels(texts, masked_lines, language)
    levels = [_CONTINUATION if within else level for level, within in zip(levels, inside, strict=True)]
    return CodeLines(
        texts,
        masked_lines,
        levels,
        is_code,
        [bool(line.strip()) and not code for line, code in zip(texts, is_code, strict=True)],
        [_closes(line, language) for line in masked_lines],
        [bool(_HEAD_END.search(line)) for line in masked_lines],
        [*inside[1:], False],
    )


_INSIDE = "\x01"
_SECTION = re.compile(r"\[+[^\]\n,]+\]+\s*(?:[#;].*)?$")
# Quotes are doubled, or escaped as MySQL does it; a backslash before the last quote is part of a path.
_SQL_STRING = r"'(?:[^'\\]|''|\\'(?!\s*[,;)\n])|\\)*'?"


def _closes(line: str, language: Language) -> bool:
    if language.nesting in (Nesting.SECTIONS, Nesting.TAGS):
        return False
    return bool((_DATA_CLOSERS if language.is_data else _CLOSERS).match(line))


def _masked(text: str, language: Language) -> str:
    pattern = _comments_and_strings(language)
    if pattern is None:
        return text

    def hide(match: re.Match[str]) -> str:
        lengths = [len(line) for line in match.group().split("\n")]
        if match.lastgroup == "comment":
            return "\n".join(" " * length for length in lengths)
        return ("\n" + _INSIDE).join("s" * length for length in lengths)

    return pattern.sub(hide, text)


@cache
def _comments_and_strings(language: Language) -> re.Pattern[str] | None:
    """Unclosed block comments and long strings reach to the end of the file, so none is looked for twice."""
    escape = re.escape
    comments = [
        rf"{escape(start)}(?:(?!{escape(end)})[\s\S])*(?:{escape(end)})?" for start, end in language.block_comments
    ]
    comments += [
        rf"(?:(?<=\s)|(?<![^\n])){escape(mark)}[^\n]*"
        if mark in ("#", ";", "::", "rem ", "REM ")
        else rf"{escape(mark)}[^\n]*"
        for mark in language.line_comments
    ]
    strings = [
        rf"{escape(mark)}(?:(?!{escape(mark)})(?:\\[\s\S]|[\s\S]))*(?:{escape(mark)})?" for mark in language.long_quotes
    ]
    strings += [rf"{mark}(?:[^{mark}\\\n]|\\.)*{mark}?" for mark in language.quotes if mark not in language.long_quotes]
    if language.nesting is Nesting.STATEMENTS:
        strings.append(_SQL_STRING)
        strings.append(r"(?P<dollar>\$\w*\$)(?:(?!(?P=dollar))[\s\S])*(?:(?P=dollar))?")
    parts = []
    if comments:
        parts.append(f"(?P<comment>{'|'.join(comments)})")
    if strings:
        parts.append(f"(?P<string>{'|'.join(strings)})")
    return re.compile("|".join(parts)) if parts else None


def _levels(texts: list[str], masked: list[str], language: Language) -> list[int]:
    match language.nesting:
        case Nesting.BRACES:
            return _bracket_levels(masked) or _columns(texts)
        case Nesting.TAGS:
            return _tag_levels(masked)
        case Nesting.SECTIONS:
            return [0 if _SECTION.match(line) else 1 for line in masked]
        case Nesting.STATEMENTS:
            return [0] * len(texts)
        case _:
            return _columns(texts)


def _bracket_levels(masked: list[str]) -> list[int] | None:
    """Open brackets at the start of each line; None where brackets do not match, so that they tell nothing."""
    levels: list[int] = []
    level = 0
    for line in masked:
        # A line that begins by closing stands as deep as what it closes holds.
        levels.append(level)
        for character in line:
            if character in _OPENING:
                level += 1
            elif character in _CLOSING:
                level -= 1
        if level < 0:
            return None
    return levels if level == 0 else None


def _columns(texts: list[str]) -> list[int]:
    """Indentation; an item of a list in YAML stands below the key above it, though at the same column."""
    levels = []
    for line in texts:
        expanded = line.expandtabs(_TAB_COLUMNS)
        column = len(expanded) - len(expanded.lstrip())
        levels.append(2 * column + expanded.lstrip().startswith("- "))
    return levels


def _tag_levels(masked: list[str]) -> list[int]:
    """Open tags at the start of each line; a line that begins with a closing tag stands inside."""
    text = "\n".join(masked)
    changes: dict[int, int] = {}
    starts: list[int] = [0]
    for line in masked:
        starts.append(starts[-1] + len(line) + 1)
    line_number = 0
    for match in _TAG.finditer(text):
        while starts[line_number + 1] <= match.start():
            line_number += 1
        is_element = match.group(1) is not None and not match.group(2)
        change = (-1 if match.group(1) else 1) if is_element else 0
        # A tag counts for the lines after the one in which it ends.
        last = line_number + text.count("\n", match.start(), match.end())
        changes[last] = changes.get(last, 0) + change
    levels: list[int] = []
    level = 0
    for number in range(len(masked)):
        levels.append(max(level, 0))
        level += changes.get(number, 0)
    return levels
