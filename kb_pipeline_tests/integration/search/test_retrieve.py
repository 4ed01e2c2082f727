"""Searching a serving table in a real PostgreSQL."""

from __future__ import annotations

import math
import random
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgvector import HalfVector
from psycopg import sql

from kb_pipeline.chunking.lexemes import occurrences, query_terms
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, SettingsError
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.glossary import Glossary, Group
from kb_pipeline.search.request import MOST_K, SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import database, postings
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import COLUMNS, compile_condition
from kb_pipeline.store.generations import activate, ensure_vector_index, refresh_statistics
from kb_pipeline.store.queries import query
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kb_pipeline.embedding.client import ModelIdentity
    from kb_pipeline.search.retrieve import Connect
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

DIMENSION = 64
MASKER = Masker(MaskingPolicy(), b"k" * 32)

STAFF, CONTRACT = "员工手册.pdf", "合同.pdf"
HANDBOOK = [
    Passage("员工入职满一年后每年享有五天带薪年假。", STAFF, "policies", 12, ("第三章 休假", "年假")),
    Passage("病假须提交医院证明，连续三天以上由部门经理批准。", STAFF, "policies", 13, ("第三章 休假", "病假")),
    Passage("差旅报销应在返回后三十日内提交发票。", "报销制度.docx", "policies", None, ("报销",)),
    Passage("Employees get five days of annual leave per year.", "handbook.md", "policies", None, ("Leave",)),
    Passage("The supplier delivers pump XR-200 within thirty days.", "contract.pdf", "contracts", 3, ("Delivery",)),
    Passage("质保期为验收后十二个月，型号 XR-200。", CONTRACT, "contracts", 5, ("质保",), {"author": "王", "no": 7}),
    Passage("联系人手机 13812345678，负责售后。", CONTRACT, "contracts", 6, ("第九条 联系方式",)),
    Passage("Invoices are paid net 45 after receipt.", "contract.pdf", "contracts", 4, ("Payment",), {"draft": True}),
]


def mask(text: str, collections: Sequence[str]) -> list[str]:
    return [MASKER.mask(text).text]


def using(connection: Connection) -> Connect:
    return lambda: nullcontext(connection)


def no_embedder() -> EmbeddingClient:
    raise AssertionError("the embedding server was asked")


@pytest.fixture(scope="module")
def client() -> Iterator[EmbeddingClient]:
    with instant_server(dimension=DIMENSION) as server, EmbeddingClient.connect(server.base_url) as client:
        yield client


@pytest.fixture
def handbook(connection: Connection, client: EmbeddingClient) -> Generation:
    generation = make_generation(connection, client.identity)
    fill(connection, generation, [Passage(**{**vars(p), "content": MASKER.mask(p.content).text}) for p in HANDBOOK])
    refresh_statistics(connection, generation)
    return generation


def find(connection: Connection, text: str, client: EmbeddingClient | None = None, **options: Any) -> SearchResult:
    embedder = no_embedder if client is None else lambda: client
    return search(using(connection), SearchRequest(text, **options), embedder=embedder, mask=mask)


# --- what is found -----------------------------------------------------------------------------------


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


# --- phrases, and what is left out ------------------------------------------------------------------


SIGNS = "leave '\\\"“”:&|!()<>*-%_;$年👍\x01\x0b"


@pytest.fixture
def said(connection: Connection, client: EmbeddingClient) -> Generation:
    generation = make_generation(connection, client.identity)
    texts = ["annual leave of ten days", "leave the annual report", "sick leaves", "數據安全管理辦法", "数据的安全"]
    fill(connection, generation, map(Passage, texts))
    refresh_statistics(connection, generation)
    return generation


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("mode", ["lexical", "vector", "hybrid"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"annual leave"', {"annual leave of ten days"}),
        ('leave -"annual leave" -sick', {"leave the annual report"}),
        ("annual -leaves", set()),
        ("“数据安全”", {"數據安全管理辦法"}),
        ("数据 -办法", {"数据的安全"}),
    ],
)
def test_phrases_and_what_is_left_out_hold_for_words_and_for_meaning(
    connection: Connection, client: EmbeddingClient, mode: Any, query: str, found: set[str]
) -> None:
    hits = {hit.content for hit in find(connection, query, client, mode=mode).hits}
    assert found <= hits
    if mode == "lexical":
        assert hits == found
    unwanted = {'"': "leave the annual report", "l": "annual leave of ten days", "a": "sick leaves"}
    assert unwanted.get(query[0]) not in hits


@pytest.mark.usefixtures("said")
def test_a_phrase_that_no_passage_says_is_named(connection: Connection, client: EmbeddingClient) -> None:
    result = find(connection, '"leave annual"', client)
    assert not result.hits
    assert result.note is not None
    assert result.note.code == "phrase"


@pytest.mark.usefixtures("said")
def test_a_query_that_only_leaves_out_is_refused(connection: Connection) -> None:
    with pytest.raises(SettingsError, match="what to look for"):
        find(connection, "-leave -annual", mode="lexical")


@pytest.mark.usefixtures("said")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(st.sampled_from(SIGNS) | st.characters(), min_size=1, max_size=30))
def test_whatever_is_typed_gives_hits_or_one_sentence(connection: Connection, query: str) -> None:
    with suppress(SettingsError):
        find(connection, query, mode="lexical", logged=False)


# --- BM25 --------------------------------------------------------------------------------------------


def reference_bm25(passages: list[Passage], question: str) -> list[tuple[int, float]]:
    """BM25 as its definition has it, over everything: [(document, score)], best first."""
    said = [occurrences(passage.text) for passage in passages]
    lengths = [text[-1].place for text in said]
    mean = sum(lengths) / len(lengths)
    texts = [[occurrence.lexeme for occurrence in text] for text in said]
    scores = []
    for number, (text, length) in enumerate(zip(texts, lengths, strict=True), start=1):
        counts, score = Counter(text), 0.0
        for term in query_terms(question):
            held = sum(term.lexeme in other for other in texts)
            tf = counts[term.lexeme]
            norm = postings.BM25_K1 * (1 - postings.BM25_B + postings.BM25_B * length / mean)
            score += term.weight * math.log(1 + (len(texts) - held + 0.5) / (held + 0.5)) * tf / (tf + norm)
        if score:
            scores.append((number, score))
    return sorted(scores, key=lambda item: (-item[1], item[0]))


@pytest.mark.parametrize("recorded", [True, False])
def test_lexical_scores_are_bm25_with_and_without_recorded_statistics(
    connection: Connection, client: EmbeddingClient, recorded: bool
) -> None:
    rng = random.Random(11)
    words = ["泵", "合同", "年假", "invoice", "pump", "GB/T-19001", "交付", "warranty", "三十日"]
    passages = [Passage(" ".join(rng.choices(words, k=rng.randint(1, 40))) + f" 第{n}段") for n in range(60)]
    passages.append(Passage("泵 " * 150))
    generation = make_generation(connection, client.identity)
    fill(connection, generation, passages)
    if recorded:
        refresh_statistics(connection, generation)
    for question in ("合同交付 invoice", "pump", "GB/T-19001 的年假", "泵"):
        hits = find(connection, question, mode="lexical", k=50).hits
        expected = reference_bm25(passages, question)[:50]
        assert [hit.document_id for hit in hits] == [number for number, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=2e-6)


def test_common_words_alone_still_find_passages_when_rare_ones_find_too_few(
    connection: Connection, client: EmbeddingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = make_generation(connection, client.identity)
    fill(connection, generation, [Passage(f"合同 {n}") for n in range(50)] + [Passage("罕见 合同")])
    refresh_statistics(connection, generation)
    monkeypatch.setattr("kb_pipeline.search.legs.MOST_CANDIDATES", 20)
    monkeypatch.setattr("kb_pipeline.search.lexical.candidate_queries.__defaults__", (20,))
    hits = find(connection, "罕见 合同", mode="lexical", k=10).hits
    assert hits[0].content == "罕见 合同"
    assert len(hits) == 10


# --- filters -----------------------------------------------------------------------------------------


FILTERS: list[tuple[str, set[int]]] = [
    ("page_number >= 5 and page_number < 13", {1, 6, 7}),
    ("page_end in (3, 4.0)", {5, 8}),
    ("page_number is null", {3, 4}),
    ("not page_number > 3", {5}),
    ("section_title like '%假'", {1, 2}),
    ("section_title ilike 'LEAVE'", {4}),
    ("source_file in ('合同.pdf'，“handbook.md”)", {4, 6, 7}),
    ("collection = 'contracts' and language = 'en'", {5, 8}),
    ("metadata.author = '王'", {6}),
    ("metadata.no > 6.5", {6}),
    ("metadata.no in (7, 8)", {6}),
    ("metadata.no = '7'", {6}),
    ("metadata.author > 3", set()),
    ("metadata.draft = true", {8}),
    ("metadata.draft is not null or metadata.author is not null", {6, 8}),
    ("token_count > 1000", set()),
    ("created_at between '2020-01-01' and '2999-01-01' and language <> 'zh'", {4, 5, 8}),
    ("created_at < '2020-01-01 12:00+08:00'", set()),
    ("page_number = 99999999999999999999999999", set()),
]


@pytest.mark.usefixtures("handbook")
def test_where_keeps_exactly_the_rows_that_it_describes(connection: Connection, client: EmbeddingClient) -> None:
    found = {
        where: {hit.document_id for hit in find(connection, "年假", client, where=where, mode="vector").hits}
        for where, _ in FILTERS
    }
    assert found == dict(FILTERS)


@pytest.mark.usefixtures("handbook")
def test_collections_and_where_work_together(connection: Connection, client: EmbeddingClient) -> None:
    hits = find(connection, "XR-200", client, collections=("contracts",), where="language = 'zh'").hits
    assert {hit.document_id for hit in hits} == {6, 7}


def test_a_filter_on_a_masked_value_finds_it(connection: Connection, client: EmbeddingClient) -> None:
    generation = make_generation(connection, client.identity)
    phone = MASKER.mask("手机 13812345678").text
    fill(connection, generation, [Passage("甲", metadata={"phone": phone}), Passage("乙")])
    hits = find(connection, "甲", client, where="metadata.phone = '手机 13812345678'", mode="vector").hits
    assert [hit.content for hit in hits] == ["甲"]


@pytest.mark.parametrize(
    "where", ["metadata.author = '张伟'", "metadata.author like '%张伟%'", "metadata.author in ('张伟')"]
)
def test_a_filter_finds_what_was_masked_because_of_its_label(
    connection: Connection, client: EmbeddingClient, where: str
) -> None:
    generation = make_generation(connection, client.identity)
    author = MASKER.mask("Author: 张伟").text.removeprefix("Author: ")
    assert author != "张伟"
    fill(connection, generation, [Passage("甲", metadata={"author": author}), Passage("乙")])
    found = search(
        using(connection),
        SearchRequest("甲", where=where, mode="vector"),
        embedder=lambda: client,
        mask=lambda text, _: [MASKER.mask(text).text, text, *MASKER.possible_stand_ins(text)],
    )
    assert [hit.content for hit in found.hits] == ["甲"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    column=st.sampled_from([name for name, kind in COLUMNS.items() if kind == "text"] + ["metadata.k"]),
    operator=st.sampled_from(["=", "<>", "<", ">="]),
)
def test_no_value_makes_the_database_refuse_a_filter(
    handbook: Generation, connection: Connection, value: str, column: str, operator: str
) -> None:
    quoted = value.replace("'", "''")
    node = parse_filter(f"{column} {operator} '{quoted}' or {column} in ('{quoted}', 'x') or metadata.'a{quoted}' = 3")
    with store.snapshot(connection, depth=10):
        store.nearest(connection, handbook, np.ones(DIMENSION, dtype=np.float32), compile_condition(node), 10)


# --- a table large enough for its indexes ------------------------------------------------------------


@pytest.fixture
def large(connection: Connection, client: EmbeddingClient) -> Generation:
    generation = make_generation(connection, client.identity)
    passages = (
        Passage(f"passage number {n}", f"file{n % 300}.md", f"c{n % 4}", n % 100, metadata={"rare": n % 100})
        for n in range(3000)
    )
    fill(connection, generation, passages)
    ensure_vector_index(connection, generation)
    refresh_statistics(connection, generation)
    return generation


def plan_of(connection: Connection, generation: Generation, file: str, name: str, where: str | None = None) -> str:
    condition = compile_condition(parse_filter(where) if where else None)
    parts = {"table": generation.table, "condition": condition.sql}
    statement = query(file, name, **parts)
    parameters: dict[str, Any] = {
        **condition.parameters,
        "vector": HalfVector(np.ones(DIMENSION)),
        "depth": 100,
        "pattern": "'2999'",
        "patterns": ["'2999'"],
        "any": "'2999'",
        "rows": [1, 2, 3],
        "after": 0,
        "upto": 10**6,
        "k1": 1.5,
        "b": 0.75,
        "mean_length": 3.0,
        "most": 2000,
        "generation": generation.id,
        "lexemes": ["2999"],
        "bytes": [300],
    }
    with store.snapshot(connection, depth=100):
        rows = connection.execute(sql.SQL("EXPLAIN ") + statement, parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def test_the_queries_use_the_indexes(connection: Connection, large: Generation) -> None:
    assert f"generation_{large.id}_embedding" in plan_of(connection, large, "search", "nearest")
    assert f"generation_{large.id}_pkey" in plan_of(connection, large, "words", "candidates_among")
    assert f"generation_{large.id}_lexemes_idx" in plan_of(connection, large, "words", "candidates_matching")
    assert f"generation_{large.id}_lexemes_idx" in plan_of(connection, large, "postings", "rows_with")
    assert "postings_pkey" in plan_of(connection, large, "postings", "best_postings")
    assert f"generation_{large.id}_source_file_idx" in plan_of(
        connection, large, "search", "nearest", "source_file = 'file7.md'"
    )


def test_the_vector_index_finds_what_an_exact_comparison_finds(
    connection: Connection, large: Generation, client: EmbeddingClient
) -> None:
    everything = np.array(
        [
            row[0].to_numpy()
            for row in connection.execute(sql.SQL("SELECT embedding FROM {} ORDER BY id").format(large.table))
        ]
    )
    found = 0
    for number in range(20):
        text = f"question {number}"
        vector = client.embed_query(text, "")
        nearest = set(np.argsort(-everything @ vector)[:10] + 1)
        found += len(nearest & {hit.document_id for hit in find(connection, text, client, mode="vector").hits})
    assert found / 200 >= 0.95


@pytest.mark.usefixtures("large")
def test_a_selective_filter_still_returns_k_rows_and_the_exact_ones(
    connection: Connection, client: EmbeddingClient
) -> None:
    for where in ("metadata.rare = 7", "page_number = 7", "section_title is null and page_end = 7"):
        for mode in ("vector", "hybrid"):
            hits = find(connection, "passage number 1207", client, where=where, mode=mode, k=30).hits
            assert len(hits) == 30
            assert hits[0].content == "passage number 1207"
            assert all(hit.page_number == 7 for hit in hits)


# --- models and languages ----------------------------------------------------------------------------


@pytest.fixture
def english_only(connection: Connection) -> Iterator[tuple[ModelIdentity, EmbeddingClient]]:
    with (
        instant_server(dimension=384, model_name="all-MiniLM-L6-v2") as server,
        EmbeddingClient.connect(server.base_url) as client,
    ):
        fill(connection, make_generation(connection, client.identity), HANDBOOK)
        yield client.identity, client


def test_a_query_in_a_language_that_the_model_does_not_speak_is_lexical_only(
    connection: Connection, english_only: tuple[ModelIdentity, EmbeddingClient]
) -> None:
    _, client = english_only
    chinese = find(connection, "年假有几天", mode="hybrid")  # without an embedding server
    assert (chinese.mode, chinese.hits[0].content) == ("lexical", HANDBOOK[0].content)
    assert chinese.note is not None
    assert "all-MiniLM-L6-v2" in chinese.note.text
    english = find(connection, "annual leave", client, mode="hybrid")
    assert (english.mode, english.note) == ("hybrid", None)
    forced = find(connection, "年假有几天", client, mode="vector")
    assert forced.mode == "vector"
    assert forced.note is not None


def test_numbers_and_versions_are_looked_up_as_words_without_a_warning(
    connection: Connection, english_only: tuple[ModelIdentity, EmbeddingClient]
) -> None:
    _, client = english_only
    for text in ("200", "2024-06-30", "3.2.1", "13812345678"):
        result = find(connection, text, client)
        assert (result.mode, result.note) == ("lexical", None), text


@pytest.mark.usefixtures("english_only")
def test_after_an_upgrade_of_the_default_model_a_search_says_how_to_keep_the_old_one_or_change(
    connection: Connection,
) -> None:
    with (
        instant_server(dimension=384, model_name=DEFAULT_CPU_MODEL) as server,
        EmbeddingClient.connect(server.base_url) as client,
        pytest.raises(GenerationMismatch) as caught,
    ):
        find(connection, "annual leave", client, mode="hybrid")
    assert str(caught.value) == (
        "Generation g1 was embedded by all-MiniLM-L6-v2, but the embedding server runs multilingual-e5-small; set "
        "KB_EMBEDDING_MODEL=all-MiniLM-L6-v2 (or KB_EMBEDDING_URL to a server of it) to keep what is there, or run "
        "kb generations build (the job re_embed) to embed everything anew."
    )


@pytest.mark.usefixtures("handbook")
def test_another_model_behind_the_server_is_an_error_that_names_both(connection: Connection) -> None:
    other = cast("EmbeddingClient", SimpleNamespace(identity=SimpleNamespace(fingerprint="0" * 16, name="other-model")))
    for mode in ("hybrid", "vector"):
        with pytest.raises(GenerationMismatch, match=r"instant.*other-model"):
            find(connection, "annual leave", other, mode=mode)
    assert find(connection, "annual leave", other, mode="lexical").hits


@pytest.mark.usefixtures("handbook")
def test_without_an_embedding_server_words_answer_unless_only_vectors_were_asked_for(connection: Connection) -> None:
    def away() -> EmbeddingClient:
        raise EmbeddingServerUnavailable("It is not there; start it.")

    def found(text: str, mode: Any) -> SearchResult:
        return search(using(connection), SearchRequest(text, mode=mode), embedder=away, mask=mask)

    hybrid = found("annual leave", "hybrid")
    assert (hybrid.mode, hybrid.hits[0].content) == ("lexical", HANDBOOK[3].content)
    assert hybrid.note is not None
    assert hybrid.note.code == "embedding_server"
    assert found("annual leave", "lexical").note is None
    for text, mode in (("annual leave", "vector"), ("？！", "hybrid")):
        with pytest.raises(EmbeddingServerUnavailable):
            found(text, mode)


@pytest.mark.usefixtures("handbook")
def test_no_connection_is_held_while_a_query_is_embedded(connection: Connection, client: EmbeddingClient) -> None:
    held: list[bool] = []

    @contextmanager
    def connect() -> Iterator[Connection]:
        held.append(True)
        yield connection
        held.pop()

    def embedder() -> EmbeddingClient:
        assert not held
        return client

    assert search(connect, SearchRequest("annual leave"), embedder=embedder, mask=mask).mode == "hybrid"


def test_another_generation_can_be_searched_by_name(
    connection: Connection, client: EmbeddingClient, handbook: Generation
) -> None:
    second = make_generation(connection, client.identity, dimension=32)
    fill(connection, second, [Passage("只在第二代")])
    with pytest.raises(SettingsError, match="still being built"):
        find(connection, "第二代", client, generation=second.name)
    activate(connection, second)
    assert find(connection, "第二代", client).generation == second.name
    assert find(connection, "年假", mode="lexical", generation=handbook.name).hits[0].content == HANDBOOK[0].content
    with pytest.raises(SettingsError, match=f"{handbook.name}, {second.name}"):
        find(connection, "年假", client, generation="g99")


TOPICS = {"年假": 0, "annual leave": 0, "报销": 1, "expenses": 1, "密码": 2, "passwords": 2}


def by_topic_and_language(text: str) -> np.ndarray:
    """As embedding models do it: what a text is about, and far more, which language it is in."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    for word, topic in TOPICS.items():
        vector[topic] += word in text
    vector[10 if text.isascii() else 11] = 3
    return vector / np.linalg.norm(vector)


def test_a_question_finds_its_answer_in_the_other_language_among_all_that_is_in_its_own(
    connection: Connection, client: EmbeddingClient
) -> None:
    generation = make_generation(connection, client.identity)
    texts = ["年假的规定", "报销的规定", "密码的规定", "the annual leave", "the passwords", "2024"]
    fill(connection, generation, [Passage(text) for text in texts], embed=by_topic_and_language)
    refresh_statistics(connection, generation)
    model = SimpleNamespace(identity=client.identity, embed_query=lambda text, *_: by_topic_and_language(text))

    def found(question: str, **options: Any) -> list[str]:
        return [hit.content for hit in find(connection, question, cast("EmbeddingClient", model), **options).hits]

    assert set(found("关于年假", mode="vector", k=2)) == {"年假的规定", "the annual leave"}
    assert set(found("about passwords", mode="vector", k=2)) == {"the passwords", "密码的规定"}
    assert set(found("关于年假", mode="hybrid", k=2)) == {"年假的规定", "the annual leave"}
    assert set(found("关于年假", mode="vector", where="language = 'en'")) == {"the annual leave", "the passwords"}
    assert len(found("关于年假", mode="vector")) == len(texts)


# --- nothing to find, and wrong requests -------------------------------------------------------------


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


# --- the company's own terms --------------------------------------------------------------------------


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
