"""`/feedback`: what people say about hits, many at a time and without holding up a search.

Judgments wait in a bounded queue. One thread with a connection of its own takes all that wait and commits them
together; only then are they acknowledged. While PostgreSQL restarts they wait, and are written once it is back; what
waits too long, or does not fit into the queue, is answered with 503, so that the client sends it again. Sending
something twice changes nothing: a voter has one judgment on a hit.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

import psycopg
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.search.request import MOST_K
from kb_pipeline.store import feedback as store
from kb_pipeline.web.bodies import json_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from starlette.requests import Request

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.feedback import Judgment
    from kb_pipeline.web.admission import Gate

MOST_WAITING = 5_000  # ten seconds at 500 a second
MOST_AT_ONCE = 500  # of one transaction
PATIENCE = 10.0  # seconds that a judgment waits
PAUSE = 0.2  # seconds until PostgreSQL is tried again
SESSION = "^[0-9A-Za-z_-]{0,64}$"
BUSY = "Feedback cannot be stored just now; send it again in a moment."


@dataclass(slots=True)
class _Waiting:
    judgment: Judgment
    withdrawn: bool
    done: Future[bool] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class FeedbackWriter:
    """Writes judgments in groups. `connect`: an idle autocommit connection for the length of a block."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._connect = connect
        self._waiting: deque[_Waiting] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="feedback", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits, or give it up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, judgment: Judgment, *, withdrawn: bool = False) -> Future[bool]:
        """Done once it is committed: whether there is such a hit. Raises DatabaseUnavailable when the queue is full."""
        waiting = _Waiting(judgment, withdrawn)
        waiting.done.set_running_or_notify_cancel()  # it is written even if its client hangs up
        with self._changed:
            if self._closing or len(self._waiting) >= MOST_WAITING:
                raise DatabaseUnavailable(BUSY)
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.done

    def _run(self) -> None:
        while batch := self._next():
            try:
                stored = self._write(batch)
            except (DatabaseUnavailable, psycopg.Error):
                self._put_back(batch)
                continue
            for waiting in batch:
                waiting.done.set_result(waiting.withdrawn or waiting.judgment.key in stored)

    def _next(self) -> list[_Waiting]:
        """All of one kind that wait in a row; empty at the end."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < MOST_AT_ONCE:
                if batch and self._waiting[0].withdrawn != batch[0].withdrawn:
                    break
                batch.append(self._waiting.popleft())
            return batch

    def _write(self, batch: list[_Waiting]) -> set[tuple[int, int, str]]:
        judgments = [waiting.judgment for waiting in batch]
        with self._connect() as connection:
            if batch[0].withdrawn:
                store.withdraw(connection, judgments)
                return set()
            return store.record(connection, judgments)

    def _put_back(self, batch: list[_Waiting]) -> None:
        """In their order, but for those that waited long enough; after a rest."""
        oldest = time.monotonic() - PATIENCE
        with self._changed:
            patient = [waiting for waiting in batch if waiting.since > oldest and not self._closing]
            self._waiting.extendleft(reversed(patient))
        for waiting in batch:
            if waiting not in patient:
                waiting.done.set_exception(DatabaseUnavailable(BUSY))
        time.sleep(PAUSE)


class _Passage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document_id: StrictInt = Field(ge=1, lt=2**63)
    chunk_key: str = Field(pattern="^[0-9a-z]{1,64}$")


class _Said(BaseModel):
    """A judgment as a client writes it."""

    model_config = ConfigDict(extra="forbid")

    event_id: StrictInt = Field(ge=1, lt=2**63)
    rank: StrictInt = Field(0, ge=0, le=MOST_K)
    helpful: StrictBool
    reason: store.Reason | None = None
    right_passage: _Passage | None = None
    session: str = Field("", pattern=SESSION)


def feedback_routes(gate: Gate, writer: FeedbackWriter) -> list[Route]:
    async def say(request: Request, principal: Principal) -> Response:
        body = await json_body(request)
        try:
            said = _Said.model_validate_json(body)
        except ValidationError as error:
            raise _wrong(error) from None
        judgment = store.Judgment(
            said.event_id,
            said.rank,
            principal.name,
            _voter(principal, said.session),
            said.helpful,
            said.reason,
            said.right_passage.model_dump() if said.right_passage else None,
        )
        if not await asyncio.wrap_future(writer.submit(judgment)):
            raise HTTPException(404, "You made no such search, or it has no hit of this rank; send what /search gave.")
        return Response(status_code=204)

    async def take_back(request: Request, principal: Principal) -> Response:
        session = request.query_params.get("session", "")
        if not re.fullmatch(SESSION, session):
            raise SettingsError(f"The field session is wrong; {_REMEDIES['session']}.")
        event_id, rank = request.path_params["event_id"], request.path_params["rank"]
        if event_id >= 2**63 or rank > MOST_K:
            return Response(status_code=204)  # there is nothing to take back
        judgment = store.Judgment(event_id, rank, principal.name, _voter(principal, session))
        await asyncio.wrap_future(writer.submit(judgment, withdrawn=True))
        return Response(status_code=204)

    return [
        Route("/feedback", gate.needs("feedback", say), methods=["POST"]),
        Route("/feedback/{event_id:int}/{rank:int}", gate.needs("feedback", take_back), methods=["DELETE"]),
    ]


def _voter(principal: Principal, session: str) -> str:
    """A program with one key may serve many people, and tell them apart by sessions."""
    return f"{principal.name}/{session}" if session else principal.name


_REMEDIES = {
    "event_id": "send the event_id of the search's answer",
    "rank": f"send the rank of a hit, 1 to {MOST_K}, or leave it out for the answer as a whole",
    "helpful": "send true or false",
    "reason": f"choose of {', '.join(store.REASONS)}, or leave it out",
    "right_passage": "send document_id and chunk_key of a passage, or leave it out",
    "session": "send at most 64 letters, digits, - or _",
}


def _wrong(error: ValidationError) -> SettingsError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if not first["loc"]:
        return SettingsError('The body is not a JSON object; send one such as {"event_id": 1, "helpful": true}.')
    name = str(first["loc"][0])
    if name not in _REMEDIES:
        return SettingsError(f"The field {name[:40]} is unknown; use {', '.join(_REMEDIES)}.")
    return SettingsError(f"The field {name} is wrong; {_REMEDIES[name]}.")
