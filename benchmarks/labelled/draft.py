"""A document before it has a format: numbered headings, paragraphs, lists and tables in reading order."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from labelled.wording import Writer

_DIGITS = "零一二三四五六七八九"
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
ZH_SCHEMES = ("chapter", "chapter", "ordinal", "ordinal", "decimal", "decimal", "digits", "mixed", "plain")
_ZH_MARKERS = ("（1）|（2）|（3）|（4）|（5）", "1)|2)|3)|4)|5)", "•|•|•|•|•", "-|-|-|-|-", "①|②|③|④|⑤")
_EN_MARKERS = ("(a)|(b)|(c)|(d)|(e)", "1)|2)|3)|4)|5)", "•|•|•|•|•", "–|–|–|–|–")
EN_SCHEMES = ("decimal", "decimal", "article", "chapter", "outline", "plain", "plain")


@dataclass(frozen=True, slots=True)
class Block:
    """`kind`: heading, paragraph, item, caption, table or figure. `number`: what stands before a heading's words,
    `joint`: between the two. `marker`: what stands before an item's words. `note`: a footnote to a paragraph.
    `emphasis`: how many characters at the beginning of a paragraph are in bold. The `grid` of a figure has the names
    and figures of its bars."""

    kind: str
    text: str = ""
    level: int = 0
    number: str = ""
    joint: str = " "
    marker: str = ""
    note: str = ""
    emphasis: int = 0
    grid: tuple[tuple[str, ...], ...] = ()
    covered: tuple[tuple[int, int], ...] = ()
    ruled: bool = False

    def span(self, row: int, column: int) -> tuple[int, int]:
        """Rows and columns that the table's cell of this slot takes up."""
        covered = set(self.covered)
        across = down = 1
        while (row, column + across) in covered and column + across < len(self.grid[0]):
            across += 1
        while across == 1 and column == 0 and (row + down, column) in covered:
            down += 1
        return down, across

    @property
    def heading_text(self) -> str:
        return (
            f"{self.number} {self.text}" if self.number and self.number[-1] not in "、）" else self.number + self.text
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what a draft holds. `depth`: heading levels below the title."""

    chapters: int
    depth: int = 3
    tables: float = 0.25
    lists: float = 0.25
    notes: float = 0.08
    long_headings: float = 0.04
    figures: float = 0.06
    emphasis: float = 0.08
    merged: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    language: str
    title: str
    company: str
    scheme: str
    blocks: tuple[Block, ...]
    features: dict[str, object] = field(default_factory=dict)


def write_draft(language: str, rng: random.Random, plan: Plan) -> Draft:
    """A draft drawn at random within the plan."""
    return _Drafting(language, rng, plan).draft()


class _Drafting:
    def __init__(self, language: str, rng: random.Random, plan: Plan) -> None:
        self._language, self._rng, self._plan = language, rng, plan
        self._writer = Writer(language, rng)
        self._scheme = rng.choice(ZH_SCHEMES if language == "zh" else EN_SCHEMES)
        joints = ("", " ", " ", "　") if language == "zh" else (" ", " ", "  ")
        self._joint = rng.choice(joints)
        self._articles = 0
        self._captions = self._figures = 0
        self._blocks: list[Block] = []

    def draft(self) -> Draft:
        title, company = self._writer.text("title"), self._writer.text("company")
        title = title[:1].upper() + title[1:]
        run_in = self._language == "zh" and self._scheme == "chapter" and self._rng.random() < 0.4
        for chapter in range(1, self._plan.chapters + 1):
            self._section((chapter,), run_in=run_in)
        if self._rng.random() < 0.25:
            self._appendix()
        features: dict[str, object] = {"scheme": self._scheme, "run_in": run_in}
        return Draft(self._language, title, company, self._scheme, tuple(self._blocks), features)

    def _section(self, path: tuple[int, ...], *, run_in: bool) -> None:
        level = len(path)
        self._heading(path)
        deeper = level < self._plan.depth and self._rng.random() < (0.8, 0.55, 0.0)[level - 1]
        if not deeper or self._rng.random() < 0.5:
            self._body(run_in=run_in and level > 1)
        if deeper:
            for number in range(1, self._rng.randint(2, 4)):
                self._section((*path, number), run_in=run_in)

    def _appendix(self) -> None:
        number = "附录A" if self._language == "zh" else "Appendix A"
        text = self._writer.unused("heading")
        self._blocks.append(Block("heading", text, 1, number if self._scheme != "plain" else ""))
        self._body(run_in=False)

    def _heading(self, path: tuple[int, ...]) -> None:
        long = self._rng.random() < self._plan.long_headings
        text = self._writer.unused("long_heading" if long else "heading")
        number = section_number(self._scheme, self._language, path)
        joint = self._joint if number[-1:].isdigit() or not number.isascii() else " "
        self._blocks.append(Block("heading", text, len(path), number, joint))

    def _body(self, *, run_in: bool) -> None:
        rng, plan = self._rng, self._plan
        for _ in range(rng.randint(1, 4)):
            text = self._writer.paragraph(rng.randint(1, 5))
            if run_in:
                self._articles += 1
                text = f"第{chinese_number(self._articles)}条　{text}"
            note = self._writer.text("note") if rng.random() < plan.notes else ""
            emphasis = re.search(r"[，,]| \w+ \w+ ", text) if rng.random() < plan.emphasis else None
            self._blocks.append(Block("paragraph", text, note=note, emphasis=emphasis.start() if emphasis else 0))
            if rng.random() < plan.lists:
                self._list()
        if rng.random() < plan.tables:
            self._table()
        if rng.random() < plan.figures:
            self._figure()

    def _list(self) -> None:
        markers = self._rng.choice(_ZH_MARKERS if self._language == "zh" else _EN_MARKERS)
        end = "；" if self._language == "zh" else ";"
        for number in range(self._rng.randint(2, 5)):
            text = self._writer.unused("item")
            self._blocks.append(Block("item", text + end, marker=markers.split("|")[number]))

    def _figure(self) -> None:
        """A bar chart and the caption below it."""
        self._figures += 1
        bars = self._rng.sample([*dict.fromkeys(self._writer.entries("city"))], self._rng.randint(3, 6))
        self._blocks.append(Block("figure", grid=tuple((bar, str(self._rng.randint(5, 95))) for bar in bars)))
        number = f"图{self._figures}  " if self._language == "zh" else f"Figure {self._figures}. "
        self._blocks.append(Block("caption", number + self._writer.unused("caption")))

    def _table(self) -> None:
        rng = self._rng
        self._captions += 1
        number = f"表{self._captions}  " if self._language == "zh" else f"Table {self._captions}. "
        self._blocks.append(Block("caption", number + self._writer.unused("caption")))
        columns = rng.randint(3, 6)
        rows = rng.choice([rng.randint(3, 9), rng.randint(3, 9), rng.randint(18, 45)])
        grid = self._writer.table(rows, columns)
        ruled = rng.random() < 0.55
        covered: list[tuple[int, int]] = []
        if ruled and self._plan.merged and rng.random() < 0.35:
            covered = self._merge(grid)
        self._blocks.append(Block("table", grid=tuple(tuple(row) for row in grid), ruled=ruled, covered=tuple(covered)))

    def _merge(self, grid: list[list[str]]) -> list[tuple[int, int]]:
        """Put a row of group names over the header, and join two cells of the first column."""
        columns = len(grid[0])
        groups = [""] * columns
        groups[1] = self._writer.text("caption")
        covered = [(0, column) for column in range(2, columns)]
        groups[0], grid[0][0] = grid[0][0], ""
        covered.append((1, 0))
        grid.insert(0, groups)
        if len(grid) > 5:
            grid[4][0] = ""
            covered.append((4, 0))
        return covered


def section_number(scheme: str, language: str, path: tuple[int, ...]) -> str:
    """What stands before the words of the heading at `path`, as the numbering scheme writes it."""
    level, last = len(path), path[-1]
    if scheme == "plain":
        return ""
    if scheme == "decimal":
        return ".".join(map(str, path)) + ("." if level == 1 and language == "en" else "")
    if scheme == "article":
        return (f"Article {ROMAN[last - 1]}", f"Section {path[0]}.{last}", f"({'abcdefghij'[last - 1]})")[level - 1]
    if scheme == "outline":
        return (f"{ROMAN[last - 1]}.", f"{'ABCDEFGHIJ'[last - 1]}.", f"{last}.")[level - 1]
    if scheme == "digits":
        return (f"第{last}章", f"{path[0]}.{last}", ".".join(map(str, path)))[level - 1]
    if scheme == "mixed":
        return (f"{chinese_number(last)}、", f"{last}、", f"（{last}）")[level - 1]
    if language == "en":
        return (f"Chapter {last}", f"{path[0]}.{last}", ".".join(map(str, path)))[level - 1]
    if scheme == "chapter":
        number = chinese_number(last)
        return (f"第{number}章", f"第{number}节", f"{number}、")[level - 1]
    number = chinese_number(last)
    return (f"{number}、", f"（{number}）", f"{last}.")[level - 1]


def chinese_number(number: int) -> str:
    """1 to 99 in Chinese numerals."""
    tens, ones = divmod(number, 10)
    ten = "" if tens == 0 else "十" if tens == 1 else _DIGITS[tens] + "十"
    return ten + (_DIGITS[ones] if ones or not tens else "")
