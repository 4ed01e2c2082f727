"""The CPU embedding server: the OpenAI `/v1/embeddings` protocol, as SGLang speaks it.

    python -m kb_pipeline.embedding.server --host 127.0.0.1 --port 0 --ready-file PATH [--model NAME]

Status codes and error bodies are those of SGLang, so that what works here works there. The ready file
is written, in one step, when the server can answer: `{"url": "http://127.0.0.1:PORT/v1", "pid": …}`.
On SIGTERM the port closes, requests in flight are answered, and the process exits with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import signal
import socket
import sys
from collections import Counter
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kb_pipeline.embedding.adapters import Adapters, adapter_routes
from kb_pipeline.embedding.answers import (
    Service,
    embeddings_body,
    error_answer,
    json_answer,
    metrics,
    model_card,
    model_facts,
)
from kb_pipeline.embedding.batch_queue import BatchQueue, QueueClosed, QueueFull
from kb_pipeline.embedding.call import Refused, check_dimensions, check_tokens, parse_call
from kb_pipeline.embedding.encoder import Encoder, TokenIds, load_encoder
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import KbError, SettingsError
from kb_pipeline.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_QUEUED_TEXTS = 4096
# How long a thread may hold the interpreter while another waits. With torch, a query gives it away and has to get it
# back some hundred times, so that Python's own 5 ms would add up while a large body is read.
SWITCH_SECONDS = 0.0005
STOP_SECONDS = 60  # how long requests in flight may take after SIGTERM
OPEN_PATHS = ("/health", "/metrics")  # answered without a key, so that a probe needs none


# --- handlers ----------------------------------------------------------------------------------


def create_app(service: Service, api_key: str | None = None) -> ASGIApp:
    """The ASGI application. With `api_key`, everything but /health and /metrics needs it as a bearer token."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.queue.close)
        await run_in_threadpool(service.adapters.close)

    endpoints = _Endpoints(service)
    app = Starlette(
        routes=[
            Route("/v1/embeddings", endpoints.embeddings, methods=["POST"]),
            Route("/v1/models", endpoints.models),
            Route("/v1/models/{name:path}", endpoints.model),
            Route("/health", endpoints.health),
            Route("/health_generate", endpoints.health),
            Route("/model_info", endpoints.model_info),
            Route("/get_model_info", endpoints.model_info),
            Route("/server_info", endpoints.server_info),
            Route("/get_server_info", endpoints.server_info),
            *adapter_routes(service.adapters),
            Route("/", endpoints.root),
            Route("/metrics", endpoints.metrics),
        ],
        exception_handlers={
            Refused: _refused,
            ClientDisconnect: _hung_up,
            HTTPException: _not_routed,
            Exception: _broken,
        },
        lifespan=lifespan,
    )
    return _CountStatuses(_RequireKey(app, api_key) if api_key else app, service.statuses)


class _Endpoints:
    """The handlers, one per path."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def embeddings(self, request: Request) -> Response:
        service = self._service
        call = parse_call(request.headers.get("content-type", ""), await request.body())
        check_dimensions(call.dimensions, service.encoder, service.name)
        inputs: Sequence[TokenIds] = call.token_ids
        if call.texts:
            inputs = await run_in_threadpool(service.encoder.tokenize, list(call.texts))
        check_tokens(inputs, service.encoder)
        vectors = await _computed(_queue(service, call.adapter), inputs, request, urgent=call.urgent)
        if call.dimensions is not None:
            vectors = to_dimension(vectors, call.dimensions)
        return json_answer(embeddings_body(vectors, service.name, sum(map(len, inputs)), as_base64=call.base64))

    async def health(self, _request: Request) -> Response:
        return Response(status_code=200 if self._service.queue.alive else 503)

    async def models(self, _request: Request) -> Response:
        return json_answer({"object": "list", "data": [model_card(self._service)]})

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == self._service.name:
            return json_answer(model_card(self._service))
        message = f"The model '{name}' does not exist"
        error = {"message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
        return json_answer({"error": error}, 404)

    async def model_info(self, _request: Request) -> Response:
        return json_answer(model_facts(self._service))

    async def server_info(self, _request: Request) -> Response:
        """Where routers look for the model's name."""
        return json_answer({**model_facts(self._service), "is_embedding": True, "version": version("kb_pipeline")})

    async def root(self, _request: Request) -> Response:
        return PlainTextResponse("kb_pipeline's embedding server is running")

    async def metrics(self, _request: Request) -> Response:
        return PlainTextResponse(metrics(self._service), media_type="text/plain; version=0.0.4")


def _queue(service: Service, adapter: str | None) -> BatchQueue:
    """That of the model, or of the adapter. Raises Refused when it is not loaded."""
    if adapter is None:
        return service.queue
    queue = service.adapters.queue(adapter)
    if queue is None:
        raise Refused(400, f"LoRA adapter '{adapter}' is not loaded; load it with /load_lora_adapter.")
    return queue


async def _refused(_request: Request, error: Exception) -> Response:
    refused = cast("Refused", error)
    return error_answer(refused.status, refused.message, refused.kind)


async def _hung_up(_request: Request, _cause: Exception) -> Response:
    """Nobody reads this answer, but it is counted."""
    return error_answer(499, "Client closed the connection", "ClientClosedRequest")


async def _not_routed(_request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    return json_answer({"detail": http_error.detail}, http_error.status_code, dict(http_error.headers or {}))


async def _broken(_request: Request, _cause: Exception) -> Response:
    return error_answer(500, "Internal server error", "InternalServerError")


async def _computed(
    queue: BatchQueue, inputs: Sequence[TokenIds], request: Request, *, urgent: bool
) -> NDArray[np.float32]:
    """The vectors, or Refused; ClientDisconnect when the client hangs up, which frees its place in the queue."""
    try:
        future = queue.submit(inputs, urgent=urgent)
    except QueueFull:
        raise Refused(503, "The request queue is full.", kind="503") from None
    except QueueClosed:
        raise Refused(503, "The server is shutting down.", kind="503") from None
    result = asyncio.wrap_future(future)
    hung_up = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((result, hung_up), return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientDisconnect
        return result.result()
    finally:
        hung_up.cancel()
        result.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _RequireKey:
    """Answers 401 to requests without the bearer key."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            await json_answer({"error": "Unauthorized"}, 401)(scope, receive, send)


class _CountStatuses:
    """Counts the answers by status code."""

    def __init__(self, app: ASGIApp, statuses: Counter[int]) -> None:
        self._app = app
        self._statuses = statuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._statuses[message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)


# --- the process -------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """Calls `ready` once the port answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    *,
    host: str,
    port: int,
    ready_file: Path | None,
    model: str,
    served_model_name: str | None,
    api_key: str | None,
    max_queued_texts: int,
    threads: int | None,
) -> None:
    """Load the model and answer until SIGTERM or Ctrl-C. Raises SettingsError."""
    sys.setswitchinterval(SWITCH_SECONDS)
    listener = _bind(host, port)  # before the slow part: a port that is taken is said at once
    encoder = load_encoder(model, threads=threads)

    def queue_for(encoder: Encoder) -> BatchQueue:
        return BatchQueue(
            encoder.encode,
            encoder.dimension,
            max_queued_texts=max_queued_texts,
            batch_tokens=encoder.batch_tokens,
            workers=encoder.workers,
        )

    service = Service(served_model_name or model, encoder, queue_for(encoder), Adapters(encoder, queue_for))
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{listener.getsockname()[1]}/v1"

    def ready() -> None:
        sys.stderr.write(f"Serving {service.name} ({encoder.dtype}, {encoder.dimension} dimensions) at {url}\n")
        if ready_file is not None:
            write_atomically(ready_file, json.dumps({"url": url, "pid": os.getpid()}))

    config = uvicorn.Config(
        create_app(service, api_key),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=2048,
    )
    # uvicorn stops on these and then raises them again for whoever handled them before.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: None)
    _Server(config, ready).run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise SettingsError(f"Cannot listen on {host}:{port} ({error.strerror}); choose another port.") from None
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kb_pipeline.embedding.server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, see --ready-file")
    parser.add_argument("--ready-file", type=Path, help="written when the server answers")
    parser.add_argument("--model", default=DEFAULT_CPU_MODEL, help="or folder or name of a sentence-transformers model")
    parser.add_argument("--served-model-name", help="the name that clients see (default: --model)")
    parser.add_argument("--api-key", default=os.environ.get("KB_EMBEDDING_API_KEY"), help="bearer key to require")
    parser.add_argument("--max-queued-requests", type=int, default=MAX_QUEUED_TEXTS, help="texts in the queue")
    parser.add_argument("--threads", type=int, help="default: the cores this process may use")
    options = parser.parse_args(arguments)
    try:
        serve(
            host=options.host,
            port=options.port,
            ready_file=options.ready_file,
            model=options.model,
            served_model_name=options.served_model_name,
            api_key=options.api_key,
            max_queued_texts=options.max_queued_requests,
            threads=options.threads,
        )
    except KbError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
