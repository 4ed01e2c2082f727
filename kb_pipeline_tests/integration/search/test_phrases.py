"""Questions with phrases, and with words to leave out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import SettingsError
from kb_pipeline.store.generations import refresh_statistics
from kb_pipeline_tests.integration.search.handbook import (
    find,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

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
