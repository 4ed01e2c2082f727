"""A fake embedding server that answers at once: hash-based vectors, and faults on request.

It speaks the protocol of SGLang (bodies, errors, status codes) over a bare asyncio socket in a process
of its own, so that it is never what a test or benchmark waits for:

    with instant_server(dimension=384) as server:
        EmbeddingClient(server.base_url) …
        server.inject("503", "reset")      # the next two embedding requests get these
        server.kill(); server.start()      # the same port again

Faults: "none", "503" (with Retry-After: 0), "503-slow" (Retry-After: 1), "500", "429", "reset" (before any
answer), "reset-mid-body", "truncated-json", "hang" (never answers), "wrong-count", "shuffled",
"wrong-index", "wrong-dimension", "nan", "zeros", "401", "trickle" (the answer comes a byte at a time, for
hours), "other-model" (as if the server had been restarted with another one). A text that holds the marker
`REJECT_MARKER` is refused with 400 for the whole batch, as SGLang refuses an over-long one; `POISON_MARKER`
gives 500, and `NAN_MARKER` a vector of NaN for that text only.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MODEL_NAME = "instant"
REJECT_MARKER = "⟦reject⟧"
POISON_MARKER = "⟦poison⟧"
NAN_MARKER = "⟦nan⟧"

TRICKLE_SECONDS = 0.05  # between two bytes; below any timeout for a read
SEGMENTS = 16  # a vector is this many prepared pieces, chosen by the bytes of the text's hash
PIECES = 256


@cache
def _pieces(dimension: int) -> tuple[tuple[bytes, ...], ...]:
    """pieces[segment][byte]: float32 bytes; any choice of one per segment has length 1 in all."""
    random = np.random.default_rng(20240101)
    sizes = [len(part) for part in np.array_split(np.arange(dimension), min(SEGMENTS, dimension))]
    table = []
    for size in sizes:
        rows = random.standard_normal((PIECES, size))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True) * math.sqrt(len(sizes))
        table.append(tuple(row.astype(np.float32).tobytes() for row in rows))
    return tuple(table)


def vector_bytes(text: str, dimension: int) -> bytes:
    digest = hashlib.blake2b(text.encode(), digest_size=SEGMENTS).digest()
    return b"".join([pieces[byte] for pieces, byte in zip(_pieces(dimension), digest, strict=False)])


def instant_vector(text: str, dimension: int) -> NDArray[np.float32]:
    """The vector that the server gives `text`: (dimension,), length 1."""
    return np.frombuffer(vector_bytes(text, dimension), dtype=np.float32)


# --- the process that answers ------------------------------------------------------------------


@dataclass(slots=True)
class _State:
    dimension: int
    context_length: int
    model_name: str
    api_key: str | None
    honour_base64: bool
    delay: float
    max_queued: int | None
    owned_by: str = "sglang"
    model_path: str | None = None  # told at /get_model_info, which is not there without
    priorities: dict[int | None, int] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    active: int = 0
    active_requests: int = 0
    most_active_requests: int = 0
    requests: int = 0
    last_request: float = 0.0
    seconds_between_requests: float = 0.0
    texts: int = 0
    statuses: dict[int, int] = field(default_factory=dict)


_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


def _error(status: int, message: str, kind: str) -> tuple[int, bytes]:
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": status}
    return status, orjson.dumps(body)


def _refusal(state: _State, texts: list[str]) -> tuple[int, bytes] | None:
    for index, text in enumerate(texts):
        if not text.strip():
            return _error(400, f"Input at index {index} cannot be empty or whitespace only", "BadRequestError")
        if REJECT_MARKER in text:
            return _error(400, "The text was refused", "BadRequestError")
        if POISON_MARKER in text:
            return _error(500, "Internal server error", "InternalServerError")
        if len(text) > state.context_length:  # one character is one token here
            length = f"{len(text)} tokens) is longer than the model's context length ({state.context_length} tokens"
            return _error(400, f"The input ({length}).", "BadRequestError")
    return None


def _answer(state: _State, texts: list[str], *, as_base64: bool, fault: str | None) -> tuple[int, bytes]:
    refusal = _refusal(state, texts)
    if refusal is not None:
        return refusal
    dimension = state.dimension + 1 if fault == "wrong-dimension" else state.dimension
    rows = [vector_bytes(text, dimension) for text in texts]
    for index, text in enumerate(texts):
        if fault == "nan" or NAN_MARKER in text:
            rows[index] = np.full(dimension, np.nan, dtype=np.float32).tobytes()
        elif fault == "zeros":
            rows[index] = bytes(4 * dimension)
    order = list(range(len(rows)))
    if fault == "wrong-count":
        order.pop()
    if fault == "shuffled":
        order.reverse()
    if as_base64:
        parts = [b'{"embedding":"%b","index":%d,"object":"embedding"}' % (base64.b64encode(rows[i]), i) for i in order]
    else:
        numbers = [np.frombuffer(rows[i], dtype=np.float32) for i in order]
        parts = [
            b'{"embedding":%b,"index":%d,"object":"embedding"}'
            % (orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY), i)
            for row, i in zip(numbers, order, strict=True)
        ]
    if fault == "wrong-index":
        parts = [parts[0]] * len(parts)
    tokens = sum(map(len, texts))
    model = "another" if fault == "other-model" else state.model_name
    tail = orjson.dumps({"model": model, "object": "list", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    body = b'{"data":[' + b",".join(parts) + b"]," + tail[1:]
    return 200, body[: len(body) // 2] if fault == "truncated-json" else body


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length bodies, keep-alive, one request at a time."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(headers.get("content-length", 0))
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        method, path, _ = head[0].split(" ")
        if method == "POST" and path == "/v1/embeddings":
            self._embeddings(headers, body)
        else:
            self._send(*self._other(method, path, body))

    def _other(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        state = self._state
        if path == "/health":
            return 200, b""
        if path == "/v1/models":
            card = {"id": state.model_name, "object": "model", "created": 0, "owned_by": state.owned_by}
            return 200, orjson.dumps({"object": "list", "data": [card | {"max_model_len": state.context_length}]})
        if path == "/get_model_info" and state.model_path is not None:
            return 200, orjson.dumps({"model_path": state.model_path, "is_generation": False})
        if path == "/control" and method == "POST":
            for name, value in orjson.loads(body).items():
                if name == "clear":
                    state.faults.clear()
                elif name == "faults":
                    state.faults.extend(value)
                else:
                    setattr(state, name, value)
            return 200, b"{}"
        if path == "/control":
            seen = ("requests", "texts", "statuses", "most_active_requests", "seconds_between_requests", "priorities")
            report = {name: getattr(state, name) for name in seen} | {"faults_left": len(state.faults)}
            return 200, orjson.dumps(report, option=orjson.OPT_NON_STR_KEYS)
        return 404, b'{"detail":"Not Found"}'

    def _embeddings(self, headers: dict[str, str], body: bytes) -> None:
        state = self._state
        state.requests += 1
        now = time.monotonic()
        state.seconds_between_requests, state.last_request = now - state.last_request, now
        if state.api_key and headers.get("authorization") != f"Bearer {state.api_key}":
            self._send(401, b'{"error":"Unauthorized"}')
            return
        call = orjson.loads(body)
        priority = call.get("priority")
        if priority is not None and state.owned_by != "sglang":
            self._send(*_error(400, "Unrecognized request argument supplied: priority", "invalid_request_error"))
            return
        state.priorities[priority] = state.priorities.get(priority, 0) + 1
        texts = [call["input"]] if isinstance(call["input"], str) else call["input"]
        fault = state.faults.popleft() if state.faults else None
        if state.max_queued is not None and state.active + len(texts) > state.max_queued:
            fault = "503"
        if fault == "hang":
            return
        if fault == "reset":
            self._transport.abort()
            return
        state.active += len(texts)
        state.active_requests += 1
        state.most_active_requests = max(state.most_active_requests, state.active_requests)
        as_base64 = state.honour_base64 and call.get("encoding_format") == "base64"
        if state.delay:
            asyncio.get_running_loop().call_later(state.delay, self._finish, texts, as_base64, fault)
        else:
            self._finish(texts, as_base64, fault)

    def _finish(self, texts: list[str], as_base64: bool, fault: str | None) -> None:
        state = self._state
        state.active -= len(texts)
        state.active_requests -= 1
        if fault == "401":
            self._send(401, b'{"error":"Unauthorized"}')
        elif fault in ("503", "503-slow"):
            status, body = _error(503, "The request queue is full.", "503")
            self._send(status, body, f"retry-after: {int(fault == '503-slow')}\r\n")
        elif fault in ("500", "429"):
            self._send(*_error(int(fault), "Internal server error", "InternalServerError"))
        else:
            status, body = _answer(state, texts, as_base64=as_base64, fault=fault)
            if status == 200:
                state.texts += len(texts)
            if fault == "trickle":
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
                self._trickle(body)
                return
            if fault == "reset-mid-body":
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:20])
                self._transport.abort()
                return
            self._send(status, body)

    def _trickle(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(body[:1])
            asyncio.get_running_loop().call_later(TRICKLE_SECONDS, self._trickle, body[1:])

    def _send(self, status: int, body: bytes, extra: str = "") -> None:
        self._state.statuses[status] = self._state.statuses.get(status, 0) + 1
        reason = _REASONS.get(status, "Error")
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n{extra}"
        head += f"content-length: {len(body)}\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write(head.encode() + body)


async def _serve(state: _State, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopped.set)
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    parent = os.getppid()
    while not stopped.is_set() and os.getppid() == parent:  # a killed test leaves no server behind
        try:
            await asyncio.wait_for(stopped.wait(), timeout=1.0)
        except TimeoutError:
            continue
    server.close()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("settings", help="JSON: port and the fields of the state")
    settings = json.loads(options.parse_args().settings)
    port = settings.pop("port")
    try:
        import uvloop

        run: Any = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(_State(**settings), port))


# --- what tests use ----------------------------------------------------------------------------


class InstantServer:
    """A running server; see the module docstring."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start on the port that it had before, if any."""
        command = [sys.executable, __file__, json.dumps(self._settings | {"port": self._port})]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the instant embedding server did not start")
        self._port = int(line)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def inject(self, *faults: str) -> None:
        """The next embedding requests get these faults, one each, in order."""
        self._control({"faults": faults})

    def clear(self) -> None:
        """Forget the faults that are left."""
        self._control({"clear": True})

    def set(self, **state: Any) -> None:
        """Change `delay` (seconds), `max_queued` (texts), `model_name`, `dimension` while it runs, or `owned_by`:
        only SGLang's protocol knows priorities."""
        self._control(state)

    def seen(self) -> dict[str, Any]:
        """Since the start: `requests texts statuses priorities most_active_requests faults_left`, and
        `seconds_between_requests`, the last two."""
        report: dict[str, Any] = httpx.get(self._control_url, timeout=10, trust_env=False).json()
        return report

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> None:
        """Return once `count` embedding requests have arrived."""
        deadline = time.monotonic() + timeout
        while self.seen()["requests"] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {count} requests within {timeout} s")
            time.sleep(0.002)

    @property
    def _control_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/control"

    def _control(self, message: dict[str, Any]) -> None:
        httpx.post(self._control_url, json=message, timeout=10, trust_env=False).raise_for_status()

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(signum)
        self._process.wait(timeout=10)
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None


@contextmanager
def instant_server(
    dimension: int = 384,
    *,
    context_length: int = 32768,
    model_name: str = MODEL_NAME,
    api_key: str | None = None,
    honour_base64: bool = True,
    delay: float = 0.0,
    max_queued: int | None = None,
    model_path: str | None = None,
) -> Iterator[InstantServer]:
    """Start a server in a process of its own, stop it at the end. `delay` in seconds per request."""
    server = InstantServer(
        dimension=dimension,
        context_length=context_length,
        model_name=model_name,
        api_key=api_key,
        honour_base64=honour_base64,
        delay=delay,
        max_queued=max_queued,
        model_path=model_path,
    )
    try:
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    main()
