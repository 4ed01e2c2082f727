"""The small mark-up that the sample documents are written in.

A line is a block, and so is each run of table rows:

    # Title of the document, ## level 1, ### level 2, #### level 3
    - bullet            1. numbered            > speaker note            === page break
    | cell | cell |     rows above the line |---| are the header; a cell `<` is merged with the one
                        to its left, a cell `^` with the one above
    anything else       a paragraph; **bold** marks emphasis
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` 0 is the title of the document."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A list item; `number` is None for a bullet."""

    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Note:
    text: str


@dataclass(frozen=True, slots=True)
class PageBreak:
    pass


@dataclass(frozen=True, slots=True)
class Cell:
    """One drawn cell with its top left corner and how many rows and columns it covers."""

    row: int
    column: int
    rows: int
    columns: int
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` still hold the merge marks; `cells()` resolves them."""

    header_rows: int
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        return len(self.rows[0])

    def cells(self) -> Iterator[Cell]:
        for r, row in enumerate(self.rows):
            for c, text in enumerate(row):
                if text not in ("<", "^"):
                    columns = _run(self.rows[r][c + 1 :], "<")
                    rows = _run([later[c] for later in self.rows[r + 1 :]], "^")
                    yield Cell(r, c, 1 + rows, 1 + columns, text)


Block = Heading | Paragraph | Item | Note | PageBreak | Table


@dataclass(frozen=True, slots=True)
class Document:
    """`target`: path under sample_docs/, with "/". `meta`: the front matter. `body`: the text after it."""

    target: str
    meta: Mapping[str, Any]
    body: str

    @property
    def kind(self) -> str:
        """The extension, such as "pdf"."""
        return self.target.rpartition(".")[2]

    @property
    def chinese(self) -> bool:
        return bool(self.meta["language"] == "zh")

    @property
    def needs_chinese_font(self) -> bool:
        return self.kind == "pdf" and self.chinese

    def blocks(self) -> tuple[Block, ...]:
        return tuple(_blocks(self.body.splitlines(), self.target))


def load_documents(folder: Path) -> tuple[Document, ...]:
    """All documents under `folder`, sorted by target; ValueError names a file that is not well formed."""
    documents = (_load(path, path.relative_to(folder).as_posix()) for path in folder.rglob("*.md"))
    return tuple(sorted(documents, key=lambda document: document.target))


def spans_of(text: str) -> Iterator[tuple[str, bool]]:
    """Pieces of `text` and whether each is bold."""
    for i, piece in enumerate(text.split("**")):
        if piece:
            yield piece, i % 2 == 1


def plain(text: str) -> str:
    return text.replace("**", "")


def _load(path: Path, name: str) -> Document:
    _, front, body = path.read_text(encoding="utf-8").split("+++\n", 2)
    return Document(name.removesuffix(".md"), tomllib.loads(front), body.strip("\n") + "\n")


def _blocks(lines: list[str], target: str) -> Iterator[Block]:
    table: list[str] = []
    for line in [*(line.strip() for line in lines), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if table:
            yield _table(table, target)
            table = []
        if block := _block(line):
            yield block


def _block(line: str) -> Block | None:
    if not line:
        return None
    if line == "===":
        return PageBreak()
    if match := re.match(r"(#{1,4}) (.+)", line):
        return Heading(len(match[1]) - 1, match[2])
    if match := re.match(r"(\d+)\. (.+)", line):
        return Item(match[2], int(match[1]))
    if line.startswith("- "):
        return Item(line[2:], None)
    if line.startswith("> "):
        return Note(line[2:])
    return Paragraph(line)


def _table(lines: list[str], target: str) -> Table:
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    rule = next((i for i, row in enumerate(rows) if set("".join(row)) == {"-"}), 0)
    kept = tuple(row for i, row in enumerate(rows) if i != rule or rule == 0)
    if len({len(row) for row in kept}) != 1:
        raise ValueError(f"{target}: the rows of the table that begins with {lines[0]!r} differ in length.")
    return Table(rule, kept)


def _run(cells: tuple[str, ...] | list[str], mark: str) -> int:
    count = 0
    for cell in cells:
        if cell != mark:
            break
        count += 1
    return count
