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
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from kb_pipeline.parsing.numbering import display_width, is_numbered_heading, numbering_scheme, scheme_levels
from kb_pipeline.parsing.pdf.captions import is_caption
from kb_pipeline.parsing.pdf.paragraphs import Style
from kb_pipeline.parsing.pdf.rows import is_number

_LARGER = 1.08  # times the body size
_SLIGHTLY_LARGER = 1.055  # times the body size; for short lines
_SHORT = 40  # columns
_LONGEST = 220  # columns of a heading that is larger or bolder than the body
_MOST_BOLD_LINES = 3
_RARE_FONT = 0.15  # of the characters; a font that more of the text has is no font of headings
_RUNNING_LINES = 3  # a paragraph of so many lines is running text, and so is a sentence that is not short
_RUNNING_WIDTH = 100  # columns of such a paragraph; a heading takes many lines in a narrow column
_SENTENCE_END = re.compile(r"[.。:：;；]$")  # questions are headings often
_RUNNING_SHARE = 0.5  # of the characters of a look or font; one that more running text has is none of headings
# Code is set in these, and a line of it looks like a heading where a heading names a command.
_CODE_FONT = re.compile(
    r"mono(?!type)|courier|consol|menlo|typewriter|sourcecode|(?<![a-z])(?:cm|ec|sf|lm|tx|pc|rtx)tt|letter ?gothic",
    re.IGNORECASE,
)
_COVER_TEXT = 90  # columns; a page with a longer paragraph is no cover
_DEEPEST = 6
_NOT_A_HEADING = re.compile(
    r"[。；;，,、：]$|(?<=[a-z])\.$|\.{4,}|…{2,}|·{4,}|^[\W\d_]*$|@\w+\.\w|[†‡∗]|^(?:注|资料来源|数据来源|Source|Note)\s*[:：]"
    r"|^-{1,2}[A-Za-z]|^\[\d{1,3}\]"  # an option of a command, an entry of a list of sources
    r"|^(?:Note|Tip|Hint|Warning|Caution|Important|注意|提示|小提示|警告|重要|说明|备注)s?[!！]?$"
)
_TAG_LEVEL = re.compile(r"H([1-6])")
_FEWEST_MARKS = 3  # bookmarks that match a text; fewer leave the word to the tags of a tagged file


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Joined lines of one style. `alone`: it does not run to the right edge, as a heading seldom does."""

    text: str
    size: float
    bold: bool
    line_count: int
    page_number: int
    alone: bool
    role: str | None = None
    is_note: bool = False
    font: str = ""


@dataclass(frozen=True, slots=True)
class Bookmark:
    title: str
    level: int  # 1 for the top
    page_number: int | None


Look = tuple[float, bool]
Key = str | Look


def heading_levels(paragraphs: Sequence[Paragraph], bookmarks: Sequence[Bookmark], body: Style) -> dict[int, int]:
    """Index of each paragraph that is a heading -> its level."""
    marked = _bookmarked(paragraphs, bookmarks)
    if len(marked) < _FEWEST_MARKS:
        marked = {**_tagged(paragraphs), **marked}
    cover = _cover(paragraphs)
    fonts = _heading_fonts(paragraphs, body)
    running = _running_looks(paragraphs)
    keys: dict[int, Key] = {}
    for index, paragraph in enumerate(paragraphs):
        if index in marked or (_stands_out(paragraph, body, fonts, running) and index not in cover):
            scheme = numbering_scheme(paragraph.text)
            keys[index] = scheme or (paragraph.size, paragraph.bold)
    levels = _with_marks(_key_levels(keys, paragraphs), _mark_levels(keys, marked))
    result: dict[int, int] = {}
    named: dict[str, int] = {}
    for index, key in keys.items():
        level = marked.get(index, levels[key])
        if isinstance(key, tuple):  # the title on the cover and again above the text
            level = named.setdefault(_plain(paragraphs[index].text), level)
        result[index] = min(level, _DEEPEST)
    return result


def _cover(paragraphs: Sequence[Paragraph]) -> set[int]:
    """The paragraphs of a cover that are not its title: company, author, date."""
    first = [index for index, paragraph in enumerate(paragraphs) if paragraph.page_number == 1]
    if not first or len(first) == len(paragraphs):
        return set()
    if any(display_width(paragraphs[index].text) > _COVER_TEXT for index in first):
        return set()
    largest = max(paragraphs[index].size for index in first)
    return {index for index in first if paragraphs[index].size < largest}


def _tagged(paragraphs: Sequence[Paragraph]) -> dict[int, int]:
    """Index of each paragraph that a tagged file calls a heading -> its level there."""
    return {
        index: int(level[1])
        for index, paragraph in enumerate(paragraphs)
        if paragraph.role and (level := _TAG_LEVEL.fullmatch(paragraph.role)) and _may_be_heading(paragraph)
    }


def _may_be_heading(paragraph: Paragraph) -> bool:
    text = paragraph.text
    if paragraph.is_note or len(text) < 2:
        return False
    words = text.split()
    numbers = sum(map(is_number, words))
    if numbers > 1 and (2 * numbers > len(words) or all(map(_is_figure, words[-2:]))):
        return False  # a row of a table
    return display_width(text) <= _LONGEST and not _NOT_A_HEADING.search(text) and not is_caption(text)


def _is_figure(word: str) -> bool:
    """Whether a word is a number as rows of tables end with; the day of a date has a comma behind it."""
    return is_number(word) and word[-1] != "," and any(map(str.isdecimal, word))


def _heading_fonts(paragraphs: Sequence[Paragraph], body: Style) -> set[str]:
    """The fonts that larger headings are set in, and hardly any other text is."""
    lengths: Counter[str] = Counter()
    for paragraph in paragraphs:
        lengths[paragraph.font] += len(paragraph.text)
    most = _RARE_FONT * sum(lengths.values())
    larger = {
        paragraph.font
        for paragraph in paragraphs
        if paragraph.size >= _LARGER * body.size and _may_be_heading(paragraph) and paragraph.font
    }
    return {font for font in larger if lengths[font] <= most and not _CODE_FONT.search(font)}


def _running_looks(paragraphs: Sequence[Paragraph]) -> set[Look]:
    """The looks that running text has: a document may have more than one body, such as text between much code."""
    lengths: Counter[Look] = Counter()
    running: Counter[Look] = Counter()
    for paragraph in paragraphs:
        look, text = (paragraph.size, paragraph.bold), paragraph.text
        lengths[look] += len(text)
        is_sentence = display_width(text) > _SHORT and _SENTENCE_END.search(text) and not is_numbered_heading(text)
        is_long = paragraph.line_count >= _RUNNING_LINES and display_width(text) > _RUNNING_WIDTH
        if is_sentence or (is_long and numbering_scheme(text) is None):
            running[look] += len(text)
    return {look for look, length in running.items() if length > _RUNNING_SHARE * lengths[look]}


def _stands_out(paragraph: Paragraph, body: Style, fonts: Set[str], running: Set[Look]) -> bool:
    if not _may_be_heading(paragraph):
        return False
    text = paragraph.text
    in_heading_font = paragraph.font in fonts and paragraph.alone and paragraph.line_count <= _MOST_BOLD_LINES
    is_numbered = is_numbered_heading(text) and paragraph.alone
    if _CODE_FONT.search(paragraph.font) and not paragraph.bold:
        return is_numbered
    look = (paragraph.size, paragraph.bold)
    if look in running and look != (body.size, body.bold):
        return is_numbered
    if paragraph.size >= _LARGER * body.size:
        return True
    if paragraph.size < 0.95 * body.size:
        return False
    if paragraph.size >= _SLIGHTLY_LARGER * body.size and display_width(text) <= _SHORT:
        return paragraph.alone and paragraph.line_count == 1
    if paragraph.bold and not body.bold:
        return paragraph.line_count <= _MOST_BOLD_LINES
    return in_heading_font or is_numbered


def _key_levels(keys: Mapping[int, Key], paragraphs: Sequence[Paragraph]) -> dict[Key, int]:
    """Ranks of the keys: larger first, then bold, then by numbering; an unnumbered look shares the rank of the
    outermost numbering that looks the same, and so do numberings that are never inside each other."""
    looks: dict[Key, Counter[Look]] = defaultdict(Counter)
    places: dict[Key, list[int]] = defaultdict(list)
    for index, key in keys.items():
        looks[key][paragraphs[index].size, paragraphs[index].bold] += 1
        places[key].append(index)
    nesting = scheme_levels(key for key in keys.values() if isinstance(key, str))
    order: dict[Key, tuple[float, bool, int]] = {}
    outermost = (-float("inf"), False)
    for key in sorted((key for key in looks if isinstance(key, str)), key=lambda key: nesting[key]):
        size, bold = looks[key].most_common(1)[0][0]
        look = outermost = max(outermost, (-size, not bold))  # an inner numbering is never above an outer one
        nested_in = {other: _is_nested(places[key], places[other]) for other in order}
        outer = max((order[other] for other, nested in nested_in.items() if nested), default=None)
        beside = [
            rank
            for other, rank in order.items()
            if rank[:2] == look and not nested_in[other] and (outer is None or rank > outer)
        ]
        order[key] = min(beside) if beside else (*look, nesting[key])
    for key in looks:
        if not isinstance(key, str):
            peers = [rank for rank in order.values() if rank[:2] == (-key[0], not key[1]) and rank[2] > 0]
            order[key] = min(peers) if peers else (-key[0], not key[1], 0)
    ranks = {rank: level for level, rank in enumerate(sorted(set(order.values())), start=1)}
    return {key: ranks[rank] for key, rank in order.items()}


def _is_nested(inner: Sequence[int], outer: Sequence[int]) -> bool:
    """Whether any heading of the inner numbering follows one of the outer: appendices stand beside chapters."""
    return inner[-1] > outer[0]


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


def _with_marks(levels: Mapping[Key, int], marks: Mapping[Key, int]) -> dict[Key, int]:
    """The levels of the keys: of marked ones as marked; the others keep their distance to the marked one above."""
    found: dict[Key, int] = {}
    for key, level in levels.items():
        if key in marks:
            found[key] = marks[key]
            continue
        above = [other for other in marks if levels[other] <= level]
        nearest = max(above, key=lambda other: levels[other], default=None)
        below = [marks[other] for other in marks if levels[other] > level]
        if nearest is None:
            found[key] = max(1, min(below, default=level + 1) - 1) if below else level
        else:
            found[key] = marks[nearest] + level - levels[nearest]
    return found


def _mark_levels(keys: Mapping[int, Key], marked: Mapping[int, int]) -> dict[Key, int]:
    votes: dict[Key, Counter[int]] = defaultdict(Counter)
    for index, level in marked.items():
        votes[keys[index]][level] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in votes.items()}


def _plain(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
