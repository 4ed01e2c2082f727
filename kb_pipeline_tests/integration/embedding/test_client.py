"""The client against servers that misbehave as SGLang does; each ends with every good text embedded once."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kb_pipeline.embedding.client import EmbeddedText, RejectedText
from kb_pipeline.embedding.models import ExpectedModel
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline_tests.instant_embedding_server import (
    NAN_MARKER,
    POISON_MARKER,
    REJECT_MARKER,
    InstantServer,
    instant_server,
    instant_vector,
)
from kb_pipeline_tests.integration.embedding.texts import DIMENSION, embed_all, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kb_pipeline_tests.integration.embedding.texts import Connect


def assert_own_vectors(vectors: dict[bytes, np.ndarray], texts: Iterable[tuple[bytes, str]]) -> None:
    for key, text in texts:
        if key in vectors:
            np.testing.assert_allclose(vectors[key], instant_vector(text, DIMENSION), atol=1e-6)


@pytest.mark.parametrize("honour_base64", [True, False], ids=["base64", "numbers"])
def test_every_text_gets_its_own_vector(connect: Connect, *, honour_base64: bool) -> None:
    texts = numbered(3000)
    with instant_server(DIMENSION, honour_base64=honour_base64) as server:
        client = connect(server.base_url)
        vectors, reasons = embed_all(client, texts)
    assert not reasons
    assert_own_vectors(vectors, texts)
    assert client.usage.texts == 3000


def test_texts_travel_in_batches(connect: Connect, instant: InstantServer) -> None:
    embed_all(connect(instant.base_url), numbered(2000))
    assert instant.seen()["requests"] < 20


@pytest.mark.parametrize(
    "fault",
    [
        "503",
        "429",
        "500",
        "reset",
        "reset-mid-body",
        "truncated-json",
        "wrong-count",
        "wrong-index",
        "wrong-dimension",
        "nan",
        "zeros",
    ],
)
def test_a_passing_fault_loses_nothing(connect: Connect, instant: InstantServer, fault: str) -> None:
    client = connect(instant.base_url)
    texts = numbered(600)
    instant.inject(fault, fault)
    vectors, reasons = embed_all(client, texts)
    assert not reasons
    assert_own_vectors(vectors, texts)
    assert instant.seen()["faults_left"] == 0


def test_shuffled_answers_are_put_in_order(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    instant.inject("shuffled", "shuffled")
    texts = numbered(500)
    vectors, _ = embed_all(client, texts)
    assert_own_vectors(vectors, texts)


@pytest.mark.parametrize("marker", [REJECT_MARKER, POISON_MARKER, NAN_MARKER])
def test_one_bad_text_is_named_and_the_rest_embedded(connect: Connect, instant: InstantServer, marker: str) -> None:
    texts = numbered(64, t17=f"secret words {marker}")
    vectors, reasons = embed_all(connect(instant.base_url), texts)
    assert set(reasons) == {b"t17"}
    assert "secret" not in reasons[b"t17"]
    assert_own_vectors(vectors, texts)


def test_blank_and_broken_texts_are_rejected_without_asking(connect: Connect, instant: InstantServer) -> None:
    texts = numbered(5, t1="  \n", t2="", t3="\ud800 half")
    vectors, reasons = embed_all(connect(instant.base_url), texts)
    assert set(reasons) == {b"t1", b"t2", b"t3"}
    assert_own_vectors(vectors, texts)


def test_documents_are_wrapped_where_the_model_wants_it(connect: Connect) -> None:
    with instant_server(384, model_name="multilingual-e5-small") as server:
        vectors, reasons = embed_all(connect(server.base_url), [(b"a", "年假"), (b"blank", " ")])
    np.testing.assert_allclose(vectors[b"a"], instant_vector("passage: 年假", 384), atol=1e-6)
    assert set(reasons) == {b"blank"}


def test_a_text_that_is_too_long_is_rejected_with_tokens_and_limit(connect: Connect) -> None:
    texts = numbered(64, t9="long " * 100)
    with instant_server(DIMENSION, context_length=120) as server:
        client = connect(server.base_url)
        vectors, reasons = embed_all(client, texts, average_long_texts=False)
    assert reasons == {b"t9": "The text has 500 tokens and the model takes 120; make it shorter."}
    assert len(vectors) == 63


def test_a_text_that_is_too_long_is_embedded_in_parts(connect: Connect) -> None:
    texts = numbered(64, t9="long " * 100)
    with instant_server(DIMENSION, context_length=120) as server:
        client = connect(server.base_url)
        vectors, reasons = embed_all(client, texts)
        assert not reasons
        assert len(vectors) == 64
        assert np.linalg.norm(vectors[b"t9"]) == pytest.approx(1, abs=1e-6)
        assert client.usage.averaged == 1
        assert server.seen()["statuses"]["400"] == 1


def test_a_queue_smaller_than_a_batch_makes_batches_smaller(connect: Connect) -> None:
    texts = numbered(80)
    with instant_server(DIMENSION, max_queued=2, delay=0.001) as server:
        client = connect(server.base_url)
        vectors, reasons = embed_all(client, texts)
    assert not reasons
    assert_own_vectors(vectors, texts)


def test_retry_after_is_honoured(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    instant.inject("503-slow")
    embed_all(client, numbered(10))
    assert instant.seen()["seconds_between_requests"] >= 1.0


def test_a_request_that_hangs_is_sent_again(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url, timeout=0.3)
    instant.inject("hang")
    texts = numbered(300)
    vectors, reasons = embed_all(client, texts)
    assert not reasons
    assert_own_vectors(vectors, texts)


def test_a_request_that_trickles_is_sent_again(
    connect: Connect, instant: InstantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_pipeline.embedding.client.CONNECT_TIMEOUT", 0.3)  # allowed on top of the timeout
    client = connect(instant.base_url, timeout=0.3)
    instant.inject("trickle", "trickle")
    texts = numbered(300)
    vectors, reasons = embed_all(client, texts)
    assert not reasons
    assert_own_vectors(vectors, texts)
    assert instant.seen()["faults_left"] == 0


def test_concurrency_grows_with_success_and_stays_within_its_ceiling(connect: Connect) -> None:
    # Longer than a slow machine needs to send a dozen requests.
    with instant_server(DIMENSION, delay=0.1) as server:
        client = connect(server.base_url, most_in_flight=12)
        for _ in client.embed((i.to_bytes(4, "big"), f"{i} " + "很长的正文" * 700) for i in range(400)):
            pass
        assert 8 <= server.seen()["most_active_requests"] <= 12


def test_a_server_that_is_killed_and_restarted_loses_nothing(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    texts = numbered(4000)
    restarted = threading.Event()

    def restart() -> None:
        instant.start()
        restarted.set()

    def stream() -> Iterator[tuple[bytes, str]]:
        for number, text in enumerate(texts):
            if number == 1500:
                instant.kill()
            if number == 3000:
                threading.Timer(0.3, restart).start()
            yield text

    vectors: dict[bytes, np.ndarray] = {}
    for result in client.embed(stream()):
        assert isinstance(result, EmbeddedText)
        assert result.key not in vectors
        vectors[result.key] = result.vector
    assert restarted.is_set()
    assert len(vectors) == 4000
    assert_own_vectors(vectors, texts)


def test_a_server_that_stays_away_is_one_sentence_and_keeps_what_was_yielded(
    connect: Connect, instant: InstantServer
) -> None:
    client = connect(instant.base_url, patience=0.5)
    results = client.embed((i.to_bytes(4, "big"), f"text {i}") for i in range(20_000))
    kept = [next(results) for _ in range(300)]
    instant.kill()
    with pytest.raises(EmbeddingServerUnavailable, match=r"does not answer .* KB_EMBEDDING_URL"):
        kept.extend(results)
    assert len({result.key for result in kept}) == len(kept) >= 300


def test_closing_the_stream_ends_at_once_though_requests_hang(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    results = client.embed(iter(numbered(600)))
    next(results)
    instant.inject("hang", "hang", "hang", "hang")
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(results)


def test_an_error_of_the_source_reaches_the_caller(connect: Connect, instant: InstantServer) -> None:
    def source() -> Iterator[tuple[bytes, str]]:
        yield b"a", "first"
        raise OSError("the database went away")

    with pytest.raises(OSError, match="went away"):
        list(connect(instant.base_url).embed(source()))


def test_a_key_that_is_revoked_stops_the_stream(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    instant.inject("401")
    with pytest.raises(EmbeddingServerUnavailable, match="KB_EMBEDDING_API_KEY"):
        list(client.embed(iter(numbered(10))))


def test_a_stream_that_has_to_end_waits_for_other_answers_only_shortly(
    connect: Connect, instant: InstantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_pipeline.embedding.stream.LAST_ANSWERS", 0.2)
    client = connect(instant.base_url)
    instant.inject("none", "hang", "401")
    with pytest.raises(EmbeddingServerUnavailable, match="KB_EMBEDDING_API_KEY"):
        list(client.embed(iter(numbered(400))))
    assert instant.seen()["faults_left"] == 0


def test_a_model_that_is_swapped_stops_the_stream(connect: Connect, instant: InstantServer) -> None:
    client = connect(instant.base_url)
    instant.set(model_name="another")
    with pytest.raises(EmbeddingServerUnavailable, match="now serves another instead of instant"):
        list(client.embed(iter(numbered(10))))


class TestConnect:
    def test_learns_model_dimension_and_context(self, connect: Connect, instant: InstantServer) -> None:
        identity = connect(instant.base_url).identity
        assert (identity.name, identity.native_dimension, identity.context_length) == ("instant", DIMENSION, 32768)

    def test_no_server_is_said_with_url_and_remedy(self, connect: Connect) -> None:
        with pytest.raises(EmbeddingServerUnavailable, match=r"http://127\.0\.0\.1:9/v1 does not answer") as caught:
            connect("http://user:hidden@127.0.0.1:9/v1")
        assert "hidden" not in str(caught.value)

    def test_a_wrong_model_is_a_settings_error(self, connect: Connect, instant: InstantServer) -> None:
        with pytest.raises(SettingsError, match="serves instant instead of Qwen/Qwen3-Embedding-4B"):
            connect(instant.base_url, expected_model=ExpectedModel("Qwen/Qwen3-Embedding-4B"))

    def test_a_router_that_does_not_know_the_model_is_refused(self, connect: Connect) -> None:
        refused = pytest.raises(SettingsError, match="does not know the name of its model")
        with instant_server(8, model_name="unknown") as server, refused:
            connect(server.base_url)

    def test_a_router_that_passes_on_what_the_model_is_serves_that_model(self, connect: Connect) -> None:
        path = "/models/Qwen3-Embedding-0.6B"
        with instant_server(1024, model_name="unknown", model_path=path) as server:
            client = connect(server.base_url, expected_model=ExpectedModel("Qwen/Qwen3-Embedding-0.6B"))
            assert client.identity.profile.takes_instruction
            assert client.embed_query("年假", "Find it").shape == (1024,)

    def test_a_wrong_key_is_a_settings_error(self, connect: Connect) -> None:
        with instant_server(8, api_key="right") as server:
            with pytest.raises(SettingsError, match="KB_EMBEDDING_API_KEY"):
                connect(server.base_url, api_key="wrong")
            assert connect(server.base_url, api_key="right").identity.native_dimension == 8

    def test_a_url_without_v1_is_a_settings_error(self, connect: Connect, instant: InstantServer) -> None:
        with pytest.raises(SettingsError, match="usually ends in /v1"):
            connect(instant.base_url.removesuffix("/v1"))

    def test_something_that_is_no_url_is_a_settings_error(self, connect: Connect) -> None:
        with pytest.raises(SettingsError, match="not a URL"):
            connect("localhost:30000")

    def test_a_model_whose_dimension_is_not_its_own_is_refused(self, connect: Connect) -> None:
        wrong = pytest.raises(SettingsError, match="8 dimensions instead of 2560")
        with instant_server(8, model_name="Qwen3-Embedding-4B") as server, wrong:
            connect(server.base_url)

    def test_proxies_of_the_environment_are_not_used_for_this_machine(
        self, connect: Connect, instant: InstantServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert connect(instant.base_url).identity.name == "instant"


class TestRealServer:
    def test_identity_of_the_default_model(self, connect: Connect, cpu_embedding_url: str) -> None:
        identity = connect(cpu_embedding_url, expected_model=ExpectedModel("multilingual-e5-small")).identity
        assert identity.native_dimension == 384
        assert identity.context_length == 512
        assert re.fullmatch("[0-9a-f]{16}", identity.revision or "")
        assert identity.profile.speaks("zh")

    def test_documents_and_query_meet(self, connect: Connect, cpu_embedding_url: str) -> None:
        client = connect(cpu_embedding_url)
        texts = [(b"leave", "Employees are entitled to 15 days of paid leave."), (b"pump", "The pump weighs 12 kg.")]
        vectors, _ = embed_all(client, texts)
        query = client.embed_query("How much holiday do I get?", "anything")
        assert query @ vectors[b"leave"] > query @ vectors[b"pump"]

    def test_the_estimate_of_tokens_is_not_below_what_the_server_counts(
        self, connect: Connect, cpu_embedding_url: str
    ) -> None:
        client = connect(cpu_embedding_url)
        embed_all(client, numbered(20, t3="本行应当建立健全内部控制制度。" * 20, t7="word " * 400))
        assert client.usage.counted >= client.usage.tokens > 700

    def test_a_chinese_page_longer_than_the_context_gets_a_vector(
        self, connect: Connect, cpu_embedding_url: str
    ) -> None:
        client = connect(cpu_embedding_url)
        page = "本行应当建立健全内部控制制度，明确各岗位职责。" * 80
        vectors, reasons = embed_all(client, [(b"page", page), (b"short", "内部控制制度")])
        assert not reasons
        assert client.usage.averaged == 1
        assert np.linalg.norm(vectors[b"page"]) == pytest.approx(1, abs=1e-5)

    def test_a_page_longer_than_the_context_can_be_rejected(self, connect: Connect, cpu_embedding_url: str) -> None:
        client = connect(cpu_embedding_url)
        [result] = client.embed([(b"page", "word " * 600)], average_long_texts=False)
        assert isinstance(result, RejectedText)
        assert re.fullmatch(r"The text has 60\d tokens and the model takes 512; make it shorter\.", result.reason)
