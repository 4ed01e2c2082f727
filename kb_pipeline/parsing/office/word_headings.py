"""Headings of a Word document that has none by style: paragraphs that the author only made look like headings.

A paragraph stands out when it is short, ends like no sentence, and is larger than the body, bold where the
body is not, or numbered as headings are. Paragraphs of one kind (one numbering scheme, or else one look)
have one level; kinds are ranked by size, weight and the usual nesting of numberings. A kind whose paragraphs
mostly follow one another is a list: below a heading there is text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.numbering import display_width, is_numbered_heading, numbering_scheme, scheme_levels

_LONGEST = 90  # columns
_LONGEST_MARKED = 220  # columns of one that is larger than the body, or bold and numbered
_LARGER = 2  # half points above the body
_DEEPEST = 6
_NO_HEADING = re.compile(
    r"[。；;，,、！!？?：:]$|(?<=[a-z\d])\.$|\n|^[\W\d_年月日]*$"
    r"|^(?:注|资料来源|数据来源|附件|抄送|Source|Note|Dear)\b|^(?:图|表|图表|Figure|Fig\.|Table)\s*[\d一二三四五六七八九十]"
)
_LETTERED = re.compile(r"[（(][a-zA-Z]{1,4}[)）]|[A-Z]\.\s")
_LABEL = re.compile(r"[:：]")


@dataclass(frozen=True, slots=True)
class Look:
    """How a paragraph looks. `half_points`: its largest font size."""

    bold: bool
    half_points: int


_Kind = str | Look


def with_plain_headings(elements: Sequence[Element], looks: Mapping[int, Look]) -> list[Element]:
    """The elements, those that stand out as headings with levels, below the headings that there are.

    `looks`: of the paragraphs among the elements, by index.
    """
    body = _body(elements, looks)
    kinds: dict[int, _Kind] = {
        index: numbering_scheme(elements[index].text) or look
        for index, look in looks.items()
        if _stands_out(elements[index], look, body)
    }
    kinds = {index: kind for index, kind in kinds.items() if kind not in _lists(kinds)}
    levels = _levels(kinds, looks)
    titled = max((element.heading_level or 0 for element in elements), default=0)
    found = list(elements)
    for index, kind in kinds.items():
        element = elements[index]
        text = " ".join(element.text.split())
        found[index] = replace(element, category="Title", text=text, heading_level=titled + levels[kind])
    return found


def _lists(kinds: Mapping[int, _Kind]) -> set[_Kind]:
    """The kinds that are lists: at least half of their paragraphs have one of the same kind right below."""
    members = Counter(kinds.values())
    followed = Counter(kind for index, kind in kinds.items() if kinds.get(index + 1) == kind)
    return {kind for kind, count in members.items() if count > 1 and 2 * followed[kind] >= count}


def _body(elements: Sequence[Element], looks: Mapping[int, Look]) -> Look:
    """The look of most characters."""
    weights: Counter[Look] = Counter()
    for index, look in looks.items():
        weights[look] += len(elements[index].text)
    return weights.most_common(1)[0][0] if weights else Look(bold=False, half_points=0)


def _stands_out(element: Element, look: Look, body: Look) -> bool:
    text = element.text
    width = display_width(text)
    if element.category not in ("NarrativeText", "ListItem") or width > _LONGEST_MARKED:
        return False
    if len(text) < 2 or _NO_HEADING.search(text):
        return False
    if look.half_points >= body.half_points + _LARGER:
        return True
    bold = look.bold and not body.bold and look.half_points >= body.half_points
    if bold and (numbering_scheme(text) is not None or _LETTERED.match(text)):
        return True
    if width > _LONGEST:
        return False
    return is_numbered_heading(text) or (bold and element.category != "ListItem" and not _LABEL.search(text))


def _levels(kinds: Mapping[int, _Kind], looks: Mapping[int, Look]) -> dict[_Kind, int]:
    usual: dict[_Kind, Counter[Look]] = {}
    for index, kind in kinds.items():
        usual.setdefault(kind, Counter())[looks[index]] += 1
    nesting = scheme_levels(kind for kind in usual if isinstance(kind, str))
    order: dict[_Kind, tuple[int, bool, int]] = {}
    smallest = None
    for kind in sorted(nesting, key=nesting.__getitem__):
        look = usual[kind].most_common(1)[0][0]
        # An inner numbering is never above an outer one, however large it is.
        smallest = min(look.half_points, smallest or look.half_points)
        order[kind] = (-smallest, False, nesting[kind])
    for kind in usual:
        if isinstance(kind, Look):
            # 附录 or Summary among numbered chapters is one of them.
            peers = [order[scheme] for scheme in nesting if usual[scheme].most_common(1)[0][0] == kind]
            own = (-kind.half_points, not kind.bold, 0 if kind.bold else len(nesting) + 1)
            order[kind] = min(peers, default=own)
    ranks = {rank: min(level, _DEEPEST) for level, rank in enumerate(sorted(set(order.values())), start=1)}
    return {kind: ranks[rank] for kind, rank in order.items()}
