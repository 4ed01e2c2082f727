"""One query at a time, which a person waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline_tests.instant_embedding_server import (
    InstantServer,
    instant_server,
    instant_vector,
)
from kb_pipeline_tests.integration.embedding.texts import DIMENSION, embed_all, numbered

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.embedding.texts import Connect


class TestQuery:
    def test_carries_the_instruction_where_the_model_wants_it(self, connect: Connect) -> None:
        with instant_server(1024, model_name="Qwen3-Embedding-0.6B") as server:
            client = connect(server.base_url)
            vector = client.embed_query("什么是内控", "Find the rule")
        expected = instant_vector("Instruct: Find the rule\nQuery:什么是内控", 1024)
        np.testing.assert_allclose(vector, expected, atol=1e-6)

    def test_goes_ahead_of_documents(self, connect: Connect, instant: InstantServer) -> None:
        client = connect(instant.base_url)
        embed_all(client, numbered(10))
        client.embed_query("q", "i")
        assert instant.seen()["priorities"] == {"null": 1, "0": 1, "1": 1}  # the first is the probe

    def test_names_no_priority_to_a_server_that_would_refuse_it(self, connect: Connect, instant: InstantServer) -> None:
        instant.set(owned_by="somebody")
        client = connect(instant.base_url)
        embed_all(client, numbered(10))
        client.embed_query("q", "i")
        assert instant.seen()["statuses"]["200"] >= 3

    def test_asked_again_is_remembered_and_another_instruction_is_another_query(self, connect: Connect) -> None:
        with instant_server(1024, model_name="Qwen3-Embedding-0.6B") as server:
            client = connect(server.base_url)
            first = client.embed_query("q", "Find the rule")
            asked = server.seen()["requests"]
            assert np.array_equal(client.embed_query("q", "Find the rule"), first)
            assert server.seen()["requests"] == asked
            assert not np.array_equal(client.embed_query("q", "Find the exception"), first)
            assert server.seen()["requests"] == asked + 1

    def test_survives_a_passing_fault(self, connect: Connect, instant: InstantServer) -> None:
        client = connect(instant.base_url)
        instant.inject("503", "reset", "nan")
        np.testing.assert_allclose(client.embed_query("q", "i"), instant_vector("q", DIMENSION), atol=1e-6)

    def test_does_not_wait_for_a_server_that_is_gone(
        self, connect: Connect, instant: InstantServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = connect(instant.base_url)
        instant.kill()
        waited: list[float] = []
        monkeypatch.setattr("kb_pipeline.embedding.patience.time.sleep", waited.append)
        with pytest.raises(EmbeddingServerUnavailable, match="connection failed"):
            client.embed_query("q", "i")
        assert len(waited) <= 1  # where the lost connection was an open one

    def test_finds_the_server_that_rests_when_the_other_one_is_gone(
        self, connect: Connect, instant: InstantServer
    ) -> None:
        with instant_server(DIMENSION) as other:
            client = connect(f"{instant.base_url},{other.base_url}")
            client._replicas.members[0].awake_at = float("inf")
            other.kill()
            np.testing.assert_allclose(client.embed_query("q", "i"), instant_vector("q", DIMENSION), atol=1e-6)

    @pytest.mark.parametrize("fault", ["hang", "trickle"])
    def test_that_never_gets_its_answer_is_unavailable_after_the_patience(
        self, connect: Connect, instant: InstantServer, fault: str
    ) -> None:
        client = connect(instant.base_url, patience=0.3)
        instant.inject(*[fault] * 9)
        with pytest.raises(EmbeddingServerUnavailable, match="no answer in time"):
            client.embed_query("q", "i")

    @pytest.mark.parametrize(("query", "words"), [(" ", "empty"), ("x" * 40_000, "40000 tokens")])
    def test_that_cannot_be_embedded_is_a_settings_error(
        self, connect: Connect, instant: InstantServer, query: str, words: str
    ) -> None:
        with pytest.raises(SettingsError, match=words):
            connect(instant.base_url).embed_query(query, "i")
