"""Searching a serving table in a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import SettingsError
from kb_pipeline.search.glossary import Glossary, Group
from kb_pipeline.search.request import MOST_K, SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import database
from kb_pipeline.store.generations import refresh_statistics
from kb_pipeline_tests.integration.search.handbook import (
    HANDBOOK,
    find,
    mask,
    no_embedder,
    using,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


@pytest.mark.usefixtures("handbook")
@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("年假有几天？", HANDBOOK[0]),
        ("病假要什么证明", HANDBOOK[1]),
        ("出差的发票什么时候交", HANDBOOK[2]),
        ("How many days of annual leave?", HANDBOOK[3]),
        ("xr-200 delivery", HANDBOOK[4]),
        ("ＸＲ－２００ 质保多久", HANDBOOK[5]),
        ("when are invoices paid", HANDBOOK[7]),
    ],
)
def test_questions_in_both_languages_find_their_passage_first(
    connection: Connection, question: str, first: Passage
) -> None:
    hit = find(connection, question, mode="lexical").hits[0]
    assert hit.content == first.content
    assert (hit.source_file, hit.page_number, hit.section_path) == (
        first.source_file,
        first.page_number,
        first.section_path,
    )


@pytest.mark.usefixtures("handbook")
@pytest.mark.parametrize("mode", ["vector", "hybrid"])
def test_the_nearest_vector_comes_first(connection: Connection, client: EmbeddingClient, mode: Any) -> None:
    result = find(connection, HANDBOOK[2].content, client, mode=mode)
    assert result.hits[0].content == HANDBOOK[2].content
    assert result.mode == mode
    assert len(result.hits) == len(HANDBOOK)


@pytest.mark.usefixtures("handbook")
def test_a_result_has_the_documented_keys(connection: Connection, client: EmbeddingClient) -> None:
    data = find(connection, "年假", client, k=2).as_json()
    assert {"query", "mode", "generation", "event_id", "hits", "timings_ms"} <= set(data)
    assert set(data["hits"][0]) == {
        *("rank", "score", "content", "source_file", "page_number", "page_end", "section_title", "section_path"),
        *("collection", "document_id", "chunk_key", "metadata", "fields", "chunk_keys", "highlights", "also_in"),
        "explanation",
    }
    assert [hit["rank"] for hit in data["hits"]] == [1, 2]
    assert {"embed", "vector", "lexical", "fetch", "total"} <= set(data["timings_ms"])
    assert data["note"] is None


def test_a_mobile_number_in_a_query_finds_its_passage_and_is_never_stored(
    connection: Connection, client: EmbeddingClient, handbook: Generation
) -> None:
    result = find(connection, "谁的手机是 138-1234-5678", client, mode="lexical")
    assert result.hits[0].source_file == "合同.pdf"
    assert "<CN_MOBILE_" in result.hits[0].content
    logged = connection.execute("SELECT query, mode, generation_id, hits FROM search_events").fetchall()
    assert len(logged) == 1
    assert logged[0][:3] == (result.query, "lexical", handbook.id)
    assert "1234" not in logged[0][0] + result.query
    assert logged[0][3][0]["chunk_key"] == result.hits[0].chunk_key


def test_a_search_is_logged_with_all_that_ranked_it(
    connection: Connection, client: EmbeddingClient, handbook: Generation
) -> None:
    result = find(connection, "pump delivery", client, k=3)
    (logged,) = connection.execute("SELECT query_vector, hits FROM search_events").fetchall()
    asked = client.embed_query("pump delivery", handbook.query_instruction)
    assert np.allclose(logged[0].to_numpy(), asked[: handbook.dimension], atol=1e-3)
    assert [(hit["rank"], hit["score"]) for hit in logged[1]] == [(hit.rank, hit.score) for hit in result.hits]
    assert all(hit["meaning"]["rank"] >= 1 for hit in logged[1])
    assert logged[1][0]["words"]["rank"] == 1
    find(connection, "pump", client, mode="lexical")
    words_only = connection.execute("SELECT query_vector, hits FROM search_events ORDER BY id DESC LIMIT 1").fetchone()
    assert words_only is not None
    assert words_only[0] is None
    assert words_only[1][0].keys() == {"rank", "score", "document_id", "chunk_key"}


@pytest.mark.usefixtures("handbook")
def test_ties_keep_their_order(connection: Connection, client: EmbeddingClient) -> None:
    orders = {tuple(hit.chunk_key for hit in find(connection, "三十 thirty", client, k=8).hits) for _ in range(5)}
    assert len(orders) == 1


def test_vectors_are_cut_to_the_dimension_of_the_generation(connection: Connection, client: EmbeddingClient) -> None:
    generation = make_generation(connection, client.identity, dimension=16)
    fill(connection, generation, HANDBOOK)
    hit = find(connection, HANDBOOK[4].content, client, mode="vector", k=1).hits[0]
    assert hit.content == HANDBOOK[4].content
    assert hit.score == pytest.approx(1.0, abs=1e-3)


def test_an_empty_knowledge_base_is_no_error(
    connection: Connection, database_url: str, client: EmbeddingClient
) -> None:
    before = find(connection, "年假")
    make_generation(connection, client.identity)
    after = find(connection, "年假", client)
    for result in (before, after):
        assert result.hits == ()
        assert result.note is not None
        assert "kb ingest" in result.note.text


def test_a_database_without_tables_is_an_empty_knowledge_base(database_url: str) -> None:
    with database.connect(database_url) as connection:
        assert find(connection, "年假").hits == ()


@pytest.mark.usefixtures("handbook")
def test_an_unknown_collection_is_pointed_out(connection: Connection, client: EmbeddingClient) -> None:
    result = find(connection, "年假", client, collections=("polices",))
    assert result.hits == ()
    assert result.note is not None
    assert result.note.text == "There is no collection polices; there are: contracts, policies."


@pytest.mark.usefixtures("handbook")
def test_a_query_of_signs_only_finds_nothing_lexically(connection: Connection) -> None:
    result = find(connection, "？！", mode="lexical")
    assert result.hits == ()
    assert result.note is not None


@pytest.mark.usefixtures("handbook")
def test_signs_of_query_languages_are_only_text(connection: Connection, client: EmbeddingClient) -> None:
    for text in ("' | !!x & (", "a:*", "100%", "\\", "%s %(x)s {y}", "<->", "x" * 2000):
        assert find(connection, text, client).mode in ("hybrid", "vector", "lexical")


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest(" \u3000 "),
        SearchRequest("x", k=0),
        SearchRequest("x", k=MOST_K + 1),
        SearchRequest("x", mode=cast("Any", "fuzzy")),
        SearchRequest("x" * 2001),
        SearchRequest("a\0b"),
        SearchRequest("x", where="pages = 3"),
    ],
)
def test_a_wrong_request_is_a_settings_error(connection: Connection, request_: SearchRequest) -> None:
    with pytest.raises(SettingsError):
        search(using(connection), request_, embedder=no_embedder, mask=mask)


@pytest.mark.usefixtures("handbook")
def test_a_read_only_server_is_searched_without_logging(connection: Connection) -> None:
    connection.execute("SET default_transaction_read_only = on")
    result = find(connection, "年假", mode="lexical")
    assert result.hits
    assert result.event_id is None


@pytest.mark.usefixtures("handbook")
def test_settings_of_a_search_do_not_outlive_it(connection: Connection) -> None:
    shown = "SELECT current_setting('statement_timeout'), current_setting('jit')"
    before = connection.execute(shown).fetchone()
    find(connection, "年假", mode="lexical")
    assert connection.execute(shown).fetchone() == before


def test_a_passage_is_found_by_what_means_the_same(connection: Connection, client: EmbeddingClient) -> None:
    generation = make_generation(connection, client.identity)
    fill(connection, generation, map(Passage, ["本服务水平协议的罚则", "年假", "the SLA and its penalty"]))
    refresh_statistics(connection, generation)
    found = search(
        using(connection),
        SearchRequest("SLA", mode="lexical"),
        embedder=no_embedder,
        mask=mask,
        glossary=Glossary([Group(("SLA", "服务水平协议"))]),
    )
    assert [hit.content for hit in found.hits] == ["the SLA and its penalty", "本服务水平协议的罚则"]
