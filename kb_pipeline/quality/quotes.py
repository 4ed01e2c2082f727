"""Where a quote stands, however the text around it was cut.

Letters and digits in one case are compared, so that it does not matter how lines, blanks and signs fall.

Terms
  covers  how much of a quote a passage says: its share of the quote's shingles, runs of a few neighbouring characters.
  split   a quote that no passage says whole; those that say much of it answer together.
"""

from __future__ import annotations

import re
import unicodedata

SHINGLE = 5  # characters
WHOLE = 0.95  # of the shingles: a sign or a heading between may be missing
PART = 0.3

_KEPT = re.compile(r"[^\W_]+")


class Quote:
    """Compared with many passages."""

    def __init__(self, text: str) -> None:
        self._kept = _kept(text)
        self._shingles = _shingles(self._kept)

    def covered_by(self, passage: str) -> float:
        """From 0 to 1; 1 where the passage says it word by word."""
        kept = _kept(passage)
        if self._kept in kept:
            return 1.0
        return len(self._shingles & _shingles(kept)) / len(self._shingles) if self._shingles else 0.0


def _kept(text: str) -> str:
    return "".join(_KEPT.findall(unicodedata.normalize("NFKC", text).casefold()))


def _shingles(kept: str) -> frozenset[str]:
    return frozenset(kept[at : at + SHINGLE] for at in range(len(kept) - SHINGLE + 1))
