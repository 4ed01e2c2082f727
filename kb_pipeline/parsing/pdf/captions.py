"""What the line above or below a table or figure looks like."""

from __future__ import annotations

import re

from kb_pipeline.parsing.numbering import display_width

_CAPTION = re.compile(
    r"(?:(?:附?图表?|附?表格?|Figure|Fig\.?|Table|Exhibit|Chart)\s*"
    r"(?:[A-Z]?[\d]+(?:[-–.][\d]+)*|[一二三四五六七八九十]+)?"
    r"|(?:例|示例|Example|Listing)\s*\d+(?:[-–.]\d+)+)(?:[\s:：.、．|-]|$)"
)
_LONGEST_CAPTION = 160  # columns


def is_caption(text: str) -> bool:
    """Whether a paragraph names the table or figure beside it."""
    return (
        display_width(text) <= _LONGEST_CAPTION
        and _CAPTION.match(text) is not None
        and not text.endswith(("。", "；", "，"))
    )
