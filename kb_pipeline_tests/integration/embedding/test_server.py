"""The CPU embedding server as its users see it, beyond the protocol that test_server_conformance replays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from kb_pipeline_tests.embedding_fixtures import cpu_server

if TYPE_CHECKING:
    from pathlib import Path


def embed(base_url: str, texts: Any, **fields: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/embeddings", json={"model": "m", "input": texts} | fields, timeout=120)


def vectors(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array([item["embedding"] for item in answer.json()["data"]], dtype=np.float32)


def test_similar_sentences_get_similar_vectors(cpu_embedding_url: str) -> None:
    rows = vectors(
        embed(cpu_embedding_url, ["The invoice is overdue.", "Payment of the bill is late.", "Penguins swim well."])
    )
    assert rows[0] @ rows[1] > max(rows[0] @ rows[2], rows[1] @ rows[2])


def test_a_text_has_the_same_vector_alone_and_in_a_batch(cpu_embedding_url: str) -> None:
    texts = [" ".join(["word"] * length) for length in (1, 200, 3, 90)]
    together = vectors(embed(cpu_embedding_url, texts))
    alone = np.vstack([vectors(embed(cpu_embedding_url, text)) for text in texts])
    assert np.all(np.einsum("ij,ij->i", together, alone) > 0.999)


def test_requests_at_once_each_get_their_own_vectors(cpu_embedding_url: str) -> None:
    texts = [f"{number} apples and {number + 1} pears" for number in range(24)]
    expected = vectors(embed(cpu_embedding_url, texts))
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda text: vectors(embed(cpu_embedding_url, [text, "pears"])), texts))
    similarity = expected @ np.vstack([answer[0] for answer in answers]).T
    assert np.array_equal(similarity.argmax(axis=1), np.arange(24))


def test_token_ids_give_the_vector_of_the_text(cpu_embedding_url: str) -> None:
    hello_world = [0, 33600, 31, 8999, 2]  # with the special tokens of the default model
    assert (
        vectors(embed(cpu_embedding_url, hello_world))[0] @ vectors(embed(cpu_embedding_url, "hello world"))[0] > 0.999
    )


def test_a_token_outside_the_vocabulary_is_refused(cpu_embedding_url: str) -> None:
    answer = embed(cpu_embedding_url, [99_999_999])
    assert answer.status_code == 400
    assert "vocabulary" in answer.json()["message"]


@pytest.mark.parametrize("fields", [{}, {"priority": 1}], ids=["one text", "priority 1"])
def test_a_search_is_answered_amid_a_long_batch_without_disturbing_it(
    cpu_embedding_url: str, fields: dict[str, int]
) -> None:
    texts = [f"{number} pears " * 80 for number in range(12)]
    query = "How much paid leave is there?" if not fields else ["How much paid leave is there?"] * 2
    alone, few = vectors(embed(cpu_embedding_url, query)), vectors(embed(cpu_embedding_url, texts[:2]))
    with ThreadPoolExecutor(1) as pool:
        indexing = pool.submit(embed, cpu_embedding_url, texts, priority=0)
        wait_until_queued(cpu_embedding_url.removesuffix("/v1"))
        amid = vectors(embed(cpu_embedding_url, query, **fields))
        assert not indexing.done()
        rows = vectors(indexing.result(120))
    assert np.all(np.einsum("ij,ij->i", amid, alone) > 0.999)
    assert np.all(np.einsum("ij,ij->i", rows[:2], few) > 0.999)


def test_a_priority_that_is_no_number_is_refused(cpu_embedding_url: str) -> None:
    answer = embed(cpu_embedding_url, "text", priority="high")
    assert answer.status_code == 400
    assert "priority" in answer.json()["message"]


def test_metrics_count_texts(cpu_embedding_url: str) -> None:
    embed(cpu_embedding_url, ["one", "two"])
    text = httpx.get(cpu_embedding_url.removesuffix("/v1") + "/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(values["kb_embedding_texts_total"]) >= 2
    assert int(values["kb_embedding_padded_tokens_total"]) >= int(values["kb_embedding_tokens_total"]) > 0


def test_a_client_that_is_killed_while_it_sends_is_no_error_of_the_server(tmp_path: Path) -> None:
    with cpu_server(tmp_path / "ready.json") as server:
        url = httpx.URL(server.base_url)
        head = b"POST /v1/embeddings HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
        with socket.create_connection((url.host, url.port)) as client:
            client.sendall(head + b'{"input": "half')
        deadline = time.monotonic() + 30
        while 'requests_total{status="499"} 1' not in httpx.get(f"{server.root}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.process.terminate()
        assert "Traceback" not in server.process.communicate(timeout=30)[1]


def test_sigterm_answers_what_is_in_flight_and_exits_with_0(tmp_path: Path) -> None:
    with cpu_server(tmp_path / "ready.json") as server, ThreadPoolExecutor(1) as pool:
        long = ["a sentence that repeats itself " * 40] * 8
        answer = pool.submit(embed, server.base_url, long)
        wait_until_queued(server.root)
        server.process.send_signal(signal.SIGTERM)
        assert vectors(answer.result(timeout=60)).shape == (8, 384)
        assert server.process.wait(timeout=30) == 0


def wait_until_queued(root: str) -> None:
    while "kb_embedding_queued_texts 0" in httpx.get(f"{root}/metrics").text:
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "/no/such/folder"], "KB_EMBEDDING_MODEL"),
        (["--port", "TAKEN"], "choose another port"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_2(options: list[str], words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "kb_pipeline.embedding.server"]
        command += [port if option == "TAKEN" else option for option in options]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=False
        )
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
