"""`/v1/answer`: an answer out of the passages that a search finds, as it is written.

The search is the ordinary one, with the same access and the same log. A stream begins with what it found, so that
whatever becomes of the answer, the passages are there. Answers take long, so they have places of their own; one that
finds none free is the passages alone. A place is free again as soon as its client hangs up, which also hangs up on the
chat server.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import psycopg
from anyio import to_thread
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from kb_pipeline.answers.answering import Answer, Answerer, Event
from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.operations.answers import OFF, keep
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.limits import Places
from kb_pipeline.web.routes.search import SearchAnswer, SearchByBody

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.types import Receive, Scope, Send

    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.web.backend import Backend

MOST_ANSWERS = 16  # that are written at once
BUSY = "The server writes as many answers as it can; ask again in a moment."
STREAM = "text/event-stream"
HEADERS = {"x-accel-buffering": "no"}  # for nginx, which would keep a stream until it ends

_log = logging.getLogger(__name__)


class AnswerAsked(SearchByBody):
    stream: bool = Field(True, description="The answer as it is written; false: all at once.")


class AnswerGiven(SearchAnswer):
    """What a search answers, and the answer. `citations` of a sentence are ranks of hits."""

    answer: Answer


def answer_routes(gate: Gate, backend: Backend, answerer: Answerer | None) -> APIRouter:
    router = gate.router("search")
    places = Places(MOST_ANSWERS)
    described: dict[int | str, dict[str, Any]] = {200: {"content": {STREAM: {"schema": {"type": "string"}}}}}

    @router.post("/answer", response_model=AnswerGiven, responses=described)
    async def give_answer(asked: AnswerAsked, principal: Asking) -> StreamingResponse:
        """An answer out of the best passages for a question, each sentence with those that say it. As a stream: the
        event `search` with what /v1/search answers, then each `sentence`, then the whole `answer`."""
        if answerer is None:
            raise HTTPException(404, OFF)
        wanted = asked.about(asked.query, asked.collections or [])
        threads = backend.waiting if backend.waits_for_others(wanted) else None
        found = await to_thread.run_sync(backend.search, wanted, principal, limiter=threads)
        collections = principal.among(wanted.collections)
        written = _written(backend, answerer, places, found, collections)
        if asked.stream:
            return _Held(_as_events(found, written), media_type=STREAM, headers=HEADERS)
        return _Held(_at_once(found, written), media_type="application/json")

    return router


class _Held(StreamingResponse):
    """Lets go of all that its body holds when it ends, however it ends."""

    def __init__(self, body: AsyncGenerator[str, None], **more: Any) -> None:
        super().__init__(body, **more)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._body):
            await super().__call__(scope, receive, send)


async def _as_events(found: SearchResult, written: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    yield _event("search", SearchAnswer.of(found).model_dump(mode="json"))
    async with aclosing(written):
        async for event in written:
            yield _event("answer" if isinstance(event, Answer) else "sentence", asdict(event))


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _at_once(found: SearchResult, written: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    async with aclosing(written):
        async for event in written:
            if isinstance(event, Answer):
                yield AnswerGiven(**dict(SearchAnswer.of(found)), answer=event).model_dump_json()


async def _written(
    backend: Backend, answerer: Answerer, places: Places, found: SearchResult, collections: tuple[str, ...]
) -> AsyncGenerator[Event, None]:
    """The sentences and the answer, which is kept before it is given."""
    if places.are_taken:
        yield answerer.failed(BUSY, "places")
        return
    started = time.monotonic()
    with places.one():
        async with aclosing(answerer.answer(found, lambda text: backend.mask(text, collections)[0])) as events:
            async for event in events:
                if isinstance(event, Answer):
                    seconds = time.monotonic() - started
                    backend.metrics.answered(event.state, seconds)
                    await to_thread.run_sync(_keep, backend, found, event, seconds)
                yield event


def _keep(backend: Backend, found: SearchResult, answer: Answer, seconds: float) -> None:
    """The answer is given even where it cannot be kept."""
    try:
        with backend.connection() as connection:
            keep(connection, found, answer, seconds)
    except (DatabaseUnavailable, psycopg.Error) as error:  # the message may quote the answer
        _log.error("An answer was not kept: %s, SQLSTATE %s", type(error).__name__, getattr(error, "sqlstate", None))
