"""What `kb server bench` measures with, against a server that counts a token per character."""

import pytest

from kb_pipeline.embedding.benchmark import measure
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import SettingsError
from kb_pipeline_tests.instant_embedding_server import instant_server


def test_texts_have_about_the_length_asked_for() -> None:
    with instant_server(dimension=8) as server, EmbeddingClient.connect(server.base_url) as client:
        found = list(measure(client, lengths=(500, 2000), batch_sizes=(8,), seconds=0.02, seed="the same texts"))
    assert [result.length for result in found] == [500, 2000]
    for result in found:
        assert result.counted == pytest.approx(result.length, rel=0.1)


def test_lengths_beyond_the_context_are_left_out() -> None:
    with (
        instant_server(dimension=8, context_length=2000) as server,
        EmbeddingClient.connect(server.base_url) as client,
    ):
        found = measure(client, lengths=(100, 3000), batch_sizes=(8,), seconds=0.02)
        assert [result.length for result in found] == [100]
        with pytest.raises(SettingsError, match="--length"):
            list(measure(client, lengths=(3000,)))
