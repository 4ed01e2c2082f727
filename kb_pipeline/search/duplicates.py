"""Passages that say the same, so that a list of hits says it once.

The same circular lies in five folders, the same clause stands in forty contracts, a manual is there as DOCX and as
PDF. Two passages are *near-duplicates* when they resemble each other and hold the same numbers.

Terms
  shingle      SHINGLE neighbouring characters of a text, of which only letters and digits in one case are kept, so that
               it does not matter how lines and signs fall. Characters do for every language.
  resemblance  shingles that both texts have as a share of those that either has (Jaccard; Broder: On the Resemblance
               and Containment of Documents, 1997).
  numbers      runs of digits, and of the characters by which Chinese writes numbers. Two contracts that differ in an
               amount or a date alone resemble each other almost wholly, and are not the same to whoever asks for it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

SHINGLE = 5  # characters
LEAST_RESEMBLANCE = 0.9
LEAST_LENGTH = 0.8  # of the longer text, below which they are not compared: one that repeats itself is not the same

_KEPT = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+|[零〇一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖拾佰仟萬億兩貳參陸]+")


class _Outline:
    """What is compared of a text; most differ before their shingles are needed."""

    def __init__(self, text: str) -> None:
        folded = unicodedata.normalize("NFKC", text).casefold()
        self.kept = "".join(_KEPT.findall(folded))
        self.numbers = sorted(_NUMBER.findall(folded))

    @cached_property
    def shingles(self) -> frozenset[str]:
        kept = self.kept
        return frozenset([kept[at : at + SHINGLE] for at in range(max(len(kept) - SHINGLE + 1, 1))])


def grouped(items: Sequence[T], text_of: Callable[[T], str]) -> list[list[T]]:
    """`items`, those that say the same together, the first of each group being what the others are near-duplicates of;
    groups and their members keep the order."""
    groups: list[tuple[_Outline, list[T]]] = []
    for item in items:
        outline = _Outline(text_of(item))
        members = next((members for first, members in groups if _same(first, outline)), None)
        if members is None:
            groups.append((outline, [item]))
        else:
            members.append(item)
    return [members for _, members in groups]


def _same(one: _Outline, other: _Outline) -> bool:
    shorter, longer = sorted((len(one.kept), len(other.kept)))
    if one.numbers != other.numbers or shorter < LEAST_LENGTH * longer:
        return False
    if one.kept == other.kept:
        return True
    shared = len(one.shingles & other.shingles)
    return shared >= LEAST_RESEMBLANCE * (len(one.shingles) + len(other.shingles) - shared)
