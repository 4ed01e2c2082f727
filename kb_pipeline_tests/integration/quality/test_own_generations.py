"""Questions whose answers lie in several generations: asked as people ask, of one alone, mined and decided about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.operations import generations as life
from kb_pipeline.operations.evaluation import Way, measure
from kb_pipeline.operations.mining import mine_and_store
from kb_pipeline.operations.promotion import promote
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.settings import CollectionSettings
from kb_pipeline.store.generations import active_generations

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.sites import TestSite

COUNT = 12  # documents of each collection
SMALL = {"law": CollectionSettings(dimension=32)}


@pytest.fixture
def apart(kb: TestSite, tmp_path: Path) -> TestSite:
    """g1 serves hr, g2 law alone; a question about every document."""
    kb.reopen(collections=SMALL)
    entries = []
    for collection in ("hr", "law"):
        for number in range(COUNT):
            kb.write(f"{collection}/{number}.md", f"What is said about item {collection}{number}z and nothing else.\n")
            entries.append({"question": f"{collection}{number}z item", "document": f"{collection}/{number}.md"})
    kb.refresh()
    (tmp_path / "items.json").write_text(json.dumps(entries))
    import_questions(kb.site, tmp_path / "items.json", "items")
    return kb


def into(kb: TestSite, part: str) -> None:
    kb.connection.execute("UPDATE evaluation_questions SET split = %s", [part])


def test_all_are_asked_as_people_ask_and_of_one_generation_those_that_it_serves(apart: TestSite) -> None:
    everything = measure(apart.site, "items").evaluation
    assert everything.generation == "g1, g2"
    assert len(everything.outcomes) == 2 * COUNT
    assert everything.figures()["all"]["recall@10"].mean > 0.9  # by words; the vectors mean nothing
    for name, collection in (("g1", "hr"), ("g2", "law")):
        own = measure(apart.site, "items", Way(name)).evaluation
        assert {outcome.located.collections for outcome in own.outcomes} == {(collection,)}
        assert own.figures()["all"]["recall@10"].mean > 0.9


def test_negatives_come_from_the_generation_of_the_answer(apart: TestSite) -> None:
    into(apart, "tune")
    mined = mine_and_store(apart.site)
    assert {found.positive.path.split("/")[0] for found in mined} == {"hr", "law"}
    for found in mined:
        collection = found.positive.path.split("/")[0]
        assert {negative.passage.path.split("/")[0] for negative in found.negatives} == {collection}


def test_a_candidate_for_one_collection_is_judged_by_its_questions(apart: TestSite) -> None:
    into(apart, "test")
    built = life.build(apart.site, collection="law", dimension=64)
    outcome = promote(apart.site, built.name)
    assert outcome.promotion.incumbent == "g2"
    assert outcome.promotion.gains["all"]["questions"] == COUNT
    assert not outcome.switched
    assert [each.name for each in active_generations(apart.connection)] == ["g1", "g2"]
