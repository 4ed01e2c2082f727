"""Another weight of meaning is proposed where the frozen test says that it answers better, and written by nobody.

The vectors of the instant server mean nothing, so words alone know the answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.operations.promotion import decisions, tune_weight
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.settings import CollectionSettings

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.sites import TestSite

DEV, TEST = 8, 32


@pytest.fixture
def items(kb: TestSite, tmp_path: Path) -> TestSite:
    for number in range(DEV + TEST):
        kb.write(f"items/{number}.md", f"What is said about item m{number}z and nothing else.\n")
    kb.refresh()
    entries = [{"question": f"m{number}z item", "document": f"items/{number}.md"} for number in range(DEV + TEST)]
    (tmp_path / "items.json").write_text(json.dumps(entries))
    import_questions(kb.site, tmp_path / "items.json", "items")
    kb.connection.execute(
        "UPDATE evaluation_questions SET split = CASE WHEN id <= %s THEN 'dev' ELSE 'test' END", [DEV]
    )
    return kb


def test_the_best_weight_stays(items: TestSite) -> None:
    items.reopen(search={"fusion_weight": 0.1})
    found = tune_weight(items.site)
    assert (found.best, found.promotion) == (0.1, None)
    assert decisions(items.site, 5) == []


@pytest.mark.parametrize("collection", [None, "items"])
def test_another_weight_is_proposed_where_it_answers_better(items: TestSite, collection: str | None) -> None:
    only_meaning = CollectionSettings(fusion_weight=1)
    items.reopen(**({"collections": {"items": only_meaning}} if collection else {"search": {"fusion_weight": 1}}))
    found = tune_weight(items.site, collection=collection)
    assert found.present == 1 > found.best
    assert found.dev[found.best] == max(found.dev.values()) > found.dev[1]
    assert found.promotion is not None
    assert found.promotion.verdict == "promoted"
    assert found.promotion.gains["all"]["questions"] == TEST
    assert found.promotion.candidate == f"weight {found.best:g}" + (" of items" if collection else "")
    assert items.site.settings.fusion_weight_for(("items",)) == 1
