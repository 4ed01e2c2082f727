"""The cells of an HTML table as pieces of text that can be masked and put back.

The markup is split at its tags; what lies between two tags is a *text*. Texts of one cell belong together,
whatever inline tags stand between them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kb_pipeline.privacy.detection import CELL, fold, simplified
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

_MARKUP = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_ROW = re.compile(r"</?tr\b", re.IGNORECASE)
_CELL_START = re.compile(r"<t[dh]\b", re.IGNORECASE)
_CELL_END = re.compile(r"</t[dh]\b", re.IGNORECASE)
_BREAK = re.compile(r"</?(?:br|p|div|li)\b", re.IGNORECASE)
# Headers that say what their column holds.
_COLUMN_LABEL = re.compile(
    r"名|人|电话|手机|传真|号|证件|证|出生|生日|地址|住址|住所|微信|QQ|密码|口令|元|¥|￥|RMB|CNY|USD"
    r"|name|contact|phone|tel|mobile|fax|account|card|passport|birth|dob|address|wechat|password|ssn|id",
    re.IGNORECASE,
)
_OF_ANYTHING = frozenset({"name", "author", "manager", "client", "customer", "客户"})  # products have names, too
_OF_PEOPLE = re.compile(
    r"电话|手机|身份证|出生|生日|住址|性别|年龄|phone|mobile|e-?mail|birth|gender|passport", re.IGNORECASE
)
_LONGEST_HEADER = 30  # characters; a longer one is no label
_PART_OF_NUMBER = re.compile(r"[0-9０-９]{1,8}|[Xx]")
_LONGEST_NUMBER = 24  # cells


@dataclass(frozen=True, slots=True)
class Cells:
    """`texts` stand between `tags`, one more than those. `leads`: what stands before each text when they are joined.

    `grid`: rows of cells, each the indexes of its texts.
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
        grid: list[list[list[int]]] = []
        inside = False
        for index, tag in enumerate(tags, start=1):
            if _ROW.match(tag):
                leads.append("\n")
                if not tag.startswith("</"):
                    grid.append([])
            elif _CELL_START.match(tag):
                if not grid:
                    grid.append([])
                grid[-1].append([])
                inside = True
                leads.append(CELL)
            elif _CELL_END.match(tag):
                inside = False
                leads.append("")
            else:
                leads.append("\n" if _BREAK.match(tag) else "")
            if inside:
                grid[-1][-1].append(index)
        return cls(tags, texts, leads, grid)

    @property
    def rows(self) -> list[list[str]]:
        """The text of each cell."""
        return [[" ".join("".join(self.texts[index] for index in cell).split()) for cell in row] for row in self.grid]

    def markup(self, texts: list[str], tags: list[str]) -> str:
        """The HTML again, with other texts and tags."""
        escaped = [html.escape(text, quote=False) for text in texts]
        safe = [PSEUDONYM.sub(lambda match: html.escape(match[0]), tag) for tag in tags]
        return "".join(part for pair in zip(escaped, [*safe, ""], strict=True) for part in pair)


def column_groups(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """For each column whose header is a label: the header, and the texts of the cells below that hold one text."""
    if len(cells.grid) < 2:
        return
    headers = cells.rows[0]
    of_people = any(_OF_PEOPLE.search(simplified(header)) for header in headers)
    for column, header in enumerate(headers):
        if header.lower() in _OF_ANYTHING and not of_people:
            continue
        if not header or len(header) > _LONGEST_HEADER or not _COLUMN_LABEL.search(simplified(header)):
            continue
        if any(character.isdigit() for character in fold(header)):
            continue
        below = [row[column] for row in cells.grid[1:] if column < len(row)]
        indexes = [cell[0] for cell in below if len(cell) == 1 and cells.texts[cell[0]].strip()]
        if indexes:
            yield header, indexes


def split_numbers(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """Runs of neighbouring cells with nothing but a few digits each: perhaps a number written into boxes.

    With each run, what may say what it is: the cell before it and the header of its first column.
    """
    headers = cells.rows[0] if cells.grid else []
    for row in cells.grid:
        run: list[int] = []
        context = before = ""
        for column, cell in enumerate((*row, [])):
            text = "".join(cells.texts[index] for index in cell).strip()
            if len(cell) == 1 and _PART_OF_NUMBER.fullmatch(text):
                if not run:
                    context = f"{headers[column] if column < len(headers) else ''} {before}"
                run.append(cell[0])
                continue
            if 2 < len(run) <= _LONGEST_NUMBER:
                yield context, run
            run, before = [], text


def stands_alone(parts: list[str]) -> bool:
    """Whether neighbouring cells look like pieces of one number: a digit each, or one with a leading zero."""
    return all(len(part) == 1 for part in parts) or any(part[0] in "0０" and len(part) > 2 for part in parts[1:])
