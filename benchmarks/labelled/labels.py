"""What is true of a labelled document: the answer sheet that the tools are marked by.

*Furniture* is what stands on a page and is no part of the text: running headers and footers, page numbers,
watermarks, and on a web page its navigation. *Neutral* text may be kept or left out: a table of contents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    """`level`: 0 for the document's title, 1 for the top below it. `numbered`: the same with a number that
    the file itself does not spell out (Word's automatic numbering); either form is right. `optional`:
    calling it a heading is as right as not doing so (the word "Contents")."""

    text: str
    level: int
    page: int | None = None
    numbered: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, list item (without its marker), caption or footnote, and the page on which it begins."""

    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Furniture:
    """One occurrence of a text that does not belong to the body. `kind`: header, footer, page number,
    watermark or navigation."""

    text: str
    kind: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`grid`: rows of cell texts, all of one length. A merged cell has its text in its first slot; the slots
    that it covers besides are empty and named in `covered` as (row, column). `ruled`: every cell is framed."""

    grid: tuple[tuple[str, ...], ...]
    ruled: bool
    covered: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """All labels of one document. `pages`: None where the format has none. `flow`: headings, paragraphs and
    table rows in reading order. `features`: what was drawn at random, for the reader of the results."""

    name: str
    format: str
    language: str
    pages: int | None
    headings: tuple[Heading, ...]
    paragraphs: tuple[Paragraph, ...]
    furniture: tuple[Furniture, ...] = ()
    tables: tuple[Table, ...] = ()
    neutral: tuple[str, ...] = ()
    flow: tuple[str, ...] = ()
    features: Mapping[str, Any] = field(default_factory=dict)
