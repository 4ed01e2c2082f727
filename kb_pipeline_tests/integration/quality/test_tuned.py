"""A tuned model takes its place in front of a knowledge base: queries through an adapter, by the real model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.embedding.models import QueryAdapter
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations import generations as life
from kb_pipeline.operations.mining import mine_and_store
from kb_pipeline.operations.promotion import promote_adapter
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.store.generations import active_generation, set_adapter
from kb_pipeline_tests.adapters import write_adapter
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.sites import TestSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kb_pipeline.parsing.sandbox import ParserPool

THINGS = ("projector", "ladder", "printer", "kettle", "scanner", "drill", "camera", "heater", "fridge", "lamp", "piano")
ROOMS = [f"The {thing} is kept in room {number}." for number, thing in enumerate((*THINGS, "mirror"), start=101)]
COUNT = 60


@pytest.fixture(scope="module")
def rooms(
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    cpu_embedding_url: str,
    parsers: ParserPool,
) -> Iterator[TestSite]:
    folder = tmp_path_factory.mktemp("rooms")
    with new_database(postgres_url) as url:
        settings = {"home": folder / "home", "database_url": url, "embedding_url": cpu_embedding_url}
        kb = TestSite(folder / "documents", settings, parsers)
        for number, text in enumerate(ROOMS):
            kb.write(f"rooms/n{number}.md", text + "\n")
        kb.refresh()
        entries = [
            {"question": f"Where is item {turn} like the {text.split()[1]}?", "document": f"n{number}"}
            for turn in range(COUNT // len(ROOMS))
            for number, text in enumerate(ROOMS)
        ]
        (folder / "rooms.json").write_text(json.dumps(entries))
        import_questions(kb.site, folder / "rooms.json", "rooms")
        yield kb
        kb.close()


@pytest.fixture
def split(rooms: TestSite) -> TestSite:
    """48 questions to learn from, 6 that choose and 6 that decide."""
    rooms.connection.execute(
        "UPDATE evaluation_questions SET split = "
        "CASE WHEN id % 10 = 0 THEN 'test' WHEN id % 10 = 5 THEN 'dev' ELSE 'tune' END"
    )
    return rooms


def spring(kb: TestSite, *, side: str = "query", base: str = "multilingual-e5-small") -> Path:
    folder = kb.site.settings.home_path / "models" / f"spring-{side}-{base}"
    if not folder.exists():
        write_adapter(folder / "adapter")
        record = {"name": folder.name, "side": side, "base": base, "revision": None, "serve": "adapter"}
        (folder / "tuned.json").write_text(json.dumps(record))
    return folder


def test_six_questions_are_not_enough_to_switch(split: TestSite) -> None:
    outcome = promote_adapter(split.site, spring(split).name)
    assert outcome.promotion.verdict in ("not enough evidence", "rejected")
    assert not outcome.switched
    generation = active_generation(split.connection)
    assert generation is not None
    assert generation.query_adapter is None


def test_queries_go_through_the_adapter_until_it_is_rolled_back(split: TestSite) -> None:
    folder = spring(split)
    request = SearchRequest("Where is the piano?", mode="vector", k=3)
    before = [hit.score for hit in search(split.site, request).hits]
    generation = active_generation(split.connection)
    assert generation is not None
    set_adapter(split.connection, generation, QueryAdapter(folder.name, str(folder / "adapter")))
    tuned = [hit.score for hit in search(split.site, request).hits]
    assert tuned != pytest.approx(before, abs=1e-3)
    with pytest.raises(SettingsError, match=r"Queries go through .* already"):
        promote_adapter(split.site, folder.name)
    assert life.rollback(split.site).name == generation.name
    assert [hit.score for hit in search(split.site, request).hits] == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(
    ("side", "base", "sentence"),
    [
        (
            "both",
            "multilingual-e5-small",
            r"for queries and documents; set KB_EMBEDDING_MODEL to .*generations build",
        ),
        ("query", "other", r"was made from other, and what is searched is of multilingual-e5-small"),
    ],
)
def test_a_model_that_does_not_fit_is_one_sentence(split: TestSite, side: str, base: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        promote_adapter(split.site, spring(split, side=side, base=base).name)


def test_a_model_that_is_not_there_is_one_sentence(split: TestSite) -> None:
    with pytest.raises(SettingsError, match=r"no complete tuned model in .*autumn"):
        promote_adapter(split.site, "autumn")


@pytest.mark.timeout(900)  # the default model learns for half a minute, more where others work too
def test_a_site_tunes_its_own_model(split: TestSite) -> None:
    for package in ("torch", "transformers", "sentence_transformers", "peft"):
        pytest.importorskip(package, reason="needs the extra finetune")
    from kb_pipeline.operations.tuning import as_record, tune
    from kb_pipeline.quality.tuning.training import TuningSettings

    with pytest.raises(SettingsError, match=r"tuning needs 50"):
        tune(split.site, "early")
    split.connection.execute("UPDATE evaluation_questions SET split = 'tune' WHERE id % 10 IN (0, 1)")
    mine_and_store(split.site)
    settings = TuningSettings(epochs=1, batch_size=16)
    result = tune(split.site, "summer", settings)
    assert (result.examples, result.dev_questions) == (54, 6)
    assert list(result.curve) == [384, 256, 128, 64]
    assert result.by_set == {"rooms": result.curve[384]}
    assert result.trained.history[1].loss is not None
    kept = split.site.settings.home_path / "models" / "summer" / "tuned.json"
    assert kept.exists() is result.trained.gained
    assert as_record(result)["scale"] == result.trained.scale
    with pytest.raises(SettingsError, match=r"no name for a model"):
        tune(split.site, "../escape")
