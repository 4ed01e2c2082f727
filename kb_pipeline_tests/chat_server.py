"""A stand-in for a chat server: it speaks OpenAI's `/v1/chat/completions` as a stream, and misbehaves on request.

No language model's weights are in any package, so it *quotes*: it says the sentences of the passages it is given that
share most words with the question, each with its passage's number, or what it is told to say where none does. Protocol,
errors and their bodies are SGLang's.

    with chat_server() as server:
        …[answers] url = server.url
        server.says.append("Leave is 20 days [1].")   # instead of quoting, to the next request
        server.faults.append("500")                   # the next request gets it

Faults: "400", "401", "404", "413", "429", "500", "503" (statuses), "reset" (hangs up at once), "hang" (never answers),
"stall" (begins and falls silent), "cut" (breaks off in the middle of a sentence), "unfinished" (ends in order, but
never says that it is complete), "endless" (never stops), "flood" (a line without an end), "long-error" (an error
without an end), "length" and "content_filter" (reasons for stopping), "html", "whole" (knows no streams), "malformed"
(half a JSON), "odd" (chunks of another shape), "error-event" (fails in the stream), "empty" (says nothing), "chatter"
(comments alone).
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.chunking.sentences import sentences
from kb_pipeline_tests.stand_in_server import StandInServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
MOST_QUOTED = 3
PIECE = 7  # characters of one chunk


def quoted(messages: list[dict[str, str]]) -> str:
    """What it says by itself."""
    asked = messages[-1]["content"]
    question = {term.lexeme for term in query_terms(asked.rpartition("Question:")[2])}
    ranked = []
    for number, content in PASSAGE.findall(asked):
        for sentence in sentences(content, 300):
            shared = len(question & {term.lexeme for term in query_terms(sentence)})
            ranked.append((-shared, " ".join(sentence.split()), int(number)))
    best = [(number, sentence) for shared, sentence, number in sorted(ranked)[:MOST_QUOTED] if shared < 0]
    if not best:
        return "NO_ANSWER"
    return " ".join(f"{sentence} [{number}]" for number, sentence in best)


class ChatServer(StandInServer):
    """`requests`: the bodies that came. `asked`: one came. `left`: a client hung up on an answer that was not over.
    `hold`: chunks wait until it is set."""

    def __init__(self, api_key: str | None) -> None:
        self.api_key = api_key
        self.says: deque[str] = deque()
        self.requests: list[dict[str, Any]] = []
        self.asked = threading.Event()
        self.left = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        super().__init__(_Handler, "/v1")

    def close(self) -> None:
        self.over.set()
        self.hold.set()
        super().close()


def _error(status: int, message: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}


def _chunk(content: str | None, reason: str | None = None) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content, "reasoning_content": None, "tool_calls": None}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason, "matched_stop": None}
    return {
        "id": "0a",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": None,
    }


_ANSWERS = {
    "400": (400, _error(400, "The input (9000 tokens) is longer than the model's context length (8192 tokens).")),
    "401": (401, {"error": "Unauthorized"}),
    "404": (404, _error(404, "The model `m` does not exist.")),
    "413": (413, _error(413, "Too large")),
    "429": (429, _error(429, "Rate limit reached")),
    "500": (500, _error(500, "Internal server error")),
    "503": (503, _error(503, "The request queue is full.")),
    "html": (200, "<html><body>Welcome to nginx!</body></html>"),
    "whole": (200, {"object": "chat.completion", "choices": [{"message": {"content": "Hello."}}]}),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.requests.append(body)
        self.owner.asked.set()
        fault = self.owner.next_fault()
        if self.owner.api_key and self.headers.get("authorization") != f"Bearer {self.owner.api_key}":
            fault = "401"
        if self.path != "/v1/chat/completions":
            fault = "404"
        if fault in _ANSWERS:
            self._reply(*_ANSWERS[fault])
        elif fault in ("reset", "hang"):
            self.close_connection = True
            if fault == "hang":
                self._wait_for_end()
        else:
            try:
                self._stream(body, fault)
            except OSError:  # the client went away
                self.owner.left.set()
                self.close_connection = True

    def _stream(self, body: dict[str, Any], fault: str | None) -> None:
        self.send_response(500 if fault == "long-error" else 200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while fault in ("flood", "long-error") and not self.owner.over.is_set():
            self._send(b"x" * 65536)
        while fault == "chatter" and not self.owner.over.wait(0.01):
            self._send(b": still here\n\n")
        text = self.owner.says.popleft() if self.owner.says else quoted(body["messages"])
        self._event(_chunk(""))
        for number, start in enumerate(range(0, 0 if fault == "empty" else len(text), PIECE)):
            self.owner.hold.wait()
            self._event(_chunk(text[start : start + PIECE]))
            if number == 1 and fault in ("stall", "cut", "malformed", "odd", "error-event"):
                self._break_off(fault)
                return
        while fault == "endless" and not self.owner.over.is_set():
            self._event(_chunk("And so it goes on [1]. "))
        if fault != "unfinished":
            self._event(_chunk(None, fault if fault in ("length", "content_filter") else "stop"))
            self._send(b"data: [DONE]\n\n")
        self._send(b"")

    def _break_off(self, fault: str) -> None:
        if fault == "stall":
            self._wait_for_end()
        elif fault == "malformed":
            self._send(b'data: {"choices": [{"delta": {"content": "half\n\n')
        elif fault == "odd":
            self._event({"choices": [{"text": ["what?"]}]})
        elif fault == "error-event":
            self._event({"error": {"message": "CUDA out of memory", "code": 500}})
        self.close_connection = True

    def _wait_for_end(self) -> None:
        """Until the client hangs up."""
        self.connection.settimeout(0.02)
        while not self.owner.over.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.owner.left.set()

    def _event(self, value: dict[str, Any]) -> None:
        self._send(f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode())

    def _send(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def _reply(self, status: int, value: Any) -> None:
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if isinstance(value, str) else "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def chat_server(*, api_key: str | None = None) -> Iterator[ChatServer]:
    server = ChatServer(api_key)
    try:
        yield server
    finally:
        server.close()
