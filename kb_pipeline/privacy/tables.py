"""The cells of an HTML table as pieces of text that can be masked and put back.

The markup is split at its tags; what lies between two tags is a *text*. Texts of one cell belong together,
whatever inline tags stand between them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from kb_pipeline.privacy.data import lines
from kb_pipeline.privacy.detection import CELL, fold, simplified
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

_MARKUP = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_ROW = re.compile(r"</?tr\b", re.IGNORECASE)
_CELL_START = re.compile(r"<t[dh]\b", re.IGNORECASE)
_CELL_END = re.compile(r"</t[dh]\b", re.IGNORECASE)
_BREAK = re.compile(r"</?(?:br|p|div|li)\b", re.IGNORECASE)
_SPAN = re.compile(r"\b(row|col)span\s*=\s*[\"']?(\d{1,3})", re.IGNORECASE)
# A cell that says what another cell holds.
_LABEL = re.compile(
    rf"(?:[^\d:]{{0,12}}?(?:{'|'.join(lines('table_labels'))}|[(/](?:[十百千]?[万亿]|千|百万)?(?:元|美元|港元|欧元))"
    rf"|(?:[a-z'.]+[ _/-]){{0,3}}(?:{'|'.join(lines('table_labels_english'))}|cny|rmb|usd|hkd|eur|us\$|[¥$€£]))"
    r"\s*(?:[(/、][^()]{0,12}\)?)?\s*[:*]?",
    re.IGNORECASE,
)
# What of a label a detector has to see.
_NOTE = re.compile(r"\s*[(/、][^()]*\)?\s*\Z|[\s:*]+\Z")
# Products have names, too.
_OF_ANYTHING = frozenset({"name", "author", "manager", "client", "customer", "客户"})
_OF_PEOPLE = re.compile(
    r"电话|手机|身份证|出生|生日|住址|性别|年龄|phone|mobile|e-?mail|birth|gender|passport", re.IGNORECASE
)
_LONGEST_LABEL = 30  # characters
_UNIT_NOTE = re.compile(r"单位[:：]?\s*((?:人民币)?[十百千]?[万亿]?(?:元|美元|港元|欧元))")
_MONEY = re.compile(
    r"金额|价|费|款|收入|支出|余额|工资|薪|奖金|合计|小计|总计|amount|price|salary|cost|total", re.IGNORECASE
)
_PART_OF_NUMBER = re.compile(r"[0-9０-９]{1,8}|[Xx]")
_FEWEST_PARTS, _LONGEST_NUMBER = 2, 24  # cells that a number in more of them is written over, and the most


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a tag does: `lead` stands before the text behind it, `starts` is row, cell or nothing."""

    lead: str
    starts: str = ""
    ends_cell: bool = False
    rows: int = 1
    cols: int = 1


@lru_cache(maxsize=4096)  # a table has few different ones
def _kind_of_tag(tag: str) -> _Tag:
    if _ROW.match(tag):
        return _Tag("\n", starts="" if tag.startswith("</") else "row")
    if _CELL_START.match(tag):
        spans = {way.lower(): int(number) for way, number in _SPAN.findall(tag)}
        return _Tag(CELL, starts="cell", rows=spans.get("row", 1), cols=spans.get("col", 1))
    return _Tag("\n" if _BREAK.match(tag) else "", ends_cell=_CELL_END.match(tag) is not None)


@dataclass(frozen=True, slots=True)
class _Spanning:
    """A cell by its texts, and how many rows and columns it covers."""

    texts: list[int]
    rows: int = 1
    cols: int = 1


@dataclass(frozen=True, slots=True)
class Cells:
    """`texts` stand between `tags`, one more than those. `leads`: what stands before each text when they are joined.

    `grid`: rows of cells, each the indexes of its texts; a cell that spans several is in each of their places.
    """

    tags: list[str]
    texts: list[str]
    leads: list[str]
    grid: list[list[list[int]]]

    @classmethod
    def of(cls, markup: str) -> Cells:
        tags = _MARKUP.findall(markup)
        texts = [html.unescape(text) for text in _MARKUP.split(markup)]
        leads = [""]
        grid: list[list[_Spanning]] = []
        inside = False
        for index, tag in enumerate(tags, start=1):
            kind = _kind_of_tag(tag)
            leads.append(kind.lead)
            if kind.starts == "row":
                grid.append([])
            elif kind.starts == "cell":
                if not grid:
                    grid.append([])
                grid[-1].append(_Spanning([], kind.rows, kind.cols))
                inside = True
            elif kind.ends_cell:
                inside = False
            if inside:
                grid[-1][-1].texts.append(index)
        return cls(tags, texts, leads, _expanded(grid))

    def text(self, cell: Sequence[int]) -> str:
        """The text of a cell, in one line."""
        text = self.texts[cell[0]] if len(cell) == 1 else "".join(self.texts[index] for index in cell)
        return " ".join(text.split())

    @property
    def filled(self) -> tuple[list[int], list[str]]:
        """The indexes of the texts that say something, and what stands before each."""
        indexes: list[int] = []
        leads: list[str] = []
        lead = ""
        for index, (text, own) in enumerate(zip(self.texts, self.leads, strict=True)):
            lead += own
            if text:
                indexes.append(index)
                leads.append(lead)
                lead = ""
        return indexes, leads

    @property
    def telling_tags(self) -> list[int]:
        """The indexes of those that say more than their name: a comment, a tag with attributes."""
        return [index for index, tag in enumerate(self.tags) if not tag.strip("</>").isalnum()]

    def markup(self, tags: dict[int, str]) -> str:
        """The HTML again, with the texts as they are now and some other tags, by their indexes."""
        escaped = [html.escape(text, quote=False) for text in self.texts]
        changed = {index: PSEUDONYM.sub(lambda match: html.escape(match[0]), tag) for index, tag in tags.items()}
        safe = [changed.get(index, tag) for index, tag in enumerate(self.tags)]
        return "".join(part for pair in zip(escaped, [*safe, ""], strict=True) for part in pair)


def _expanded(rows: Sequence[Sequence[_Spanning]]) -> list[list[list[int]]]:
    """Every row with a cell in each of its columns."""
    grid: list[list[list[int]]] = []
    carried: dict[int, tuple[int, list[int]]] = {}  # column -> (rows still to fill, the cell)
    for row in rows:
        filled: list[list[int]] = []
        queue = list(row)[::-1]
        while queue or len(filled) in carried:
            if len(filled) in carried:
                left, cell = carried.pop(len(filled))
                if left > 1:
                    carried[len(filled)] = (left - 1, cell)
                filled.append(cell)
                continue
            starting = queue.pop()
            for _ in range(max(1, min(starting.cols, _MOST_SPANNED))):
                if starting.rows > 1:
                    carried[len(filled)] = (starting.rows - 1, starting.texts)
                filled.append(starting.texts)
        grid.append(filled)
    return grid


_MOST_SPANNED = 100  # columns


@dataclass(frozen=True, slots=True)
class Labels:
    """`groups`: a label, as it stands in the table, and the texts of the cells that it labels. `unit`: the currency
    that a note above the table names for its amounts (单位：万元)."""

    groups: dict[str, list[int]]
    unit: str | None


def labels_of(cells: Cells) -> Labels:
    """What labels each cell: the names of its column, in one row or two, wherever they stand, or the cell before it.

    Rows are read from above. A row of labels names the columns from there on; a row with a label before each value
    is a form; the first row of several cells names the columns of a table without a row of labels.
    """
    rows = [[cells.text(cell) for cell in row] for row in cells.grid]
    marks = [[_is_label(text) for text in row] for row in rows]
    kinds = [_kind(row, mark) for row, mark in zip(rows, marks, strict=True)]
    _find_narrow_headers(rows, kinds)
    of_people = any(_OF_PEOPLE.search(simplified(text)) for row, mark in zip(rows, marks, strict=True)
                    for text, is_label in zip(row, mark, strict=True) if is_label)  # fmt: skip
    unit = next((note[1] for row in rows for text in row if (note := _UNIT_NOTE.search(text))), None)
    groups: dict[str, list[int]] = {}
    headers: list[str] = []
    before = "data"
    for row, mark, kind, grid_row in zip(rows, marks, kinds, cells.grid, strict=True):
        if kind == "header":
            headers = _joined(headers, row) if before == "header" else row
        else:
            for column, cell in enumerate(grid_row):
                label = _label_at(headers, row, mark, column, kind)
                if label and len(cell) == 1 and row[column] and not mark[column]:
                    groups.setdefault(label, [])
                    if cell[0] not in groups[label][-1:]:
                        groups[label].append(cell[0])
        before = kind
    of_anything = {label for label in groups if label.lower() in _OF_ANYTHING and not of_people}
    return Labels({label: texts for label, texts in groups.items() if label not in of_anything}, unit)


def _is_label(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_LABEL and _is_written_like_a_label(text)


@lru_cache(maxsize=4096)  # a table says the same in many cells
def _is_written_like_a_label(text: str) -> bool:
    return _LABEL.fullmatch(simplified(fold(text))) is not None


def _kind(row: Sequence[str], mark: Sequence[bool]) -> str:
    """header: mostly labels. form: a label before each value. data: everything else."""
    filled = [is_label for text, is_label in zip(row, mark, strict=True) if text]
    labels = sum(filled)
    if labels > 1 and 2 * labels > len(filled):
        return "header"
    return "form" if labels and filled[0] and not filled[-1] else "data"


def _find_narrow_headers(rows: Sequence[Sequence[str]], kinds: list[str]) -> None:
    """Few labels name columns all the same where rows without any follow: 姓名 | 岗级 | 班次."""
    for place, kind in enumerate(kinds[:-1]):
        wide = sum(map(bool, rows[place])) > 2
        two_rows = kinds[place + 1] == "header" and not all(rows[place + 1])
        if kind == "form" and wide and (two_rows or kinds[place + 1] == "data") and "header" not in kinds[:place]:
            kinds[place] = "header"
    if "header" not in kinds and "form" not in kinds:
        first = next((place for place, row in enumerate(rows) if len(set(filter(None, row))) > 1), None)
        if first is not None:
            kinds[first] = "header"


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """The names of columns that two rows make together."""
    both = zip_longest(upper, lower, fillvalue="")
    return [above if above == below else f"{above}{below}" for above, below in both]


def _label_at(headers: Sequence[str], row: Sequence[str], mark: Sequence[bool], column: int, kind: str) -> str:
    """The label of a cell: that before it in a form, or the name of its column; empty when there is none."""
    left = next((place for place in range(column - 1, -1, -1) if mark[place] or row[place] != row[column]), None)
    if kind == "form" or not headers:
        return row[left] if left is not None and mark[left] else ""
    header = headers[column] if column < len(headers) else ""
    return header if _is_label(header) else ""


def as_lead(label: str) -> str:
    """What a label says to the detectors: without what it has in brackets. A column of names in a table of people has
    the names of people."""
    short = _NOTE.sub("", label) or label
    return "Full name" if short.lower() == "name" else short


def unit_of(label: str, unit: str | None) -> str | None:
    """The currency in which the cells with a label count; `unit`: that of the table."""
    from kb_pipeline.privacy.detectors.amounts import unit_of_column

    return unit_of_column(label) or (unit if _MONEY.search(label) else None)


def split_numbers(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """Runs of neighbouring cells with nothing but a few digits each: perhaps a number written into boxes.

    With each run, what may say what it is: the cell before it and the header of its first column.
    """
    headers: list[str] = []
    for row in cells.grid:
        texts = [cells.text(cell) for cell in row]
        if _kind(texts, list(map(_is_label, texts))) == "header" or not headers:
            headers = texts
        if len(row) <= _FEWEST_PARTS:
            continue
        run: list[int] = []
        context = before = ""
        for column, cell in enumerate((*row, [])):
            text = "".join(cells.texts[index] for index in cell).strip()
            if len(cell) == 1 and _PART_OF_NUMBER.fullmatch(text):
                if not run:
                    context = f"{headers[column] if column < len(headers) else ''} {before}"
                run.append(cell[0])
                continue
            if _FEWEST_PARTS < len(run) <= _LONGEST_NUMBER:
                yield context, run
            run, before = [], text


def stands_alone(parts: list[str]) -> bool:
    """Whether neighbouring cells look like pieces of one number: a digit each, or one with a leading zero."""
    return all(len(part) == 1 for part in parts) or any(part[0] in "0０" and len(part) > 2 for part in parts[1:])
