"""One page of a PDF as spans and rules. Coordinates are points from the top left."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs"})  # Unicode categories
_CHINESE_OR_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
GENERATED = "\u200a"  # stands for a space that is not in the file: pdfium saw a gap
WIDE_GAP = "\u2002"  # the same for a gap that parts words of Chinese, too
_GAP_BETWEEN_WIDE = re.compile(f"(?<={_CHINESE_OR_WIDE}){GENERATED}(?={_CHINESE_OR_WIDE})")
_SPACED_OUT = re.compile(f"{_CHINESE_OR_WIDE}(?:[ \u3000]+{_CHINESE_OR_WIDE})+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of one style on one baseline. `centres`: the middle of each character of `raw`, x.

    `angle`: degrees by which the baseline is turned against most text of the page; 0 for a watermark too,
    which is `tilted`: neither horizontal nor vertical. `baseline`: y. `faint`: transparent or light grey.
    `role`: the structure type of a tagged PDF (H1, P, TD, …), or Artifact. `confidence`:
    of OCR, 0 to 1; None in a text layer.
    """

    raw: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool
    tilted: bool = False
    angle: int = 0
    centres: Sequence[float] = field(default=(), repr=False)
    baseline: float = 0.0
    faint: bool = False
    role: str | None = None
    font: str = ""
    confidence: float | None = None

    @property
    def text(self) -> str:
        return tidy(self.raw)


def tidy(raw: str) -> str:
    """Without the gaps that justification leaves between Chinese characters, and not spaced out over a line."""
    text = raw.strip()
    if text.isascii():
        return text
    if GENERATED in text:
        text = _GAP_BETWEEN_WIDE.sub("", text).replace(GENERATED, " ")
    text = text.replace(WIDE_GAP, " ")
    return "".join(text.split()) if _SPACED_OUT.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal (top == bottom) or vertical (x0 == x1) line."""

    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Page:
    """`unmapped_share`: of its characters, those that have no Unicode value: a broken text layer.

    `comments`: those that readers left on it. `characters`: the visible ones of these and of the text layer as
    pdfium's own text extraction gives it, without overprinting.
    """

    number: int
    width: float
    height: float
    spans: tuple[Span, ...]
    rules: tuple[Rule, ...]
    unmapped_share: float
    characters: int = 0
    comments: tuple[str, ...] = ()


def visible(text: str) -> int:
    """How many characters a reader sees: no blanks, controls, private glyphs or unmapped ones."""
    return sum(
        count
        for character, count in Counter(text).items()
        if not character.isspace() and unicodedata.category(character) not in _UNSEEN
    )
