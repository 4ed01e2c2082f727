"""OFD, the fixed-layout format of GB/T 33190 -> elements: the text of its pages, line by line as it stands on them.

Terms (GB/T 33190-2016)
  text object   a text with a font size in a box on the page; its characters follow a `TextCode`, which says where the
                first one stands and how far it is from each to the next.
  CTM           six numbers that carry a point of a text object's own plane into its box.
  template      a page that others lie over, such as the printed form of an invoice.

Lengths are millimetres, from the top left corner.
"""

from __future__ import annotations

import posixpath
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from kb_pipeline.errors import EmptyDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import DroppedText
from kb_pipeline.parsing.office.package import MissingPart, Package, mended_warnings
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.text import CHINESE, text_document

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_WIDE, _NARROW = 1.0, 0.5  # of the font size: how wide a character is about
_COLUMN_GAP = 1.5  # of the font size; a wider gap parts columns
_WORD_GAP = 0.2
_SAME_LINE = 0.5  # of the font size
_PARAGRAPH_GAP = 1.4  # of the usual distance between lines
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Run:
    """Characters that stand side by side: from where to where, their base line, their font size."""

    left: float
    right: float
    base: float
    size: float
    text: str


def read_ofd(data: bytes, limits: ParseLimits) -> ParsedDocument:
    """Raises MalformedDocument (no pages), EmptyDocument (pictures only) or LimitExceeded (too many pages)."""
    package = Package(data)
    pages: list[str] = []
    dropped: list[DroppedText] = []
    metadata: dict[str, str] = {}
    warnings: list[str] = []
    for body in package.xml("OFD.xml").iterfind("{*}DocBody"):
        title = " ".join((body.findtext("{*}DocInfo/{*}Title") or "").split())
        metadata |= {"title": title} if title else {}
        root = _located(package, "", body.findtext("{*}DocRoot"))
        document = package.xml(root)
        if document.find("{*}Attachments") is not None:
            warnings.append("The attachments of the file were not read.")
        for page in _pages(package, document, posixpath.dirname(root)):
            if len(pages) >= limits.pages:
                raise LimitExceeded(
                    f"The file has more than {limits.pages} pages; split it, or raise limits.pages if it is no mistake."
                )
            number = len(pages) + 1
            pages.append(_page_text([run for part in page for run in _runs(part)]))
            dropped += [DroppedText("hidden text", text, number) for part in page for text in _hidden(part)]
    if not pages:
        raise MalformedDocument("The file names no pages that it holds; open it and save it again.")
    if not any(page.strip() for page in pages):
        raise EmptyDocument("The pages of the file are pictures without text; save it as PDF, which is read by OCR.")
    found = text_document("\f".join(pages))
    hidden = sum(len("".join(item.text.split())) for item in dropped)
    return replace(
        found,
        dropped=(*found.dropped, *dropped),
        page_count=len(pages),
        metadata=metadata,
        warnings=(*warnings, *mended_warnings(package)),
        source_characters=(found.source_characters or 0) + hidden,
        elements=tuple(replace(one, page_number=one.page_number or 1) for one in found.elements),
    )


def _pages(package: Package, document: Node, folder: str) -> Iterator[list[Node]]:
    """The parts of each page in order: the templates that it lies over, and its own."""
    templates = {
        node.get("ID", ""): _located(package, folder, node.get("BaseLoc"))
        for node in document.iterfind("{*}CommonData/{*}TemplatePage")
    }
    read: dict[str, Node | None] = {}
    for node in document.iterfind("{*}Pages/{*}Page"):
        try:
            page = package.xml(_located(package, folder, node.get("BaseLoc")))
        except MissingPart:
            continue
        below = []
        for used in page.iterfind("{*}Template"):
            part = templates.get(used.get("TemplateID", ""), "")
            if part not in read:
                read[part] = package.optional_xml(part)
            template = read[part]
            below += [] if template is None else [template]
        yield [*below, page]


def _located(package: Package, folder: str, place: str | None) -> str:
    """The name of the part at `place`, which is seen from `folder`, or from the top: where it begins with a slash, and
    where a careless producer forgot to."""
    place = (place or "").strip()
    below, above = posixpath.normpath(posixpath.join(folder, place)), posixpath.normpath(place.lstrip("/"))
    return above if place.startswith("/") or (not package.has(below) and package.has(above)) else below


def _runs(page: Node) -> Iterator[_Run]:
    for node in page.iterfind(".//{*}TextObject"):
        if not _is_hidden(node):
            yield from _runs_of_object(node)


def _hidden(page: Node) -> Iterator[str]:
    for node in page.iterfind(".//{*}TextObject"):
        text = "".join(code.text or "" for code in node.iterfind("{*}TextCode"))
        if _is_hidden(node) and text.strip():
            yield text


def _is_hidden(node: Node) -> bool:
    return str(node.get("Visible")).lower() == "false"


def _runs_of_object(node: Node) -> Iterator[_Run]:
    left, top, *_ = (*_numbers(node.get("Boundary")), 0.0, 0.0)
    ctm = _numbers(node.get("CTM"))
    a, b, c, d, e, f = ctm if len(ctm) == len(_IDENTITY) else _IDENTITY
    size = (_numbers(node.get("Size")) or [1.0])[0]
    x = y = 0.0
    for code in node.iterfind("{*}TextCode"):
        text = code.text or ""
        x, y = (_numbers(code.get("X")) or [x])[0], (_numbers(code.get("Y")) or [y])[0]
        steps = _steps(code.get("DeltaX"), len(text) - 1)
        if not steps and code.get("DeltaY"):  # a column of characters, which is one text all the same
            steps = [0.0] * (len(text) - 1)
        for start, end, first, last in _pieces(text, steps, size):
            at = left + a * (x + start) + c * y + e
            until = left + a * (x + end) + c * y + e
            scale = abs(d) or abs(b) or 1.0
            base = top + b * (x + start) + d * y + f
            yield _Run(min(at, until), max(at, until), base, size * scale, text[first:last])


def _pieces(text: str, steps: Sequence[float], size: float) -> Iterator[tuple[float, float, int, int]]:
    """Where a text begins and ends along its line, parted where a step leaves a column's gap; and which characters."""
    place = start = 0.0
    first = 0
    for index, character in enumerate(text):
        width = _width(character) * size
        step = steps[index] if index < len(steps) else width
        if index + 1 == len(text) or step > width + _COLUMN_GAP * size:
            yield start, place + width, first, index + 1
            start, first = place + step, index + 1
        place += step


def _width(character: str) -> float:
    return _WIDE if CHINESE.match(character) else _NARROW


def _steps(written: str | None, most: int) -> list[float]:
    """`1 2 g 3 4` is 1 2 4 4 4; no more than there are characters for."""
    words = iter((written or "").split())
    found: list[float] = []
    for word in words:
        count, step = 1.0, word
        if word == "g":
            count, step = (_numbers(next(words, "")) or [0.0])[0], next(words, "")
        value = (_numbers(step) or [0.0])[0]
        found += [value] * int(min(max(count, 0), most - len(found)))
        if len(found) >= most:
            break
    return found


def _numbers(written: str | None) -> list[float]:
    """The numbers of an attribute; none where one of them is damaged."""
    try:
        numbers = [float(word) for word in (written or "").split()]
    except ValueError:
        return []
    return numbers if all(abs(number) < 1e6 for number in numbers) else []


def _page_text(runs: Sequence[_Run]) -> str:
    """The lines of a page from top to bottom, with blank lines between paragraphs and double blanks between columns."""
    lines: list[list[_Run]] = []
    for run in sorted((run for run in runs if run.text.strip()), key=lambda run: (run.base, run.left)):
        if lines and run.base - lines[-1][0].base < _SAME_LINE * min(run.size, lines[-1][0].size):
            lines[-1].append(run)
        else:
            lines.append([run])
    distances = [below[0].base - above[0].base for above, below in pairwise(lines)]
    usual = statistics.median_low(distances) if distances else 0.0
    parts = [_line_text(lines[0])] if lines else []
    for distance, line in zip(distances, lines[1:], strict=True):
        parts += ["", _line_text(line)] if distance > _PARAGRAPH_GAP * usual else [_line_text(line)]
    return "\n".join(parts)


def _line_text(line: Sequence[_Run]) -> str:
    ordered = sorted(line, key=lambda run: run.left)
    parts = [ordered[0].text.strip()]
    for before, run in pairwise(ordered):
        gap = (run.left - before.right) / max(run.size, 0.1)
        is_chinese = CHINESE.match(before.text[-1]) and CHINESE.match(run.text[0])
        blank = "  " if gap > _COLUMN_GAP else " " if gap > _WORD_GAP and not is_chinese else ""
        parts.append(blank + run.text.strip())
    return "".join(parts)
