"""What the embedding server's model and its languages mean for a search."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, SettingsError
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.search.retrieve import search
from kb_pipeline.store.generations import activate, refresh_statistics
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.handbook import (
    DIMENSION,
    HANDBOOK,
    find,
    mask,
    using,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.embedding.client import ModelIdentity
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


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
