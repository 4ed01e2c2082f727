"""Lines that are read in no text: those of tables of contents, and the scales of charts.

A line of a table of contents ends in a leader of dots and a page number; below its title, in a page number alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.layout import Line

_FIGURE = re.compile(r"-?\d[\d,]*\.?\d*")
_FEWEST_TICKS = 4  # figures of one axis
_LEADER = re.compile(
    r"(?:[.．…·⋯_]\s?){4,}\s*[-–—]?\s*(?:[A-Z]?-?\d+(?:[-–]\d+)*|[ivxlc]+)?\s*[-–—]?\s*$", re.IGNORECASE
)
_LEADER_ENDS = re.compile(r"(?:[.．…·⋯_]\s?){4,}")
_CONTENTS_TITLE = re.compile(
    r"(?:内容|图表|插图|图|表|附表|附图)?\s*目\s*[录錄次]|(?:table\s+of\s+)?contents|list\s+of\s+(?:figures|tables)|index",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"\S.*(?:\s{2,}|\s)(?:\d{1,4}|[ivxlc]{1,6})$", re.IGNORECASE)
_BARE_ENTRY = re.compile(r"\S.*\s{2,}\d{1,4}")
_FEWEST_CONTENTS = 3  # lines with leaders on one page
_PART_NAME = 12  # columns
_FEWEST_ENTRIES = 5  # lines that only end in a page number, below the title of a table of contents
_LONGEST_ENTRY_PART = 3  # lines of one entry before the one with its page number


def contents_lines(pages: Sequence[Sequence[Line]]) -> Mapping[int, str]:
    """id(line) -> reason, for the lines of tables of contents and their titles."""
    found: dict[int, str] = {}
    goes_on = False
    for lines in pages:
        marked = _contents_of_page([line for line in lines if line.table is None], goes_on=goes_on)
        goes_on = bool(marked) and marked[-1].bottom > 0.5 * max(line.bottom for line in lines)
        found.update((id(line), "table of contents") for line in marked)
    return found


def _contents_of_page(lines: Sequence[Line], *, goes_on: bool) -> list[Line]:
    """The lines of a page that belong to a table of contents; `goes_on`: one began on the page before."""
    leaders = [index for index, line in enumerate(lines) if _LEADER.search(line.text) or _has_leader(line.text)]
    titles = [index for index, line in enumerate(lines) if _CONTENTS_TITLE.fullmatch(line.text.strip())]
    entries = leaders
    if len(leaders) < _FEWEST_CONTENTS and not (leaders and (titles or goes_on)):
        first = titles[0] if titles else 0
        entries = [index for index in range(first, len(lines)) if _ENTRY.fullmatch(lines[index].text.strip())]
        listed = len(entries) >= _FEWEST_ENTRIES and len(entries) >= 0.5 * (entries[-1] - entries[0] + 1)
        if not (listed and (titles or goes_on) and _grows([lines[index].text for index in entries])):
            return []
    entries = _with_bare_entries(lines, entries)
    marked: set[int] = set(entries) | {index for index in titles if index <= entries[-1]}
    marked |= {  # names of parts of the list
        index
        for index in range(0 if goes_on else entries[0], entries[-1])
        if display_width(lines[index].text) <= _PART_NAME
    }
    for index in entries:  # an entry over several lines has its page number on the last one
        before = index - 1
        while before >= 0 and before not in marked and index - before <= _LONGEST_ENTRY_PART - 1:
            near = lines[index].top - lines[before].bottom < 1.5 * lines[index].size
            if before < entries[0] and not (near and titles and titles[0] < before):
                break
            marked.add(before)
            before -= 1
    return [lines[index] for index in sorted(marked)]


def _with_bare_entries(lines: Sequence[Line], entries: Sequence[int]) -> list[int]:
    """The entries with those right before and after them that have a page number but no leader, as chapters do."""
    first, last = entries[0], entries[-1]
    while first and _is_bare_entry(lines[first - 1].text, lines[first].text):
        first -= 1
    while last + 1 < len(lines) and _is_bare_entry(lines[last].text, lines[last + 1].text, entry=1):
        last += 1
    return [*range(first, entries[0]), *entries, *range(entries[-1] + 1, last + 1)]


def _is_bare_entry(*pair: str, entry: int = 0) -> bool:
    """Whether that one of two lines that follow each other has its page number behind a gap, and numbers grow."""
    numbers = _last_numbers(pair)
    return _BARE_ENTRY.fullmatch(pair[entry].strip()) is not None and len(numbers) == 2 and numbers[0] <= numbers[1]


def chart_scales(pages: Sequence[Sequence[Line]]) -> Mapping[int, str]:
    """id(line) -> reason, for the vertical axes of charts: lines of nothing but figures that fall in even steps."""
    found: dict[int, str] = {}
    for lines in pages:
        run: list[Line] = []
        for line in [*lines, None]:
            value = None if line is None or line.table else _scale_value(line.text)
            if line is not None and value is not None and _goes_down_evenly([*run, line]):
                run.append(line)
                continue
            if len(run) >= _FEWEST_TICKS:
                found.update((id(tick), "scale of a chart") for tick in run)
            run = [line] if line is not None and value is not None else []
    return found


def _scale_value(text: str) -> float | None:
    """The first figure of a line that holds nothing but figures."""
    figures = _FIGURE.findall(text)
    return float(figures[0].replace(",", "")) if figures and not _FIGURE.sub("", text).strip("%％ ") else None


def _goes_down_evenly(lines: Sequence[Line]) -> bool:
    values = [value for line in lines if (value := _scale_value(line.text)) is not None]
    steps = {round(above - below, 6) for above, below in itertools.pairwise(values)}
    return not steps or (len(steps) == 1 and min(steps) > 0)


def _has_leader(text: str) -> bool:
    """A line in which two entries stand side by side."""
    return len(_LEADER_ENDS.findall(text)) > 1


def _grows(texts: Sequence[str]) -> bool:
    """Whether the numbers at the line ends are page numbers: they hardly ever fall."""
    numbers = _last_numbers(texts)
    falls = sum(b < a for a, b in itertools.pairwise(numbers))
    return len(numbers) > 2 and falls <= 0.1 * len(numbers)


def _last_numbers(texts: Iterable[str]) -> list[int]:
    return [int(match[0]) for text in texts if (match := re.search(r"\d+$", text.strip()))]
