"""A collection with a generation of its own: made, kept in step, searched together with the others, and given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access.principal import Principal
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations import generations as life
from kb_pipeline.operations.audit import audit
from kb_pipeline.operations.search import mask_query, search
from kb_pipeline.operations.status import status
from kb_pipeline.search.facets import facets
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.settings import CollectionSettings, load_settings
from kb_pipeline.stages import knowledge_chunks
from kb_pipeline.store import generations, view
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

SHARED = ("hr/0.md", "hr/1.md")
OWN = ("law/0.md", "law/1.md", "law/2.md")
SMALL = {"law": CollectionSettings(dimension=32)}


def text(name: str) -> str:
    return f"# About {name}\n\nWhat {name} says first.\n\n# More\n\nWhat {name} says then.\n"


def fill(kb: TestSite) -> None:
    for name in (*SHARED, *OWN):
        kb.write(name, text(name))
    kb.refresh()


@pytest.fixture
def other_server() -> Iterator[InstantServer]:
    """Of another model."""
    with instant_server(dimension=64) as server:
        yield server


def served(kb: TestSite) -> dict[str, tuple[str | None, str, int, int]]:
    return {g.name: (g.collection, g.state, g.dimension, g.row_count) for g in generations.generations(kb.connection)}


def ask(kb: TestSite, mode: Any = "hybrid", **given: Any) -> tuple[list[str], str | None]:
    result = search(kb.site, SearchRequest("says first", k=20, mode=mode, logged=False, **given))
    return sorted({hit.source_file for hit in result.hits}), result.generation


def notes(kb: TestSite) -> str:
    return " ".join(status(kb.site)["notes"])


def test_a_setting_that_is_there_from_the_start_gives_it_one_at_once(kb: TestSite) -> None:
    kb.reopen(collections=SMALL)
    fill(kb)
    assert served(kb) == {"g1": (None, "active", 384, 4), "g2": ("law", "active", 32, 6)}
    assert kb.dirty() == 0
    assert notes(kb) == ""
    assert {row["source_file"] for row in kb.rows()} == set(SHARED)
    for mode in ("hybrid", "vector", "lexical"):
        assert ask(kb, mode) == (sorted([*SHARED, *OWN]), "g1, g2")
        assert ask(kb, mode, collections=("law",)) == (sorted(OWN), "g2")
        assert ask(kb, mode, collections=("hr",)) == (sorted(SHARED), "g1")
        assert ask(kb, mode, collections=("hr", "law")) == (sorted([*SHARED, *OWN]), "g1, g2")
        assert ask(kb, mode, where="source_file like '%/0.md'") == (["hr/0.md", "law/0.md"], "g1, g2")
    assert audit(kb.site).findings == ()
    counted = facets(
        kb.connection, Principal("anyone"), mask=lambda value, among: mask_query(kb.site, value, among)
    ).facets["collection"]
    assert {value.value: value.documents for value in counted} == {"hr": 2, "law": 3}


def test_a_setting_that_comes_later_is_built_and_activated_without_embedding(
    kb: TestSite, embedding_server: InstantServer
) -> None:
    fill(kb)
    kb.reopen(collections=SMALL)
    assert "32 dimensions for the collection law, but generation g1, which is searched, has 384" in notes(kb)
    assert "run kb generations build --collection law" in notes(kb)
    kb.refresh()
    assert served(kb) == {"g1": (None, "active", 384, 10)}
    texts = embedding_server.seen()["texts"]
    built = life.build(kb.site, collection="law")
    assert (built.name, built.texts_embedded, built.chunks_written, built.incomplete) == ("g2", 0, 6, 0)
    assert embedding_server.seen()["texts"] <= texts + 1  # the probe of a new connection
    assert ask(kb) == (sorted([*SHARED, *OWN]), "g1")
    switch = life.activate(kb.site, "g2")
    assert (switch.name, switch.collection, switch.retired, switch.note) == ("g2", "law", None, None)
    assert served(kb) == {"g1": (None, "active", 384, 4), "g2": ("law", "active", 32, 6)}
    assert ask(kb) == (sorted([*SHARED, *OWN]), "g1, g2")
    assert kb.dirty() == 0
    assert audit(kb.site).findings == ()

    back = life.rollback(kb.site, "law")
    assert (back.name, back.retired, back.lacking) == ("g1", "g2", 0)
    assert served(kb) == {"g1": (None, "active", 384, 10), "g2": ("law", "retired", 32, 6)}
    assert ask(kb) == (sorted([*SHARED, *OWN]), "g1")
    assert kb.dirty() == 0
    assert audit(kb.site).findings == ()
    assert kb.connection.execute("SELECT to_regclass('knowledge_chunks_law')").fetchone() == (None,)


def test_documents_move_between_collections_and_are_in_one_generation_at_a_time(kb: TestSite) -> None:
    kb.reopen(collections=SMALL)
    fill(kb)
    kb.move("hr/0.md", "law/9.md")
    kb.move("law/0.md", "hr/9.md")
    (kb.documents / "law/1.md").unlink()
    kb.write("law/2.md", "# New\n\nWhat it says first is new.\n")
    kb.refresh()
    assert served(kb) == {"g1": (None, "active", 384, 4), "g2": ("law", "active", 32, 3)}
    assert ask(kb, collections=("law",)) == (["law/2.md", "law/9.md"], "g2")
    assert ask(kb, collections=("hr",)) == (["hr/1.md", "hr/9.md"], "g1")
    assert kb.dirty() == 0
    assert audit(kb.site).findings == ()


def test_a_document_that_waits_for_another_model_is_not_found_where_it_was(
    kb: TestSite, other_server: InstantServer
) -> None:
    kb.reopen(collections={"law": CollectionSettings(embedding_url=other_server.base_url)})
    fill(kb)
    assert served(kb) == {"g1": (None, "active", 384, 4), "g2": ("law", "active", 64, 6)}
    assert ask(kb) == (sorted([*SHARED, *OWN]), "g1, g2")
    assert ask(kb, "vector") == (sorted([*SHARED, *OWN]), "g1, g2")
    kb.move("hr/0.md", "law/9.md")
    kb.scan()
    knowledge_chunks.run(kb.site, None)  # before its texts were embedded by the other model
    assert ask(kb, collections=("hr",)) == (["hr/1.md"], "g1")
    assert ask(kb)[0] == sorted(["hr/1.md", *OWN])
    kb.refresh()
    assert ask(kb, collections=("law",)) == (sorted([*OWN, "law/9.md"]), "g2")
    assert kb.dirty() == 0
    assert audit(kb.site).findings == ()


def test_a_setting_that_goes_is_named_with_the_way_back(kb: TestSite) -> None:
    kb.reopen(collections=SMALL)
    fill(kb)
    kb.reopen(collections={})
    assert "no generation of its own for law, but g2 serves it; run kb generations rollback --collection law" in notes(
        kb
    )
    back = life.rollback(kb.site, "law")
    assert (back.name, back.retired, back.lacking) == ("g1", "g2", 0)
    assert notes(kb) == ""
    assert ask(kb, collections=("law",)) == (sorted(OWN), "g1")


def test_a_declared_field_is_a_column_of_every_view(kb: TestSite) -> None:
    kb.reopen(collections=SMALL, fields={"tag": "text"})
    kb.write("law/0.md.meta.yaml", "tag: x\n")
    fill(kb)
    rows = kb.connection.execute("SELECT DISTINCT source_file, tag FROM knowledge_chunks_law ORDER BY 1").fetchall()
    assert rows == [("law/0.md", "x"), ("law/1.md", None), ("law/2.md", None)]
    kb.reopen(fields={})
    kb.refresh()
    columns = kb.connection.execute("SELECT * FROM knowledge_chunks_law LIMIT 1").description
    assert columns is not None
    assert "tag" not in [column.name for column in columns]


def test_wrong_calls_say_what_to_do(kb: TestSite) -> None:
    fill(kb)
    with pytest.raises(SettingsError, match=r"nothing else for law than for the other collections; set dimension or"):
        life.build(kb.site, collection="law")
    with pytest.raises(SettingsError, match=r"The collection law has no generation of its own"):
        life.rollback(kb.site, "law")
    with pytest.raises(SettingsError, match=r"collections.law .*another model .* needs a server of its own"):
        load_settings(collections={"law": {"embedding_model": "other"}})
    kb.reopen(collections={"law": CollectionSettings(dimension=400)})
    with pytest.raises(SettingsError, match=r"The dimension of the collection law is 400"):
        life.build(kb.site, collection="law")


def test_a_view_is_named_after_its_collection() -> None:
    assert view.name_of(None) == "knowledge_chunks"
    assert view.name_of("合同") == "knowledge_chunks_合同"
    long = [view.name_of("合同" * 20 + end) for end in "ab"]
    assert all(len(name.encode()) <= 63 for name in long)
    assert long[0] != long[1]
