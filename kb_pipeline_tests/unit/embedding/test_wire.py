import base64
import json
from typing import Any

import numpy as np
import pytest

from kb_pipeline.embedding.wire import Broken, Vectors, public_url, read_answer


def answer(*vectors: Any, order: list[int] | None = None, **fields: Any) -> bytes:
    data = [
        {"embedding": vector, "index": index}
        for vector, index in zip(vectors, order or range(len(vectors)), strict=True)
    ]
    return json.dumps({"data": data, "model": "m", "usage": {"prompt_tokens": 3}} | fields).encode()


def as_base64(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize("vector", [[3.0, 4.0], as_base64(3.0, 4.0)], ids=["numbers", "base64"])
def test_vectors_come_back_at_length_one(vector: Any) -> None:
    result = read_answer(answer(vector), 1, 2)
    assert isinstance(result, Vectors)
    np.testing.assert_allclose(result.rows, [[0.6, 0.8]], atol=1e-6)
    assert (result.tokens, result.model) == (3, "m")


def test_rows_follow_their_index() -> None:
    result = read_answer(answer([0, 1], [1, 0], order=[1, 0]), 2, 2)
    assert isinstance(result, Vectors)
    assert result.rows.tolist() == [[1, 0], [0, 1]]


def test_zeros_and_nan_are_marked_and_harm_no_other_row() -> None:
    rows = [as_base64(0, 0), as_base64(float("nan"), 1), as_base64(float("inf"), 1), as_base64(0, 2)]
    result = read_answer(answer(*rows), 4, 2)
    assert isinstance(result, Vectors)
    assert result.usable.tolist() == [False, False, False, True]
    assert result.rows[3].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (answer([1, 0]), "1 vectors for 2 texts"),
        (answer([1, 0], [1, 0], order=[0, 0]), "do not belong"),
        (answer([1, 0, 0], [1, 0, 0]), "dimension 3 instead of 2"),
        (answer([1, 0], [1]), "not the embeddings format"),
        (answer(as_base64(1, 0), "%%%"), "not the embeddings format"),
        (answer(as_base64(1, 0, 1), as_base64(1)), "not the embeddings format"),
        (answer([1, 0], [1, 0])[:-9], "not the embeddings format"),
        (b"[]", "not the embeddings format"),
        (b'{"error": "x"}', "not the embeddings format"),
        (b"<html>", "not the embeddings format"),
    ],
)
def test_a_wrong_answer_is_named(content: bytes, reason: str) -> None:
    result = read_answer(content, 2, 2)
    assert isinstance(result, Broken)
    assert reason in result.reason


def test_a_url_is_shown_without_secrets() -> None:
    assert public_url("https://user:pw@host:8443/v1/?key=1") == "https://host:8443/v1"
    assert public_url("http://[::1]:80/v1") == "http://[::1]:80/v1"
