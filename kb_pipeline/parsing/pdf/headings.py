"""Which paragraphs of a PDF are headings, and of which level.

A heading stands out by its size or weight against the body, or is numbered as headings are. A *key* says
how it stands out: its numbering scheme, or else its style. All headings of one key have one level; keys
are ranked by size, weight and the usual nesting of numberings. Bookmarks, where a document has them,
decide the level of the headings they name and of all others of the same key.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.numbering import (
    WEAK_SCHEMES,
    display_width,
    is_numbered_heading,
    numbering_scheme,
    scheme_levels,
)

_LARGER = 1.1  # times the body size
_LONGEST = 120  # columns of a heading; East Asian characters count two
_MOST_LINES = 3
_DEEPEST = 6
_NOT_A_HEADING = re.compile(
    r"[。；;，,、：]$|(?<=[a-z])\.$|\.{4,}|…{2,}|·{4,}|^[\W\d_]*$|^(?:注|资料来源|数据来源|Source|Note)\s*[:：]"
)
_CAPTION = re.compile(r"(?:图表?|表格?|专栏|Figure|Fig\.?|Table)\s*[\d一二三四五六七八九十]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Joined lines of one style. `alone`: it does not run to the right edge, as a heading seldom does."""

    text: str
    size: float
    bold: bool
    line_count: int
    page_number: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Bookmark:
    title: str
    level: int  # 1 for the top
    page_number: int | None


Style = tuple[float, bool]
Key = str | Style


def heading_levels(paragraphs: Sequence[Paragraph], bookmarks: Sequence[Bookmark]) -> dict[int, int]:
    """Index of each paragraph that is a heading -> its level."""
    body = _body_style(paragraphs)
    marked = _bookmarked(paragraphs, bookmarks)
    keys: dict[int, Key] = {}
    for index, paragraph in enumerate(paragraphs):
        if index in marked or _stands_out(paragraph, body):
            scheme = numbering_scheme(paragraph.text)
            keys[index] = scheme or (paragraph.size, paragraph.bold)
    levels = _key_levels(keys, paragraphs)
    by_bookmark = _bookmark_levels(keys, marked)
    deepest_marked = max(by_bookmark.values(), default=0)
    result = {}
    for index, key in keys.items():
        if index in marked:
            level = marked[index]
        elif key in by_bookmark:
            level = by_bookmark[key]
        elif by_bookmark:
            above = [by_bookmark[other] for other in by_bookmark if levels[other] < levels[key]]
            level = min(max(above, default=0) + 1, deepest_marked + 1)
        else:
            level = levels[key]
        result[index] = min(level, _DEEPEST)
    return result


def _body_style(paragraphs: Sequence[Paragraph]) -> Style:
    """The style of most characters."""
    weights: Counter[Style] = Counter()
    for paragraph in paragraphs:
        weights[paragraph.size, paragraph.bold] += len(paragraph.text)
    return weights.most_common(1)[0][0] if weights else (0.0, False)


def _stands_out(paragraph: Paragraph, body: Style) -> bool:
    text = paragraph.text
    if paragraph.line_count > _MOST_LINES or display_width(text) > _LONGEST or len(text) < 2:
        return False
    if _NOT_A_HEADING.search(text) or _CAPTION.match(text):
        return False
    body_size, body_bold = body
    if paragraph.size >= _LARGER * body_size:
        return True
    if paragraph.size < 0.95 * body_size:
        return False
    if paragraph.bold and not body_bold:
        return paragraph.alone
    return is_numbered_heading(text) and paragraph.alone and numbering_scheme(text) not in WEAK_SCHEMES


def _key_levels(keys: Mapping[int, Key], paragraphs: Sequence[Paragraph]) -> dict[Key, int]:
    """Ranks of the keys: larger first, then bold, then by numbering; an unnumbered style shares the rank of the
    outermost numbering that has the same style."""
    styles: dict[Key, Counter[Style]] = defaultdict(Counter)
    for index, key in keys.items():
        styles[key][paragraphs[index].size, paragraphs[index].bold] += 1
    nesting = scheme_levels(key for key in keys.values() if isinstance(key, str))
    order: dict[Key, tuple[float, bool, int]] = {}
    outer_size = float("inf")
    for key in sorted((key for key in styles if isinstance(key, str)), key=lambda key: nesting[key]):
        size, bold = styles[key].most_common(1)[0][0]
        outer_size = min(size, outer_size)  # an inner numbering is never above an outer one
        order[key] = (-outer_size, not bold, nesting[key])
    for key in styles:
        if not isinstance(key, str):
            peers = [rank for rank in order.values() if rank[:2] == (-key[0], not key[1]) and rank[2] > 0]
            order[key] = min(peers) if peers else (-key[0], not key[1], 0)
    ranks = {rank: level for level, rank in enumerate(sorted(set(order.values())), start=1)}
    return {key: ranks[rank] for key, rank in order.items()}


def _bookmarked(paragraphs: Sequence[Paragraph], bookmarks: Sequence[Bookmark]) -> dict[int, int]:
    """Index of each paragraph that a bookmark names -> the bookmark's level."""
    by_page: dict[int, dict[str, int]] = defaultdict(dict)
    for index, paragraph in enumerate(paragraphs):
        by_page[paragraph.page_number].setdefault(_plain(paragraph.text), index)
    found: dict[int, int] = {}
    for bookmark in bookmarks:
        title = _plain(bookmark.title)
        if bookmark.page_number is None or len(title) < 2:
            continue
        for text, index in by_page[bookmark.page_number].items():
            if text == title or (len(title) > 3 and text.endswith(title) and len(text) <= len(title) + 12):
                found.setdefault(index, bookmark.level)
                break
    return found


def _bookmark_levels(keys: Mapping[int, Key], marked: Mapping[int, int]) -> dict[Key, int]:
    votes: dict[Key, Counter[int]] = defaultdict(Counter)
    for index, level in marked.items():
        votes[keys[index]][level] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in votes.items()}


def _plain(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
