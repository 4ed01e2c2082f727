"""Answering a question of a site, by the chat server that its settings name."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from kb_pipeline.answers.answering import Answer, cited
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.search import mask_query, search
from kb_pipeline.site import configured_answerer
from kb_pipeline.store import answers as store
from kb_pipeline.store.database import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.answers.sentences import Sentence
    from kb_pipeline.search.request import SearchRequest
    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.site import Site

OFF = "There are no answers here; set url of [answers] (KB_ANSWERS__URL) to a chat server, or search for passages."


def answer(site: Site, request: SearchRequest, told: Callable[[Sentence], None]) -> tuple[SearchResult, Answer]:
    """What was found, and the answer out of it, of which `told` is given each sentence as soon as it is written.

    Raises SettingsError, also where the site has no chat server, and what a search raises.
    """
    answerer = configured_answerer(site.settings)
    if answerer is None:
        raise SettingsError(OFF)
    found = search(site, request)
    started = time.monotonic()
    whole = anyio.run(_written, answerer, site, request, found, told)
    keep(site.connect(), found, whole, time.monotonic() - started)
    return found, whole


async def _written(
    answerer: Answerer, site: Site, request: SearchRequest, found: SearchResult, told: Callable[[Sentence], None]
) -> Answer:
    async with aclosing(answerer.answer(found, lambda text: mask_query(site, text, request.collections)[0])) as events:
        async for event in events:
            if isinstance(event, Answer):
                return event
            told(event)
    raise AssertionError  # the answer is the last event


def keep(connection: Connection, found: SearchResult, written: Answer, seconds: float) -> None:
    """With the search, where that was logged, and commit. Raises psycopg.Error."""
    if found.event_id is None:
        return
    store.record(
        connection,
        found.event_id,
        state=written.state,
        sentences=cited(written, found),
        dropped=written.dropped,
        note_code=written.note_code,
        model=written.model,
        seconds=seconds,
    )
