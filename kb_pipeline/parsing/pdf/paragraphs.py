"""Lines -> blocks: the lines that are one paragraph, also across columns and pages; tables, also across pages.

Footnotes stand below the body of their page. They come after the paragraph that the page ends with, even when
that goes on on the next page.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.numbering import numbering_scheme
from kb_pipeline.parsing.pdf.layout import Line
from kb_pipeline.parsing.pdf.page import Rule
from kb_pipeline.parsing.pdf.tables import PageTable
from kb_pipeline.parsing.text import join_lines

_SAME_SIZE = 0.06  # relative difference within one paragraph
_LOOSEST_PITCH = 1.25  # times the usual distance of two lines of one size: more is a new paragraph
_FEWEST_PITCHES = 3  # distances of one region that tell its own
_CHINESE_ROOM = 2.5  # ems left free at the end of a Chinese line that another line of its paragraph follows
_CHINESE_ROOM_INSIDE = 5.0  # the same where the line ends inside a sentence
_CHINESE_ROOM_BOLD = 1.5  # the same where the next line is of another weight
_INDENT = 0.8  # ems
_CENTRED = 0.04  # of the width of the text between the middles of two centred lines
_TITLE_SIZE = 1.12  # times the body size
_TITLE_PITCH = 2.0  # ems between the lines of one title
_MOST_TITLE_LINES = 4
_SMALLER = 0.93  # times the body size: a footnote is set smaller
_NOTE_RULE = (0.1, 0.55)  # of the text width that the rule above footnotes takes
_NOTE_AREA = 0.35  # of the page height from below, where footnotes stand
_SAME_EDGE = 6.0  # points between the edges of the two parts of one table
_SENTENCE_END = re.compile(r"[。！？；.!?;:：][”’」』\"')）\]\d]*$")
_BULLET = re.compile(r"[•●▪■◆◇○◦·‣⁃□➤❖\uf000-\uf0ff✓➢►▶]\s*|[-–—*]\s+")
_CIRCLED = re.compile(r"[①-⑳]")
_LETTERED = re.compile(r"[（(]?[a-zA-Z][)）]\s*|\d{1,2}[)）]\s*|[（(](?:\d{1,2}|[ivx]{1,4})[)）]\s*", re.ASCII)
_LABEL = re.compile(r"[^：:。，,；;]{1,14}[：:]")
_HYPHENATED = re.compile(r"(?<=[a-z])[-\xad\u2010]$")
_NOTE_MARK = re.compile(
    r"(?:\d{1,3}|[①-⑳❶-❿*†‡§∗]{1,3}|\[\d{1,3}\]|[（(]\d{1,2}[)）]|注\s*\d{0,2}[:：]|\[\^?\w\])\s*[^\d\s.．、,%]"
)
_QUANTITY = frozenset({"decimal-1", "decimal-2", "digit-brackets", "decimal-3", "roman", "letter"})

Block = tuple[list[Line], PageTable | None]


@dataclass(frozen=True, slots=True)
class Style:
    """What most text of a document looks like. `size`: points."""

    size: float
    bold: bool


def body_style(pages: Sequence[Sequence[Line]]) -> Style:
    """The style of most characters."""
    weights: Counter[tuple[float, bool]] = Counter()
    for page in pages:
        for line in page:
            weights[line.size, line.bold] += len(line.text)
    size, bold = weights.most_common(1)[0][0] if weights else (0.0, False)
    return Style(size, bold)


def is_bullet(text: str) -> re.Match[str] | None:
    """The bullet that a list item begins with, and the space after it."""
    return _BULLET.match(text)


def is_enumerated(text: str) -> bool:
    """Whether a text begins as an item of a numbered list."""
    return bool(_CIRCLED.match(text) or _LETTERED.match(text))


def mark_notes(lines: Sequence[Line], rules: Sequence[Rule], body: Style, height: float) -> list[Line]:
    """The lines of a page, those of footnotes marked.

    Footnotes end a column: they are set smaller than the body and begin with a mark, or stand below a short rule.
    """
    found = list(lines)
    for region in {line.region for line in lines}:
        indexes = [i for i, line in enumerate(found) if line.region == region]
        for start in _note_starts(found, indexes, rules, body, height):
            for index in indexes:
                if index >= start and found[index].table is None:
                    found[index] = replace(found[index], is_note=True)
    return found


def _note_starts(
    lines: Sequence[Line], indexes: Sequence[int], rules: Sequence[Rule], body: Style, height: float
) -> list[int]:
    """The index of the first line of the footnotes of a region, if it has any."""
    tail: list[int] = []
    for index in reversed(indexes):
        line = lines[index]
        if line.table is not None or line.size > _SMALLER * body.size or line.top < (1 - _NOTE_AREA) * height:
            break
        tail.insert(0, index)
    if not tail:
        return []
    width = max(line.x1 for line in lines) - min(line.x0 for line in lines)
    for index in tail:
        line = lines[index]
        ruled = any(
            rule.top == rule.bottom
            and _NOTE_RULE[0] * width < rule.x1 - rule.x0 < _NOTE_RULE[1] * width
            and abs(rule.x0 - line.x0) < 3 * line.size
            and 0 <= line.top + 0.3 * line.size - rule.top < 2 * line.size
            for rule in rules
        )
        if ruled or _NOTE_MARK.match(line.text):
            return [index]
    return []


def blocks(pages: Sequence[Sequence[Line]], body: Style) -> Iterator[Block]:
    """Paragraphs and tables in reading order. `pages`: lines with edges, without running text."""
    pitches = _Pitches(pages)
    current: list[Line] = []
    table: Block | None = None
    notes: list[list[Line]] = []

    def flush() -> Iterator[Block]:
        nonlocal table
        if table is not None:
            yield table
            table = None
        if current:
            yield list(current), None
            current.clear()
        yield from ((note, None) for note in notes)
        notes.clear()

    for page in pages:
        for line in page:
            if line.is_note:
                begins = not notes or notes[-1][-1].page_number != line.page_number or _NOTE_MARK.match(line.text)
                if begins:
                    notes.append([line])
                else:
                    notes[-1].append(line)
            elif line.table is not None:
                if table is not None and not current:
                    joined = _joined(table, line)
                    if joined is not None:
                        table = joined
                        continue
                yield from flush()
                table = [line], line.table
            elif current and _continues(current, line, pitches.of(line), body):
                current.append(line)
            else:
                yield from flush()
                current.append(line)
    yield from flush()


def _joined(block: Block, line: Line) -> Block | None:
    """The table with its other part at the head of the next page or column; None where `line` is another table."""
    lines, table = block
    following = line.table
    if table is None or following is None or not lines:
        return None
    last = lines[-1]
    if (last.page_number, last.region) == (line.page_number, line.region) or line.page_number - last.page_number > 1:
        return None
    if last.page_number == line.page_number:
        same_place = abs((last.x1 - last.x0) - (line.x1 - line.x0)) < 2 * _SAME_EDGE
    else:
        same_place = abs(last.x0 - line.x0) < _SAME_EDGE and abs(last.x1 - line.x1) < _SAME_EDGE
    repeated = _plain(table.rows[0]) == _plain(following.rows[0])
    if len(table.rows[0]) != len(following.rows[0]) or not (same_place or repeated):
        return None
    return [*lines, line], table.joined(following)


def _plain(row: Sequence[str]) -> str:
    return "".join("".join(row).split())


class _Pitches:
    """The usual distance between the baselines of two neighbouring lines of one size, points: of their region
    where it has enough of them, or else of the document."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        distances: dict[tuple[int, int, float] | float, list[float]] = defaultdict(list)
        for page in pages:
            for above, line in itertools.pairwise(page):
                if (
                    above.size == line.size
                    and above.region == line.region
                    and 0 < line.bottom - above.bottom < 4 * line.size
                ):
                    distances[line.size].append(line.bottom - above.bottom)
                    distances[line.page_number, line.region, line.size].append(line.bottom - above.bottom)
        self._usual = {key: statistics.median_low(found) for key, found in distances.items()}
        self._known = {
            key for key, found in distances.items() if isinstance(key, float) or len(found) >= _FEWEST_PITCHES
        }

    def of(self, line: Line) -> float:
        own = line.page_number, line.region, line.size
        if own in self._known:
            return self._usual[own]
        return self._usual.get(line.size, 2 * line.size)


def _continues(paragraph: Sequence[Line], line: Line, pitch: float, body: Style) -> bool:
    """Whether `line` belongs to the paragraph that ends so far with the last of its lines."""
    previous = paragraph[-1]
    em = previous.size or 10.0
    if abs(line.size - previous.size) > _SAME_SIZE * em or _is_heading(line.role) != _is_heading(previous.role):
        return False
    if _is_title_line(paragraph, line, body):
        return True
    if is_bullet(line.text) or is_enumerated(line.text):
        return False
    neighbours = (line.page_number, line.region) == (previous.page_number, previous.region)
    inside = not _SENTENCE_END.search(previous.text)
    # A line that begins with a small letter goes on from one that ends inside a sentence, however short that is.
    goes_on = inside and neighbours and line.text[:1].islower() and len(previous.text) > len(line.text) / 2
    full = is_divided(previous.text, line.text) or goes_on or _is_full(previous, line)
    indent = line.x0 - line.left if not neighbours else line.x0 - previous.x0
    scheme = numbering_scheme(line.text)
    if scheme and not (full and inside and scheme in _QUANTITY and indent <= _INDENT * em and not previous.bold):
        return False
    if line.bold != previous.bold and not (
        inside and neighbours and _runs_on(previous, line) and indent <= _INDENT * em
    ):
        return False
    if _LABEL.match(line.text) and _LABEL.match(paragraph[0].text) and not (full and inside):
        return False  # a form: one field a line
    if not neighbours and not inside:
        return False
    # Where headings only follow each other, the usual distance of their lines is that between two headings.
    loosest = _LOOSEST_PITCH * pitch
    flush_right = abs(previous.x1 - line.x1) < line.size / 2 < abs(previous.x0 - line.x0)
    if line.size >= _TITLE_SIZE * body.size and not flush_right and not _are_centred(previous, line):
        loosest = min(loosest, _TITLE_PITCH * line.size)
    if neighbours and not 0 < line.bottom - previous.bottom <= loosest:
        return False
    first = paragraph[0].text
    hanging = bool(is_bullet(first) or is_enumerated(first) or numbering_scheme(first))
    if indent > _INDENT * em and not (hanging and neighbours and len(paragraph) == 1):
        return False
    return full


def _runs_on(previous: Line, line: Line) -> bool:
    """Whether a line of another weight goes on in the same sentence, rather than beginning the text below a heading."""
    if line.text[:1] >= "\u2e80":
        return previous.x1 + _CHINESE_ROOM_BOLD * line.size >= previous.right
    return line.text[:1].islower()


def _is_heading(role: str | None) -> bool:
    return role is not None and (role[0] == "H" or role == "Title")


def _is_title_line(paragraph: Sequence[Line], line: Line, body: Style) -> bool:
    """Whether a large centred line goes on from the centred line above: a title over several lines."""
    previous = paragraph[-1]
    if line.size < _TITLE_SIZE * body.size or line.bold != previous.bold or len(paragraph) >= _MOST_TITLE_LINES:
        return False
    if line.page_number != previous.page_number or numbering_scheme(line.text) or _SENTENCE_END.search(previous.text):
        return False
    if not 0 < line.bottom - previous.bottom <= _TITLE_PITCH * line.size:
        return False
    return _are_centred(previous, line)


def _are_centred(previous: Line, line: Line) -> bool:
    """Whether two lines, one below the other, are centred over each other, and do not only begin at one edge."""
    width = max(line.right - line.left, line.x1 - line.x0, previous.x1 - previous.x0)
    middle = abs(line.x0 + line.x1 - previous.x0 - previous.x1) / 2
    lefts = abs(line.x0 - previous.x0)
    return middle <= _CENTRED * width and (lefts > line.size or width > 0.6 * (line.right - line.left))


def is_divided(text: str, following: str) -> bool:
    """Whether a word is divided by a hyphen at the end of `text`."""
    return bool(_HYPHENATED.search(text)) and following[:1].islower()


def _is_full(previous: Line, line: Line) -> bool:
    """Whether the first word of `line` had no room left in the line before."""
    first_word = line.text.split(" ", 1)[0]
    chinese = bool(first_word) and first_word[0] >= "\u2e80"
    share = min(1.0, len(first_word) / max(len(line.text), 1))
    chinese_room = _CHINESE_ROOM if _SENTENCE_END.search(previous.text) else _CHINESE_ROOM_INSIDE
    needed = chinese_room * line.size if chinese else share * (line.x1 - line.x0) + line.size
    return previous.x1 + needed >= previous.right


def joined_text(lines: Sequence[Line]) -> str:
    """The text of a paragraph: divided words put together, no space between Chinese characters."""
    text = lines[0].text
    for line in lines[1:]:
        text = text[:-1] + line.text if is_divided(text, line.text) else join_lines([text, line.text])
    return text
