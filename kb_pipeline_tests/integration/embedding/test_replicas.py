"""One client before several servers of the same model, some of which die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.embedding.client import EmbeddedText, EmbeddingClient
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server, instant_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

DIMENSION = 64


@pytest.fixture
def two() -> Iterator[tuple[InstantServer, InstantServer]]:
    with instant_server(DIMENSION, delay=0.005) as one, instant_server(DIMENSION, delay=0.005) as other:
        yield one, other


def url_of(*servers: InstantServer) -> str:
    return ", ".join(server.base_url for server in servers)


def texts(count: int) -> list[tuple[bytes, str]]:
    return [(str(i).encode(), f"text {i} " + "word " * (i % 40)) for i in range(count)]


def test_the_load_is_spread(two: tuple[InstantServer, InstantServer]) -> None:
    with EmbeddingClient.connect(url_of(*two)) as client:
        assert len(list(client.embed(texts(5000)))) == 5000
    shares = [server.seen()["texts"] for server in two]
    assert min(shares) > 1000


def test_one_that_dies_costs_no_text_and_is_used_again_once_it_is_back(
    two: tuple[InstantServer, InstantServer],
) -> None:
    one, other = two
    with EmbeddingClient.connect(url_of(*two)) as client:
        results = {}
        for number, result in enumerate(client.embed(texts(4000))):
            assert isinstance(result, EmbeddedText)
            assert result.key not in results
            results[result.key] = result.vector
            if number == 300:
                other.kill()
        assert len(results) == 4000
        for key, text in texts(4000)[::97]:
            assert results[key] @ instant_vector(text, DIMENSION) > 0.999
        assert client.embed_query("still there", "").shape == (DIMENSION,)
        other.start()
        for replica in client._replicas.members:
            replica.awake_at = 0.0  # instead of waiting for the end of its rest
        list(client.embed(texts(3000)))
    assert other.seen()["texts"] > 0
    assert one.seen()["texts"] > 3000


def test_one_that_is_full_leaves_the_work_to_the_other(two: tuple[InstantServer, InstantServer]) -> None:
    one, other = two
    with EmbeddingClient.connect(url_of(*two)) as client:
        other.inject(*["503"] * 50)
        assert len(list(client.embed(texts(3000)))) == 3000
        assert client.usage.retries == 0
    assert one.seen()["texts"] > 1500


def test_one_that_is_down_at_first_is_used_once_it_is_up(two: tuple[InstantServer, InstantServer]) -> None:
    _, other = two
    other.kill()
    with EmbeddingClient.connect(url_of(*two)) as client:
        list(client.embed(texts(100)))
        other.start()
        for replica in client._replicas.members:
            replica.awake_at = 0.0  # instead of waiting for the end of its rest
        list(client.embed(texts(4000)))
    assert other.seen()["texts"] > 0


def test_none_that_answers_is_an_error(two: tuple[InstantServer, InstantServer]) -> None:
    with EmbeddingClient.connect(url_of(*two), patience=0.5) as client:
        for server in two:
            server.kill()
        with pytest.raises(EmbeddingServerUnavailable, match=f"{two[0].base_url}, {two[1].base_url}"):
            list(client.embed(texts(10)))
    with pytest.raises(EmbeddingServerUnavailable):
        EmbeddingClient.connect(url_of(*two), patience=0.5)


@pytest.mark.parametrize("down_at_first", [False, True], ids=["up", "down at first"])
def test_servers_of_two_models_are_refused(*, down_at_first: bool) -> None:
    with (
        instant_server(DIMENSION, model_name="first") as one,
        instant_server(DIMENSION, model_name="second") as other,
    ):
        if not down_at_first:
            with pytest.raises(SettingsError, match=r"serves second and that at .* serves first"):
                EmbeddingClient.connect(url_of(one, other))
            return
        other.kill()
        with EmbeddingClient.connect(url_of(one, other)) as client:
            other.start()
            one.kill()
            with pytest.raises(SettingsError, match=r"serves second and that at .* serves first"):
                client.embed_query("hello", "")


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(SettingsError, match="KB_EMBEDDING_URL"):
        EmbeddingClient.connect(" , ")


def test_two_cpu_servers_share_the_work(cpu_embedding_url: str) -> None:
    with EmbeddingClient.connect(f"{cpu_embedding_url},{cpu_embedding_url}/") as client:
        assert len(client._replicas.members) == 2
        found = [result for result in client.embed(texts(20)) if isinstance(result, EmbeddedText)]
    assert len(found) == 20
