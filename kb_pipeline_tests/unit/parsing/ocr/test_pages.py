from __future__ import annotations

from itertools import accumulate

from kb_pipeline.parsing.ocr.pages import _with_gaps
from kb_pipeline.parsing.pdf.page import WIDE_GAP


def marked(text: str, *gaps: tuple[int, float]) -> str:
    """The text with its gaps, set in ems of 10 pixels; `gaps`: (index, ems) of white space before a character."""
    before = dict(gaps)
    widths = [0.0 if one.isspace() else 10.0 if one >= "\u2e80" else 5.0 for one in text]
    ends = accumulate(width + 10 * before.get(index, 0.0) for index, width in enumerate(widths))
    centres = [end - width / 2 for end, width in zip(ends, widths, strict=True)]
    found, places = _with_gaps(text, centres, 10.0)
    assert len(found) == len(places)
    return found


def test_cells_that_meet_are_parted_though_no_blank_was_read() -> None:
    assert marked("36843授权", (5, 0.6)) == f"36843{WIDE_GAP}授权"
    assert marked("在MES中", (1, 0.2), (4, 0.2)) == "在MES中"


def test_blanks_between_words_stay_and_wide_ones_are_gaps() -> None:
    assert marked("87 risk log", (3, 0.9), (8, 0.3)) == f"87{WIDE_GAP}risk log"


def test_punctuation_that_leaves_its_place_empty_is_followed_by_no_gap() -> None:
    assert marked("一、职责", (2, 0.6)) == "一、职责"
