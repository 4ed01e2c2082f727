"""Replays what a live SGLang 0.5.5 was asked, and compares the answers of the CPU server.

The model differs, so token counts, context lengths and the vectors themselves are compared by pattern.
Deliberate differences of our server, each checked here:

* `encoding_format: base64` is honoured, as newer versions of SGLang do; 0.5.5 sends numbers. What is neither is
  refused, as by 0.5.20.
* What tells about the model tells more, as newer versions do: routers take its name from there.
* `/model_info` exists beside `/get_model_info`, as in newer versions.
* `/metrics` always answers, with figures of our own; SGLang only with `--enable-metrics`.
* Validation errors give type, place and message, and neither the input, which may be a document, nor
  the server's source path; the list of accepted forms has no images.
* `owned_by` says kb_pipeline; responses have no `vary` header, since there is no CORS.
* `/health` says at once whether the queue works, instead of running a probe.
"""

from __future__ import annotations

import json
import math
import re
import socket
import threading
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import uvicorn

from kb_pipeline.embedding.adapters import Adapters
from kb_pipeline.embedding.answers import Service
from kb_pipeline.embedding.batch_queue import BatchQueue
from kb_pipeline.embedding.bundled.encoder import BundledEncoder
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL
from kb_pipeline.embedding.server import create_app
from kb_pipeline.embedding.truncation import to_dimension

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parents[2] / "data" / "sglang"
RECORDED_NAME = "tiny/m"
OUR_DIMENSION = 384

# The recordings hold the first 300 characters of a request.
TOO_LONG = "word " * 1800
LONG_BODIES = {
    "too long": json.dumps({"model": "m", "input": TOO_LONG}),
    "one too long among good": json.dumps({"model": "m", "input": ["good", TOO_LONG]}),
    "batch of 256": json.dumps({"model": "m", "input": [f"text number {number}" for number in range(256)]}),
}

Recording = dict[str, Any]


def recordings(name: str) -> list[Any]:
    found: list[Recording] = json.loads((RECORDINGS / f"0.5.5-{name}.json").read_text())
    return [pytest.param(recording, id=recording["name"]) for recording in found]


class Matryoshka(BundledEncoder):
    """The model in the box, as if it had been trained to be cut."""

    is_matryoshka = True


@pytest.fixture(scope="module")
def configured_url() -> Iterator[str]:
    """As the recorded one was: a key, a served name, a queue of 2, and a model that allows `dimensions`."""
    encoder = Matryoshka(workers=1)
    queue = BatchQueue(encoder.encode, encoder.dimension, max_queued_texts=2, batch_tokens=1, workers=1)
    adapters = Adapters(encoder, lambda _: queue)
    app = create_app(Service("Qwen3-Embedding-4B", encoder, queue, adapters), api_key="secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("recording", recordings("default"))
def test_answers_as_sglang_does(cpu_embedding_url: str, recording: Recording) -> None:
    compare(replay(cpu_embedding_url.removesuffix("/v1"), recording), recording, served_name=DEFAULT_CPU_MODEL)


@pytest.mark.parametrize("recording", recordings("configured"))
def test_answers_as_a_configured_sglang_does(configured_url: str, recording: Recording) -> None:
    compare(replay(configured_url, recording), recording, served_name="Qwen3-Embedding-4B")


@pytest.mark.parametrize("dimension", [32, 200, 384])
def test_its_own_dimensions_are_what_the_client_cuts_from_the_whole(configured_url: str, dimension: int) -> None:
    def ask(**fields: int) -> np.ndarray:
        body = {"model": "m", "input": "员工每年享有十五天带薪年假。"} | fields
        headers = {"authorization": "Bearer secret"}
        answer = httpx.post(f"{configured_url}/v1/embeddings", json=body, headers=headers, timeout=60)
        return as_vector(answer.json()["data"][0]["embedding"])

    np.testing.assert_allclose(to_dimension(ask()[np.newaxis], dimension)[0], ask(dimensions=dimension), atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"encoding_format": "hex"}, 400),
        ({"encoding_format": None}, 400),
        ({"dimensions": "32"}, 200),
        ({"dimensions": 32.0}, 200),
        ({"dimensions": True}, 200),
        ({"dimensions": 3.5}, 400),
        ({"model": 3}, 400),
        ({"model": "m:adapter"}, 400),
    ],
)
def test_takes_what_sglang_0_5_20_takes(configured_url: str, fields: dict[str, Any], status: int) -> None:
    body = {"model": "m", "input": "hello"} | fields
    headers = {"authorization": "Bearer secret"}
    answer = httpx.post(f"{configured_url}/v1/embeddings", json=body, headers=headers, timeout=60)
    assert answer.status_code == status
    if status == 200:
        assert len(as_vector(answer.json()["data"][0]["embedding"])) == int(fields["dimensions"])


@pytest.mark.parametrize("path", ["/model_info", "/get_model_info", "/server_info", "/get_server_info"])
def test_a_router_finds_the_name_of_the_model(configured_url: str, path: str) -> None:
    answer = httpx.get(configured_url + path, headers={"authorization": "Bearer secret"}, timeout=60)
    assert answer.json()["served_model_name"] == "Qwen3-Embedding-4B"


def replay(root: str, recording: Recording) -> httpx.Response:
    request = recording["request"]
    body = LONG_BODIES.get(recording["name"], request["body"])
    return httpx.request(
        request["method"],
        root + request["path"],
        headers=request["headers"],
        content=None if body is None else body.encode(),
        timeout=60,
    )


def compare(answer: httpx.Response, recording: Recording, *, served_name: str) -> None:
    name, theirs = recording["name"], recording["body"]
    if name == "/model_info":
        assert answer.status_code == 200
        assert answer.json()["model_path"] == served_name
        return
    if name == "/get_model_info":
        assert shape(answer.json()).items() >= shape(theirs).items()
        return
    if name == "bad encoding format":
        assert answer.status_code == 400
        assert "'float' or 'base64'" in answer.json()["message"]
        return
    if name == "/metrics":
        assert answer.status_code == 200
        assert "# TYPE kb_embedding_texts_total counter" in answer.text
        return
    assert answer.status_code == recording["status"]
    assert answer.headers.get("content-type") == recording["headers"].get("content-type")
    assert answer.headers.get("allow") == recording["headers"].get("allow")
    if not theirs:
        assert answer.content == b""
        return
    ours = answer.json()
    assert shape(ours) == shape(theirs)
    if "message" in theirs:
        assert expected_message(theirs["message"], served_name).fullmatch(ours["message"]), ours["message"]
        assert {key: ours[key] for key in ("object", "type", "param", "code")} == {
            key: theirs[key] for key in ("object", "type", "param", "code")
        }
    elif theirs.get("object") == "list" and name == "/v1/models":
        card = ours["data"][0]
        assert card["id"] == card["root"] == served_name
        assert card["max_model_len"] == 512
    elif "data" in theirs:
        compare_vectors(ours, recording, served_name=served_name)
    else:
        assert ours == theirs


def compare_vectors(ours: dict[str, Any], recording: Recording, *, served_name: str) -> None:
    asked = json.loads(LONG_BODIES.get(recording["name"], recording["request"]["body"]))
    dimension = asked.get("dimensions") or OUR_DIMENSION
    assert ours["model"] == served_name
    asked_for = asked["input"] if isinstance(asked["input"], list) and not isinstance(asked["input"][0], int) else [0]
    assert [item["index"] for item in ours["data"]] == list(range(len(asked_for)))
    for item in ours["data"]:
        assert item["object"] == "embedding"
        vector = as_vector(item["embedding"])
        assert isinstance(item["embedding"], str) == (asked.get("encoding_format") == "base64")
        assert len(vector) == dimension
        assert math.isclose(float(np.linalg.norm(vector)), 1.0, abs_tol=1e-5)
    assert ours["usage"]["prompt_tokens"] == ours["usage"]["total_tokens"] > 0


def as_vector(embedding: str | list[float]) -> np.ndarray:
    if isinstance(embedding, str):
        return np.frombuffer(b64decode(embedding), dtype="<f4")
    return np.array(embedding, dtype=np.float32)


def shape(body: Any) -> Any:
    """The keys and types of a body; a vector is a vector however it is written, and null matches anything."""
    if isinstance(body, dict):
        return {
            key: "vector" if key == "embedding" else "scalar" if not isinstance(value, dict | list) else shape(value)
            for key, value in body.items()
        }
    if isinstance(body, list):
        return shape(body[0])
    return "scalar"


def expected_message(theirs: str, served_name: str) -> re.Pattern[str]:
    """Their message, with our model's numbers allowed and without what we leave out on purpose."""
    lines = theirs.split("\n\n", maxsplit=1)[0].splitlines()
    lines = [re.sub(r", 'input': .*?(?=}$|, 'ctx')|, 'ctx': .*(?=}$)", "", line) for line in lines]
    if lines[0].startswith("5 validation errors"):
        lines = ["4 validation errors:"] + [line for line in lines[1:] if "Multimodal" not in line]
    if "content-type" in theirs:
        return re.compile(r".*Unsupported Media Type: Only 'application/json' is allowed.*", re.DOTALL)
    pattern = re.escape("\n".join(lines))
    pattern = re.sub(r"\d+\\ tokens", r"\\d+\\ tokens", pattern)
    pattern = re.sub(r"'body', \d+|'body',\\ \d+", r"'body',\\ \\d+", pattern)
    pattern = pattern.replace("embedding\\ dimension:\\ 64", f"embedding\\ dimension:\\ {OUR_DIMENSION}")
    return re.compile(pattern.replace(re.escape(RECORDED_NAME), re.escape(served_name)))
