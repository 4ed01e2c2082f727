"""A generation is built beside the one that is searched, activated, gone back from, and dropped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kb_pipeline.errors import GenerationMismatch, KbError, SettingsError
from kb_pipeline.operations import generations as life
from kb_pipeline.operations.audit import audit
from kb_pipeline.operations.search import search
from kb_pipeline.search.curve import picture
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.stages import knowledge_chunks
from kb_pipeline.store import generations
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server, instant_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

NAMES = tuple(f"{number}.md" for number in range(6))


def text(name: str) -> str:
    return f"# About {name}\n\nWhat {name} says first.\n\n# More\n\nWhat {name} says then.\n"


@pytest.fixture
def filled(kb: TestSite) -> TestSite:
    for name in NAMES:
        kb.write(name, text(name))
    kb.refresh()
    return kb


@pytest.fixture
def other_server() -> Iterator[InstantServer]:
    """Of another model."""
    with instant_server(dimension=64) as server:
        yield server


def states(kb: TestSite) -> dict[str, tuple[str, int, int]]:
    return {g.name: (g.state, g.dimension, g.row_count) for g in generations.generations(kb.connection)}


def ask(kb: TestSite, question: str = "first") -> set[str]:
    return {hit.source_file for hit in search(kb.site, SearchRequest(question, mode="lexical", logged=False)).hits}


def test_a_smaller_dimension_is_built_beside_activated_and_gone_back_from(
    filled: TestSite, embedding_server: InstantServer
) -> None:
    texts = embedding_server.seen()["texts"]
    built = life.build(filled.site, dimension=32)
    assert (built.name, built.state, built.texts_embedded, built.chunks_written) == ("g2", "building", 0, 12)
    assert embedding_server.seen()["texts"] <= texts + 1  # the probe of a new connection
    assert states(filled) == {"g1": ("active", 384, 12), "g2": ("building", 32, 12)}
    assert {len(row["embedding"].to_list()) for row in filled.rows()} == {384}

    switch = life.activate(filled.site, "g2")
    assert (switch.name, switch.retired, switch.lacking) == ("g2", "g1", 0)
    assert switch.recall is not None
    assert (switch.recall.recall, switch.recall.comparable, switch.recall.queries) == (1.0, True, 12)
    assert "384 dimensions (KB_DIMENSION)" in str(switch.note)
    (row,) = filled.rows("source_file = '0.md' AND ordinal = 0")
    expected = instant_vector("About 0.md\nWhat 0.md says first.", 384)[:32]
    assert np.allclose(row["embedding"].to_list(), expected / np.linalg.norm(expected), atol=2e-3)
    assert filled.dirty() == 0
    assert audit(filled.site).findings == ()

    back = life.rollback(filled.site)
    assert (back.name, back.retired, back.lacking, back.note) == ("g1", "g2", 0, None)
    assert states(filled) == {"g1": ("active", 384, 12), "g2": ("retired", 32, 12)}
    assert audit(filled.site).findings == ()


def test_what_changes_meanwhile_is_in_the_new_generation_when_it_is_activated(filled: TestSite) -> None:
    life.build(filled.site, dimension=32)
    filled.write("0.md", "# New\n\nAnother text altogether.\n")
    filled.write("new.md", text("new.md"))
    (filled.documents / "1.md").unlink()
    filled.refresh()
    assert states(filled) == {"g1": ("active", 384, 11), "g2": ("building", 32, 11)}
    life.activate(filled.site, "g2")
    assert set(filled.contents()) == {*NAMES, "new.md"} - {"1.md"}
    assert "Another text altogether." in filled.contents()["0.md"]

    filled.write("2.md", "# Later\n\nWritten after the switch.\n")
    filled.refresh()
    assert states(filled)["g1"] == ("retired", 384, 11)
    assert life.rollback(filled.site).lacking == 0
    assert "Written after the switch." in filled.contents()["2.md"]
    assert audit(filled.site).findings == ()


def test_a_load_does_not_wait_for_an_index_that_is_built_beside(filled: TestSite) -> None:
    life.build(filled.site, dimension=32)
    with filled.site.connect() as builder, builder.transaction():
        builder.execute("LOCK TABLE generation_2 IN SHARE MODE")  # as CREATE INDEX does
        filled.write("new.md", text("new.md"))
        filled.refresh()
        assert "new.md" in filled.contents()
    assert states(filled)["g2"] == ("building", 32, 12)
    life.activate(filled.site, "g2")
    assert "new.md" in filled.contents()


@pytest.mark.parametrize(
    "point", ["load_documents", "ensure_search_indexes", "ensure_vector_index", "refresh_statistics"]
)
def test_a_build_that_ends_anywhere_goes_on_from_there(
    filled: TestSite, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setattr(knowledge_chunks, "ROWS_PER_COPY", 4)
    real, calls = getattr(generations, point), []

    def ends(*arguments: object, **options: object) -> object:
        calls.append(point)
        if len(calls) == (2 if point == "load_documents" else 1):
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(generations, point, ends)
        with pytest.raises(KeyboardInterrupt):
            life.build(filled.site, dimension=32)
    assert states(filled)["g2"][2] == (4 if point == "load_documents" else 12)
    if point != "refresh_statistics":
        with pytest.raises(SettingsError, match=r"g2 is unfinished: it lacks .*; run kb generations build\."):
            life.activate(filled.site, "g2")
    built = life.build(filled.site, dimension=32)
    assert (built.name, built.texts_embedded, built.incomplete) == ("g2", 0, 0)
    life.activate(filled.site, "g2")
    assert states(filled)["g2"] == ("active", 32, 12)
    assert audit(filled.site).findings == ()


def test_another_model_is_embedded_beside_and_a_way_back_says_what_it_lacks(
    filled: TestSite, other_server: InstantServer
) -> None:
    filled.reopen(embedding_url=other_server.base_url)
    built = life.build(filled.site)
    assert (built.name, built.state, built.texts_embedded) == ("g2", "building", 12)
    switch = life.activate(filled.site, "g2")
    assert switch.recall is not None
    assert not switch.recall.comparable
    filled.write("0.md", "# New\n\nAnother text altogether.\n")
    filled.refresh()
    back = life.rollback(filled.site)
    assert (back.name, back.lacking) == ("g1", 1)
    assert "What 0.md says first." in filled.contents()["0.md"]  # until a server of its model is there again
    with pytest.raises(GenerationMismatch):
        filled.refresh()


def test_dropping_frees_the_table_and_the_vectors_that_nothing_needs(
    filled: TestSite, other_server: InstantServer
) -> None:
    filled.reopen(embedding_url=other_server.base_url)
    life.build(filled.site)
    life.activate(filled.site, "g2", force=True)
    assert filled.count("embeddings") == 24
    dropped = life.drop(filled.site, "g1")
    assert (dropped.vectors, dropped.vectors_until is None) == (12, False)
    assert filled.connection.execute("SELECT to_regclass('generation_1')").fetchone() == (None,)
    assert filled.count("embeddings") == 24  # for as long as the settings keep what is unused
    filled.reopen(retention={"unused_days": 0})
    life.build(filled.site, dimension=32)
    life.drop(filled.site, "g3")  # one that is built may go, too
    assert filled.count("embeddings") == 12
    assert set(filled.contents()) == set(NAMES)


def test_a_generation_that_agrees_too_little_is_only_activated_by_force(filled: TestSite) -> None:
    for number in range(60):
        filled.write(f"more/{number}.md", text(f"more {number}"))
    filled.refresh()
    life.build(filled.site, dimension=16)  # of random vectors, whose first numbers say little about the others
    with pytest.raises(KbError, match=r"g2 was not activated: it agrees with g1 in \d+%.* or activate it with --force"):
        life.activate(filled.site, "g2")
    assert states(filled)["g2"][0] == "building"
    assert life.activate(filled.site, "g2", force=True).recall is None
    assert states(filled)["g2"][0] == "active"


def test_logged_queries_are_what_is_measured(filled: TestSite) -> None:
    for question in ("what 0.md says first", "what 1.md says then"):
        search(filled.site, SearchRequest(question))
    life.build(filled.site, dimension=128)
    switch = life.activate(filled.site, "g2", force=False)
    assert switch.recall is not None
    assert switch.recall.logged == 2


def test_the_curve_says_what_a_dimension_gives_and_costs(filled: TestSite) -> None:
    with pytest.raises(SettingsError, match="needs 200 passages"):
        life.curve(filled.site)
    sections = "".join(f"# Section {number}\n\nText number {number}.\n\n" for number in range(400))
    filled.write("long.md", sections)
    filled.refresh()
    few, many, all_of_them = life.curve(filled.site, dimensions=[384, 16, 128])
    assert (few.dimension, many.dimension, all_of_them.dimension) == (16, 128, 384)
    assert few.recall < many.recall < all_of_them.recall
    assert all_of_them.recall > 0.98
    assert few.kilobytes_per_row < all_of_them.kilobytes_per_row
    assert picture([few, many, all_of_them]).count("<circle") == 6
    with pytest.raises(SettingsError, match="have 384 dimensions; choose"):
        life.curve(filled.site, dimensions=[385])


def test_wrong_calls_say_what_to_do(filled: TestSite) -> None:
    for call in (lambda: life.activate(filled.site, "g9"), lambda: life.drop(filled.site, "g9")):
        with pytest.raises(SettingsError, match=r"There is no generation g9; there are: g1\."):
            call()
    with pytest.raises(SettingsError, match=r"g1 is active; activate another one"):
        life.drop(filled.site, "g1")
    with pytest.raises(SettingsError, match=r"no retired generation to go back to"):
        life.rollback(filled.site)
    with pytest.raises(SettingsError, match=r"KB_DIMENSION is 400.*384 dimensions"):
        life.build(filled.site, dimension=400)
    with filled.site.connect() as other, generations.build_lock(other), pytest.raises(KbError, match="Another run"):
        life.build(filled.site, dimension=32)


def test_searches_never_fail_meanwhile(filled: TestSite) -> None:
    stop, failures, answers = threading.Event(), [], []

    def searching() -> None:
        while not stop.is_set():
            try:
                with filled.site.for_one_call() as site:
                    answers.append(len(search(site, SearchRequest("says first", logged=False)).hits))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                failures.append(error)

    thread = threading.Thread(target=searching)
    thread.start()
    try:
        for dimension in (32, 64, 48):
            built = life.build(filled.site, dimension=dimension)
            life.activate(filled.site, built.name, force=True)
            retired = life.rollback(filled.site).retired
            life.activate(filled.site, built.name, force=True)
            for generation in generations.generations(filled.connection):
                if generation.state == "retired":
                    life.drop(filled.site, generation.name)
            assert retired == built.name
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert answers
    assert min(answers) == 10
