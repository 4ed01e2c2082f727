"""A reranker for tests and benchmarks: a real scorer behind `/v1/rerank`, and faults on request.

No cross-encoder's weights are in any package, so this is *late interaction of sentences*: a passage scores as its
sentence that is nearest to the question, by the embedding model that comes with the installation. That is weaker than a
cross-encoder, which reads both together, and stronger than chance. Protocol, errors and their bodies are SGLang's
(`shape="cohere"`: the answer is Cohere's and vLLM's):

    with reranking_server() as server:
        Reranker(server.url).scores(…)
        server.faults.append("503")     # the next request gets it

Faults: "reset", "hang" (no answer), "trickle" (a byte at a time), "html", "text", "nan", "wrong-count", "wrong-index",
"strings", "object", "no-template" (what SGLang answers for a Qwen3-Reranker without its chat template),
"401", "404", "500", "503".
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Literal

from kb_pipeline.chunking.sentences import sentences
from kb_pipeline.embedding.encoder import load_encoder
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, profile_for
from kb_pipeline_tests.stand_in_server import StandInServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

LONGEST_SENTENCE = 300  # characters
NO_TEMPLATE = (
    "This model does not appear to be an embedding model by default. Please add `--is-embedding` when launching the "
    "server or try another model."
)


@cache
def _embed() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    encoder = load_encoder(DEFAULT_CPU_MODEL)
    limit = encoder.context_length
    return lambda texts: encoder.encode([ids[:limit] for ids in encoder.tokenize(list(texts))])


def sentence_scores(query: str, documents: Sequence[str]) -> list[float]:
    """The similarity of the question to the nearest sentence of each document."""
    profile = profile_for(DEFAULT_CPU_MODEL)
    question = _embed()([profile.query_text(query, "")])[0]
    scores = []
    for document in documents:
        parts = [part for part in sentences(document, LONGEST_SENTENCE) if part.strip()]
        vectors = _embed()([profile.document_text(part) for part in parts])
        scores.append(float((vectors @ question).max()))
    return scores


def by_length(_query: str, documents: Sequence[str]) -> list[float]:
    """As a server scores that does not understand the question."""
    return [float(len(document)) for document in documents]


class RerankingServer(StandInServer):
    """`requests`: the bodies that came. `shape`: of the answers."""

    def __init__(self, scorer: Any, shape: Literal["sglang", "cohere"], api_key: str | None) -> None:
        self.scorer = scorer
        self.shape = shape
        self.api_key = api_key
        self.requests: list[dict[str, Any]] = []
        super().__init__(_Handler, "/v1")

    def answer(self, body: dict[str, Any], fault: str | None) -> Any:
        documents = body["documents"]
        scores: list[Any] = self.scorer(body["query"], documents)
        ranked = sorted(range(len(documents)), key=lambda index: -scores[index])  # as SGLang sorts them
        if fault == "nan":
            scores[0] = float("nan")
        if fault == "strings":
            scores = [[score] for score in scores]
        if fault == "wrong-count":
            ranked.pop()
        if fault == "wrong-index":
            ranked[0] = ranked[-1]
        if self.shape == "cohere":
            return {"results": [{"index": index, "relevance_score": scores[index]} for index in ranked]}
        return [{"score": scores[index], "index": index, "document": None, "meta_info": None} for index in ranked]


def _error(status: int, message: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}


_ANSWERS = {
    "401": (401, b'{"error": "Unauthorized"}'),
    "404": (404, b'{"detail": "Not Found"}'),
    "500": (500, json.dumps(_error(500, "Internal server error")).encode()),
    "503": (503, json.dumps(_error(503, "The request queue is full.")).encode()),
    "no-template": (400, json.dumps(_error(400, NO_TEMPLATE)).encode()),
    "html": (200, b"<html><body>Welcome to nginx!</body></html>"),
    "text": (200, b'"ready"'),
    "object": (200, b'{"scores": [0.1]}'),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: RerankingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.requests.append(body)
        fault = self.owner.next_fault()
        if self.owner.api_key and self.headers.get("authorization") != f"Bearer {self.owner.api_key}":
            fault = "401"
        if fault in _ANSWERS:
            self.send(*_ANSWERS[fault])
        elif fault in ("reset", "hang"):
            self.close_connection = True
            if fault == "hang":
                self.owner.over.wait()
        elif self.path != "/v1/rerank":
            self.reply(404, {"detail": "Not Found"})
        elif not body["query"].strip() or not all(text.strip() for text in body["documents"]):
            self.reply(400, _error(400, "Each document cannot be empty or whitespace only"))
        else:
            self.reply(200, self.owner.answer(body, fault), trickle=fault == "trickle")

    def reply(self, status: int, value: Any, *, trickle: bool = False) -> None:
        self.send(status, json.dumps(value).encode(), trickle=trickle)

    def send(self, status: int, content: bytes, *, trickle: bool = False) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if not trickle:
            self.wfile.write(content)
            return
        self.close_connection = True
        for byte in content:
            if self.owner.over.wait(0.02):
                return
            try:
                self.wfile.write(bytes([byte]))
            except OSError:  # the client went away
                return


@contextmanager
def reranking_server(
    scorer: Any = sentence_scores, *, shape: Literal["sglang", "cohere"] = "sglang", api_key: str | None = None
) -> Iterator[RerankingServer]:
    """`scorer`: (query, documents) -> a score for each."""
    server = RerankingServer(scorer, shape, api_key)
    try:
        yield server
    finally:
        server.close()
