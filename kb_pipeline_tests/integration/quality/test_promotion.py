"""A generation takes the place of another where the frozen test says so; and triplets come out of the part for tuning.

The vectors of the instant server mean nothing, and all documents have the same words. A candidate is made
really better by giving the right passages the vectors of their questions.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from pgvector import HalfVector

from kb_pipeline.errors import GenerationMismatch, SettingsError
from kb_pipeline.operations import generations as life
from kb_pipeline.operations.evaluation import Way, measure, since_last
from kb_pipeline.operations.mining import mine_and_store, triplets
from kb_pipeline.operations.promotion import decisions, promote
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.quality.report import Compared, html
from kb_pipeline.services.daemon import stop_all
from kb_pipeline.store.generations import active_generation, named_generation
from kb_pipeline.store.quality.negatives import texts
from kb_pipeline.store.quality.questions import questions_of
from kb_pipeline_tests.browser import browser, find_chromium
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server
from kb_pipeline_tests.sites import TestSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kb_pipeline.parsing.sandbox import ParserPool

COUNT = 40
TESTED = 32
DIMENSION = 64


def asked(number: int) -> str:
    return f"Which room is meeting q{number}x about?"


@pytest.fixture(scope="module")
def rooms(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, embedding_server: InstantServer, parsers: ParserPool
) -> Iterator[TestSite]:
    """A site with 40 questions, of which 32 are in the frozen test; g1 is searched, g2 is as good, g3 better."""
    folder = tmp_path_factory.mktemp("rooms")
    with new_database(postgres_url) as url, ExitStack() as resources:
        settings = {"home": folder / "home", "database_url": url, "embedding_url": embedding_server.base_url}
        kb = TestSite(folder / "documents", settings, parsers)
        resources.callback(stop_all, folder / "home")
        resources.callback(kb.close)
        for number in range(COUNT):
            kb.write(f"rooms/n{number}.md", f"The meeting is in this room, about item m{number}z and nothing else.\n")
        kb.refresh()
        entries = [{"question": asked(number), "document": f"n{number}", "kind": "place"} for number in range(COUNT)]
        file = folder / "rooms.json"
        file.write_text(json.dumps(entries))
        import_questions(kb.site, file, "rooms")
        kb.connection.execute(
            "UPDATE evaluation_questions "
            "SET split = CASE WHEN id <= 32 THEN 'test' WHEN id <= 36 THEN 'dev' ELSE 'tune' END"
        )
        life.build(kb.site, dimension=DIMENSION)
        improve(kb)
        life.build(kb.site, dimension=2 * DIMENSION)
        yield kb


@pytest.fixture
def judged(rooms: TestSite, embedding_server: InstantServer) -> TestSite:
    """With g1 searched, the usual settings, and nothing measured or decided."""
    usual = {"embedding_url": embedding_server.base_url, "quality": {}, "search": {}}
    rooms.reopen(**usual)
    if searched(rooms) != "g1":
        life.activate(rooms.site, "g1", force=True)
    rooms.connection.execute("TRUNCATE evaluations, promotions, triplets CASCADE")
    return rooms


def improve(kb: TestSite) -> None:
    """Give the right passages the vectors of their questions; g1 and g2 have what they were before."""
    instruction = named_generation(kb.connection, "g1").query_instruction
    for number in range(COUNT):
        vector = kb.site.embedding.embed_query(asked(number), instruction)
        kb.connection.execute(
            "UPDATE embeddings e SET embedding = %s FROM chunks c JOIN documents d ON d.id = c.document_id "
            "WHERE e.text_hash = c.text_hash AND d.path = %s",
            [HalfVector(vector), f"rooms/n{number}.md"],
        )


def searched(kb: TestSite) -> str | None:
    active = active_generation(kb.connection)
    return active.name if active else None


def test_a_better_generation_is_promoted_once_a_person_approves(judged: TestSite) -> None:
    judged.reopen(quality={"approval": True})
    waiting = promote(judged.site, "g3")
    assert (waiting.promotion.verdict, waiting.switched, waiting.waits_for_approval) == ("promoted", False, True)
    assert searched(judged) == "g1"
    done = promote(judged.site, "g3", approved_by="carol")
    assert (done.switched, done.promotion.id, done.promotion.approved_by) == (True, waiting.promotion.id, "carol")
    assert searched(judged) == "g3"
    assert done.promotion.gains["all"]["low"] > 0
    assert done.promotion.gains["kind: place"]["questions"] == done.promotion.gains["all"]["questions"]

    life.rollback(judged.site)
    assert searched(judged) == "g1"


def test_an_equal_one_is_not_and_the_decision_stays(judged: TestSite) -> None:
    result = promote(judged.site, "g2")
    assert result.promotion.verdict in ("rejected", "not enough evidence")
    assert searched(judged) == "g1"
    assert [(each.candidate, each.incumbent, each.switched_at) for each in decisions(judged.site, 5)] == [
        ("g2", "g1", None)
    ]


def test_nothing_is_switched_while_the_server_runs_another_model(judged: TestSite) -> None:
    with instant_server(dimension=384, model_name="another") as other:
        judged.reopen(embedding_url=other.base_url)
        with pytest.raises(GenerationMismatch):
            promote(judged.site, "g3")
    assert searched(judged) == "g1"
    assert decisions(judged.site, 5) == []


def test_a_candidate_of_another_model_is_compared_with_what_was_measured(judged: TestSite) -> None:
    measure(judged.site, "rooms")
    with instant_server(dimension=384, model_name="another") as other:
        judged.reopen(embedding_url=other.base_url)
        built = life.build(judged.site)
        result = promote(judged.site, built.name)
    life.drop(judged.site, built.name)
    assert result.promotion.incumbent == "g1"
    assert result.promotion.gains["all"]["questions"] == TESTED
    with pytest.raises(SettingsError, match="searched already"):
        promote(judged.site, "g1")


def test_both_models_are_served_while_it_is_decided(judged: TestSite, embedding_server: InstantServer) -> None:
    with instant_server(dimension=384, model_name="another") as other:
        judged.reopen(embedding_url=other.base_url)
        built = life.build(judged.site)
        with pytest.raises(GenerationMismatch):  # nothing was measured before, and g1's model is not served
            promote(judged.site, built.name)
        result = promote(judged.site, built.name, present_url=embedding_server.base_url)
    life.drop(judged.site, built.name)
    assert result.promotion.incumbent == "g1"
    assert result.promotion.gains["all"]["questions"] == TESTED


def test_an_evaluation_is_compared_and_its_report_asks_nobody(judged: TestSite, tmp_path: Path) -> None:
    before = measure(judged.site, "rooms")
    assert since_last(judged.site, "rooms") is None
    life.activate(judged.site, "g3", force=True)
    after = measure(judged.site, "rooms", Way(), against=Way("g1"))
    assert after.gains is not None
    assert after.gains["all"]["ndcg@10"].low > 0
    changed = since_last(judged.site, "rooms")
    assert changed is not None
    assert changed["all"]["ndcg@10"].questions == COUNT

    if find_chromium() is None:
        pytest.skip("needs Chromium")
    file = tmp_path / "report.html"
    file.write_text(html("rooms <b>", "now", before.evaluation, Compared("g1", after.gains)))
    with browser() as chromium, chromium.page(file.as_uri()) as page:
        assert page.evaluate("document.querySelectorAll('article').length") > 20
        assert page.evaluate("document.querySelector('h1').textContent") == "rooms <b>"
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0
        page.resize(1280, 900)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.problems == []


def test_triplets_never_touch_what_decides(judged: TestSite) -> None:
    mined = mine_and_store(judged.site)
    parts = {question.question: question.split for question in questions_of(judged.connection, "rooms")}
    assert mined
    assert {parts[found.query] for found in mined} == {"tune"}
    stored = triplets(judged.site)
    assert len(stored) == len(mined)
    assert all(triplet.positive not in triplet.negatives for triplet in stored)
    for found in mined:
        assert all(negative.passage.score <= 0.95 * found.positive.score for negative in found.negatives)
    statement = "DELETE FROM chunks WHERE document_id = %s"
    with judged.connection.transaction(force_rollback=True):
        judged.connection.execute(statement, [mined[0].positive.document_id])
        assert len(texts(judged.connection)) == len(mined) - 1  # what is gone leaves nothing behind
