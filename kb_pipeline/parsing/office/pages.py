"""Page numbers of a document that flows: word processors store where they broke pages when they last laid it out.

A *hard break* is one that the author set. Word also marks the place of a hard break as one that it laid
out, and then both are one. A file that was never laid out has hard breaks only, and one that a program
converted may hold a part of its breaks: they tell the pages unless so much text stands between two of them
that it cannot be on one page.
"""

from __future__ import annotations

from kb_pipeline.parsing.numbering import display_width

# Columns of text; more between two breaks is more than one page. The small print of a page that was laid out
# is dense; where only hard breaks tell, doubt is in order sooner.
_FULLEST_LAID_OUT = 15_000
_FULLEST = 6_000


class PageCounter:
    """Counts pages as the text goes by. `laid_out`: the file holds the breaks of its last layout."""

    def __init__(self, *, laid_out: bool) -> None:
        self.page = 1
        self._laid_out = laid_out
        self._hard_breaks = 0
        self._after_hard_break = False
        self._columns = 0
        self._overfull = False

    @property
    def are_known(self) -> bool:
        return (self._laid_out or self._hard_breaks > 0) and not self._overfull

    def hard_break(self) -> None:
        self._hard_breaks += 1
        self._after_hard_break = True
        self._next()

    def laid_out_break(self) -> None:
        """A break of the layout; right after a hard break it is the same one."""
        if self._after_hard_break:
            self._after_hard_break = False
            return
        self._next()

    def wrote(self, text: str) -> None:
        """Text that stands on the current page."""
        self._after_hard_break = False
        self._columns += display_width(text)
        self._overfull = self._overfull or self._columns > (_FULLEST_LAID_OUT if self._laid_out else _FULLEST)

    def _next(self) -> None:
        self.page += 1
        self._columns = 0
