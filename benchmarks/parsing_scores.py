"""How near a tool came to a labelled document: pure functions over labels and what the tool gave.

*Normalised* text is NFKC without any white space and soft hyphens, in lower case: what is left is what a
reader sees, whatever the tool did about spaces, line breaks and full-width forms.

heading     The headings of document and tool are aligned in order (at most one to one, texts at least
            LEAST_SIMILARITY alike). F1 counts aligned pairs. For *levels* a pair counts only if its levels are equal
            after one number, the same for the whole document, was added to all levels of the tool (the best one is
            taken): tools begin to count at 0, at 1, or below the title. The title may have any level not
            deeper than the top level below it.
body        Recall: the share of the 4-grams of characters inside each paragraph that the kept text holds, too.
            *Whole*: the share of paragraphs that stand unbroken in one element.
removal     The share of furniture occurrences that are not in the kept text: how often the text occurs there
            beyond its place in the body. Up to three characters (a bare page number) count only as a line alone.
table       A table of the tool belongs to the true table whose cells it shares most; several that belong to one are
            joined (a table that goes on over pages), without header rows that repeat. Rows, then columns, are aligned
            in order. A cell counts if its text is equal; F1 is over cells with text. Repeating a merged
            cell's text in the slots that it covers is neither right nor wrong. Tables where there are none count
            as wrong cells against the unruled ones.
page        The share of paragraphs found in the tool's text whose element has the page on which they begin.
error rate  Levenshtein distance between the text of the document in reading order and the kept text, divided by the
            length of the former; list markers do not count, and lines that are furniture are not held against the tool.

A figure over several documents is the mean of the documents' figures.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from labelled.labels import Heading, Paragraph, Table, Truth

LEAST_SIMILARITY = 0.9
GRAM = 4  # characters
_PROBE = 24  # characters by which a paragraph is found again
_SHORT = 3  # characters; too short to be looked for inside a text
_LIST_MARKER = re.compile(r"^\s*(?:[•·●▪*–—-]\s*|[（(]?[0-9a-e][)）]\s*|[①-⑤]\s*)")
_NOT_SEEN = re.compile(r"[\s\u00ad\u200b\ufeff]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """One element of a tool's result. `kind`: heading, text or table; `html`: the cells of a table."""

    kind: str
    text: str
    level: int | None = None
    page: int | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """One document's figures, all from 0 to 1; None where the document or the tool has nothing to measure."""

    heading_text: float | None
    heading_level: float | None
    body_recall: float | None
    whole: float | None
    removal: float | None
    ruled: float | None
    unruled: float | None
    pages: float | None
    error_rate: float | None = None


@dataclass(frozen=True, slots=True)
class HeadingMatch:
    """`matched`: true heading and tool's heading; `right_levels`: how many of these have the right level."""

    matched: tuple[tuple[Heading, Piece], ...]
    missed: tuple[Heading, ...]
    invented: tuple[Piece, ...]
    right_levels: int


def score(truth: Truth, pieces: Sequence[Piece], *, recognised: bool = False) -> Scores:
    """All figures of one document. `recognised`: its text was read from pixels, so an error rate is wanted."""
    headings = match_headings(truth.headings, [piece for piece in pieces if piece.kind == "heading"])
    ruled, unruled = table_scores(truth.tables, [piece for piece in pieces if piece.kind == "table" and piece.html])
    kept = "".join(normalise(piece.text) for piece in pieces)
    return Scores(
        heading_text=heading_f1(headings, len(headings.matched)) if truth.headings else None,
        heading_level=heading_f1(headings, headings.right_levels) if truth.headings else None,
        body_recall=recall([paragraph.text for paragraph in truth.paragraphs], kept),
        whole=whole_share(truth.paragraphs, pieces),
        removal=removal(truth, pieces),
        ruled=ruled,
        unruled=unruled,
        pages=page_accuracy(truth.paragraphs, pieces),
        error_rate=error_rate(truth, pieces) if recognised else None,
    )


def normalise(text: str) -> str:
    return _NOT_SEEN.sub("", unicodedata.normalize("NFKC", text)).lower()


def f1(right: float, true: float, found: float) -> float | None:
    """None where there is nothing to find and nothing was found."""
    return 2 * right / (true + found) if true + found else None


# --- headings ----------------------------------------------------------------------------------------


def match_headings(truth: Sequence[Heading], found: Sequence[Piece]) -> HeadingMatch:
    forms = [{normalise(form) for form in (heading.text, heading.numbered) if form} for heading in truth]
    texts = [normalise(piece.text) for piece in found]
    pairs = align(len(truth), len(texts), lambda t, f: max(similarity(form, texts[f]) for form in forms[t]))
    aligned = {t: found[f] for t, f in pairs}
    used = {f for _, f in pairs}
    matched = tuple((heading, aligned[t]) for t, heading in enumerate(truth) if t in aligned and not heading.optional)
    return HeadingMatch(
        matched,
        missed=tuple(heading for t, heading in enumerate(truth) if t not in aligned and not heading.optional),
        invented=tuple(piece for f, piece in enumerate(found) if f not in used),
        right_levels=max((_right_levels(matched, shift) for shift in range(-3, 4)), default=0),
    )


def heading_f1(match: HeadingMatch, right: int) -> float:
    true = len(match.matched) + len(match.missed)
    return f1(right, true, len(match.matched) + len(match.invented)) or 0.0


def _right_levels(matched: Sequence[tuple[Heading, Piece]], shift: int) -> int:
    right = 0
    for heading, piece in matched:
        if piece.level is not None:
            level = piece.level + shift
            right += level <= 1 if heading.level == 0 else level == heading.level
    return right


def similarity(one: str, other: str) -> float:
    """From 0 to 1: 1 less the edits from one text to the other per character of the longer one."""
    from rapidfuzz.distance import Levenshtein

    if one == other:
        return 1.0
    likeness = Levenshtein.normalized_similarity(one, other, score_cutoff=LEAST_SIMILARITY)
    return float(likeness)


def align(rows: int, columns: int, likeness: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """The pairs (row, column), both rising, with the greatest sum of likenesses; pairs of 0 are left out."""
    values = [[likeness(r, c) for c in range(columns)] for r in range(rows)]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for r in range(rows - 1, -1, -1):
        for c in range(columns - 1, -1, -1):
            best[r][c] = max(best[r + 1][c], best[r][c + 1], values[r][c] + best[r + 1][c + 1])
    pairs, r, c = [], 0, 0
    while r < rows and c < columns:
        if values[r][c] and best[r][c] == values[r][c] + best[r + 1][c + 1]:
            pairs.append((r, c))
            r, c = r + 1, c + 1
        elif best[r][c] == best[r + 1][c]:
            r += 1
        else:
            c += 1
    return pairs


# --- body and furniture ------------------------------------------------------------------------------


def grams(text: str) -> Counter[str]:
    """How often each run of GRAM characters occurs; a shorter text is one run."""
    return Counter(text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))) if text else Counter()


def recall(paragraphs: Iterable[str], kept: str) -> float | None:
    """The share of the paragraphs' grams that `kept` (normalised) holds; None without paragraphs."""
    wanted: Counter[str] = Counter()
    for text in paragraphs:
        wanted += grams(normalise(text))
    have = grams(kept)
    total = wanted.total()
    return sum(min(count, have[gram]) for gram, count in wanted.items()) / total if total else None


def whole_share(paragraphs: Sequence[Paragraph], pieces: Sequence[Piece]) -> float | None:
    texts = "\n".join(normalise(piece.text) for piece in pieces)
    whole = sum(normalise(paragraph.text) in texts for paragraph in paragraphs)
    return whole / len(paragraphs) if paragraphs else None


def removal(truth: Truth, pieces: Sequence[Piece]) -> float | None:
    """The share of furniture that is not in the kept text; None without furniture, 0 where nothing was kept."""
    if not truth.furniture:
        return None
    if not pieces:
        return 0.0
    left = sum(leaks(truth, pieces).values())
    return 1 - left / len(truth.furniture)


def leaks(truth: Truth, pieces: Sequence[Piece]) -> Counter[str]:
    """Furniture text -> how many of its occurrences are in the kept text."""
    printed = Counter(normalise(piece.text) for piece in truth.furniture)
    kept = "\n".join(normalise(piece.text) for piece in pieces)
    lines = Counter(normalise(line) for piece in pieces for line in piece.text.splitlines())
    numbered = (heading.numbered or "" for heading in truth.headings)
    own = [normalise(text) for text in (*truth.flow, *truth.neutral, *numbered)]
    legitimate = "\n".join(own)
    own_lines = Counter(own) + Counter(normalise(cell) for t in truth.tables for row in t.grid for cell in row)
    # Longest first, and each found text is taken out, so that "page 1" is not seen once more in "page 10".
    leaked: Counter[str] = Counter()
    for text in sorted(printed, key=len, reverse=True):
        if len(text) <= _SHORT:
            count = lines[text] - own_lines[text]
        else:
            count = kept.count(text) - legitimate.count(text)
            kept = kept.replace(text, "\n")
        leaked[text] = max(0, min(count, printed[text]))
    return +leaked


# --- pages -------------------------------------------------------------------------------------------


def page_accuracy(paragraphs: Sequence[Paragraph], pieces: Sequence[Piece]) -> float | None:
    """None where the document or the tool knows no pages. Paragraphs are looked for by their beginnings; those
    whose beginning is not unique are left out."""
    if all(piece.page is None for piece in pieces):
        return None
    offsets, texts, at = [], [], 0
    for piece in pieces:
        offsets.append(at)
        texts.append(normalise(piece.text))
        at += len(texts[-1])
    joined = "".join(texts)
    beginnings = Counter(normalise(paragraph.text)[:_PROBE] for paragraph in paragraphs)
    right = seen = 0
    for paragraph in paragraphs:
        probe = normalise(paragraph.text)[:_PROBE]
        if paragraph.page is None or beginnings[probe] > 1 or joined.count(probe) != 1:
            continue
        seen += 1
        right += pieces[bisect.bisect_right(offsets, joined.index(probe)) - 1].page == paragraph.page
    return right / seen if seen else None


# --- tables ------------------------------------------------------------------------------------------


def table_scores(truth: Sequence[Table], found: Sequence[Piece]) -> tuple[float | None, float | None]:
    """The F1 of the cells of ruled and of unruled tables."""
    grids = [[[normalise(cell) for cell in row] for row in table.grid] for table in truth]
    cells = [Counter(cell for row in grid for cell in row if cell) for grid in grids]
    owned: dict[int, list[list[list[str]]]] = {}
    sums = {True: [0, 0, 0], False: [0, 0, 0]}  # right, true, found
    for piece in found:
        grid = [[normalise(cell) for cell in row] for row in html_grid(piece.html or "")]
        own = Counter(cell for row in grid for cell in row if cell)
        shared = [(own & other).total() for other in cells]
        if max(shared, default=0) == 0:
            sums[False][2] += own.total()
        else:
            owned.setdefault(shared.index(max(shared)), []).append(grid)
    for number, table in enumerate(truth):
        right, count = compare_grids(grids[number], _join(owned.get(number, [])), set(table.covered))
        for place, value in enumerate((right, cells[number].total(), count)):
            sums[table.ruled][place] += value
    return f1(*sums[True]), f1(*sums[False])


def _join(grids: Sequence[list[list[str]]]) -> list[list[str]]:
    """One grid out of several, without the rows that repeat the first ones at the head of a later grid."""
    if not grids:
        return []
    joined = list(grids[0])
    for grid in grids[1:]:
        repeated = 0
        while repeated < min(len(grid), len(joined), 3) and grid[repeated] == joined[repeated]:
            repeated += 1
        joined += grid[repeated:]
    return joined


def compare_grids(
    true: Sequence[Sequence[str]], found: Sequence[Sequence[str]], covered: set[tuple[int, int]]
) -> tuple[int, int]:
    """Cells of `found` that are right, and cells with text in it that count (not the repeats of merged cells)."""
    rows = align(
        len(true),
        len(found),
        lambda t, f: (Counter(true[t]) & Counter(found[f])).total() - _both_empty(true[t], found[f]),
    )
    wide, width = max(map(len, true), default=0), max(map(len, found), default=0)

    def equal(c: int, d: int) -> int:
        return sum(true[t][c] == found[f][d] != "" for t, f in rows if d < len(found[f]))

    columns = align(wide, width, equal)
    right = sum(equal(c, d) for c, d in columns)
    count = sum(cell != "" for row in found for cell in row)
    at = dict(columns)
    for t, f in rows:
        for c in range(wide):
            if (t, c) in covered and c in at and at[c] < len(found[f]) and found[f][at[c]]:
                count -= found[f][at[c]] in (true[t][c - 1 :: -1] if c else [true[max(0, t - 1)][c]])
    return right, count


def _both_empty(one: Sequence[str], other: Sequence[str]) -> int:
    return min(one.count(""), other.count(""))


class _TableReader(HTMLParser):
    """The cells of an HTML table; each merged cell's text stands in its first slot."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.slots: dict[tuple[int, int], str] = {}
        self._row = -1
        self._cell: list[str] | None = None
        self._at = (0, 0)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._close()
            self._row += 1
        elif tag in ("td", "th"):
            self._close()
            self._row = max(self._row, 0)
            spans = dict(attrs)
            column = 0
            while (self._row, column) in self.slots:
                column += 1
            for r in range(_span(spans.get("rowspan"))):
                for c in range(_span(spans.get("colspan"))):
                    self.slots[self._row + r, column + c] = ""
            self._at, self._cell = (self._row, column), []
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._close()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _close(self) -> None:
        if self._cell is not None:
            self.slots[self._at] = "".join(self._cell)
            self._cell = None


def _span(value: str | None) -> int:
    return min(max(int(value), 1), 100) if value and value.isdigit() else 1


def html_grid(html: str) -> list[list[str]]:
    """The rows of an HTML table, all of one length."""
    reader = _TableReader()
    reader.feed(html)
    reader.close()
    rows = 1 + max((r for r, _ in reader.slots), default=-1)
    columns = 1 + max((c for _, c in reader.slots), default=-1)
    return [[reader.slots.get((r, c), "") for c in range(columns)] for r in range(rows)]


# --- recognised text ---------------------------------------------------------------------------------


def error_rate(truth: Truth, pieces: Sequence[Piece]) -> float | None:
    """The character error rate of the kept text."""
    from rapidfuzz.distance import Levenshtein

    furniture = {normalise(piece.text) for piece in truth.furniture}
    lines = [_unmarked(line) for piece in pieces for line in piece.text.splitlines()]
    kept = "".join(line for line in lines if not any(similarity(line, text) for text in furniture))
    wanted = "".join(map(_unmarked, truth.flow))
    return Levenshtein.distance(wanted, kept) / len(wanted) if wanted else None


def _unmarked(line: str) -> str:
    """Normalised, without a list marker at its beginning."""
    return normalise(_LIST_MARKER.sub("", line))
