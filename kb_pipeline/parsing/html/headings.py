"""Headings of an HTML page that are not marked as such: bold paragraphs and numbered lines.

Pages written with Word, filings and many content systems show headings by their looks alone. A *class* of
headings is one way of numbering, or one look; the classes of a page, ordered by size and by the usual nesting
of numberings, become levels below the real heading above.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kb_pipeline.parsing.html.blocks import Block
from kb_pipeline.parsing.numbering import display_width, is_numbered_heading, numbering_scheme, scheme_levels

_LONGEST = 120  # columns
_MOST_IN_A_ROW = 3  # bold lines with nothing between them; more are a cover or an address
_LARGEST_SHARE = 0.4  # of the paragraphs; a page with more bold ones does not mean headings by it
_ENOUGH_HEADINGS = 3  # real ones; with so many, a numbered line that is not bold is text
_SENTENCE_END = re.compile(r"[。；;，,！!：:、…]$|[a-z]{2}[.?]$")
_LABEL = re.compile(
    r"(?:part|chapter|section|book|appendix|annex|item|article)\s+(?:[ivxlc]+|\d{1,3}|[a-z])[.:]?"
    r"|第\s?[〇零一二三四五六七八九十百\d]{1,5}\s?[编編篇部卷章节節]",
    re.IGNORECASE,
)
_START = re.compile(r"[\w“\"‘'《【〔§]|[（(][\w]{1,3}[）)]")
_SAME_SIZE = 1.1
_DEEPEST = 6

_Class = str | tuple[bool, bool, bool]  # a numbering scheme, or (not upper case, italic, not centered)


def with_headings(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, with those that are headings by their looks as Title blocks that have a level."""
    candidates = _candidates(blocks)
    levels = _levels(_sizes(blocks, candidates))
    result: list[Block] = []
    above = 0
    for index, block in enumerate(blocks):
        if block.level is not None:
            above = block.level
        if index in candidates:
            level = min(above + levels[_class_of(block)], _DEEPEST)
            result.append(replace(block, category="Title", text=" ".join(block.text.split()), level=level))
        else:
            result.append(block)
    return result


def with_whole_labels(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, with a heading that is only a label (CHAPTER II) joined to the heading of its level below it."""
    joined: list[Block] = []
    for block in blocks:
        above = joined[-1] if joined else None
        if above and above.level is not None and above.level == block.level and _LABEL.fullmatch(above.text):
            joined[-1] = replace(above, text=f"{above.text} {block.text}")
        else:
            joined.append(block)
    return joined


def _candidates(blocks: Sequence[Block]) -> set[int]:
    real = sum(block.level is not None for block in blocks)
    found = [i for i, block in enumerate(blocks) if _is_candidate(block, plain_numbers=real < _ENOUGH_HEADINGS)]
    paragraphs = sum(block.category == "NarrativeText" for block in blocks)
    kept = {i for i in found if numbering_scheme(blocks[i].text)}
    unnumbered = [i for i in found if i not in kept]
    if len(unnumbered) <= _LARGEST_SHARE * paragraphs:
        kept.update(i for run in _runs(unnumbered, blocks) if len(run) <= _MOST_IN_A_ROW for i in run)
    return kept


def _is_candidate(block: Block, *, plain_numbers: bool) -> bool:
    text = block.text
    if block.category != "NarrativeText" or "\n" in text or display_width(text) > _LONGEST:
        return False
    if plain_numbers and is_numbered_heading(text):
        return True
    if not block.look.bold or not _START.match(text) or not any(character.isalpha() for character in text):
        return False
    return bool(numbering_scheme(text)) or not _SENTENCE_END.search(text)


def _runs(indices: Sequence[int], blocks: Sequence[Block]) -> list[list[int]]:
    """Candidates with nothing but page breaks between them."""
    runs: list[list[int]] = []
    for index in indices:
        previous = runs[-1][-1] if runs else None
        if previous is not None and all(block.is_page_break for block in blocks[previous + 1 : index]):
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _class_of(block: Block) -> _Class:
    scheme = numbering_scheme(block.text)
    return scheme or (not block.text.isupper(), block.look.italic, not block.look.centered)


def _sizes(blocks: Sequence[Block], candidates: set[int]) -> dict[_Class, list[float]]:
    sizes: dict[_Class, list[float]] = {}
    for index in candidates:
        sizes.setdefault(_class_of(blocks[index]), []).append(blocks[index].look.size or 0.0)
    return sizes


def _levels(sizes: dict[_Class, list[float]]) -> dict[_Class, int]:
    """Numbered classes in their nesting order, the others below them unless they are clearly larger."""
    largest = {name: sorted(found)[len(found) // 2] for name, found in sizes.items()}
    order = scheme_levels(name for name in sizes if isinstance(name, str))
    numbered = sorted(order, key=order.__getitem__)
    top = max((largest[name] for name in numbered), default=0.0)
    looks = sorted((name for name in sizes if not isinstance(name, str)), key=lambda name: (-largest[name], name))
    above = [name for name in looks if numbered and largest[name] > top * _SAME_SIZE]
    ranked: list[_Class] = [*above, *numbered, *(name for name in looks if name not in above)]
    return {name: level for level, name in enumerate(ranked, start=1)}
