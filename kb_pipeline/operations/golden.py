"""Golden questions: each names the document that a search for it has to find, whatever else changes.

Only the rank of the document counts, no score: those of different models cannot be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kb_pipeline.errors import KbError
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.settings import GoldenQuestion
from kb_pipeline.site import Site
from kb_pipeline.store import ledger


@dataclass(frozen=True, slots=True)
class Answer:
    """`rank`: of the document's first passage among the `k` best, None when it is not there. `problem`: why the
    question could not be asked; `absent`: the knowledge base does not hold the document, so nothing was asked."""

    golden: GoldenQuestion
    rank: int | None = None
    problem: str | None = None
    absent: bool = False

    @property
    def is_right(self) -> bool:
        return self.rank is not None or self.absent

    def row(self) -> dict[str, Any]:
        if self.absent:
            result = "not asked: no such document"
        else:
            result = self.problem or (f"rank {self.rank}" if self.rank else f"not among the best {self.golden.k}")
        return {"question": self.golden.question, "document": self.golden.source_file, "result": result}


def ask(site: Site) -> list[Answer]:
    """Ask the golden questions of the settings; none of them is logged as a search."""
    questions = site.settings.golden
    if not questions:
        return []
    there = ledger.live_paths(site.connect(), [golden.source_file for golden in questions])
    return [_ask(site, golden) if golden.source_file in there else Answer(golden, absent=True) for golden in questions]


def _ask(site: Site, golden: GoldenQuestion) -> Answer:
    try:
        result = search(site, SearchRequest(golden.question, golden.k, logged=False))
    except KbError as error:
        return Answer(golden, problem=str(error))
    return Answer(golden, next((hit.rank for hit in result.hits if hit.stands_in(golden.source_file)), None))
