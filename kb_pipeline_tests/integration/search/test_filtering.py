"""Searches among the rows that a condition describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import COLUMNS, compile_condition
from kb_pipeline_tests.integration.search.handbook import (
    DIMENSION,
    MASKER,
    find,
    using,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

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
