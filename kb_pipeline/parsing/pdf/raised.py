"""Raised and lowered text, in its notation in the text that it belongs to."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kb_pipeline.parsing.pdf.page import Span
from kb_pipeline.parsing.scripts_notation import subscript, superscript

_SMALLER = 0.9  # times the height of the characters before: raised or lowered ones are set smaller
_RAISED, _LOWERED = 0.2, 0.1  # ems above and below the baseline of the text that it belongs to, at least
_MOST_RAISED = 0.7  # ems
_LONGEST_SCRIPT = 12  # characters that are raised or lowered
_WORD_GAP = 0.4  # ems between two characters that are a blank although none is written
_LATIN_GAP = 0.18  # the same between Latin letters


def with_scripts(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans with raised and lowered ones in the text before them, in their notation."""
    before: Span | None = None
    for span in spans:
        if before is not None and _stands_after(before, span):
            raised = before.baseline - span.baseline
            small = span.size < _SMALLER * before.size and len(span.raw) <= _LONGEST_SCRIPT
            least = (_RAISED if raised > 0 else _LOWERED) * before.size
            if small and least < abs(raised) < _MOST_RAISED * before.size:
                before = _joined(before, span, superscript(span.raw) if raised > 0 else subscript(span.raw))
                continue
            if span.size == before.size and span.bold == before.bold and not raised:
                before = _joined(before, span, span.raw)
                continue
        if before is not None:
            yield before
        before = span
    if before is not None:
        yield before


def _stands_after(before: Span, span: Span) -> bool:
    """Whether a span begins where the one before ends, and may be raised or lowered against it."""
    upright = not (before.tilted or span.tilted or before.angle or span.angle)
    near = -_LATIN_GAP * before.size < span.x0 - before.x1 < _WORD_GAP * before.size
    return upright and near and bool(before.baseline and span.baseline)


def _joined(before: Span, span: Span, raw: str) -> Span:
    """The span before with the text `raw` of the next one on its baseline."""
    added = len(raw) - len(span.raw)  # signs around it
    own = list(span.centres)
    centres = own[:1] * (added - added // 2) + own + own[-1:] * (added // 2)
    return replace(
        before, raw=before.raw + raw, x1=max(before.x1, span.x1), centres=array("f", [*before.centres, *centres])
    )
