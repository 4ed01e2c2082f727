"""`/v1/overview` and `/v1/searches/unanswered`: the corpus and the log of searches, for those who look after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from kb_pipeline.operations.overview import Overview
from kb_pipeline.store.database import Connection, database_errors
from kb_pipeline.store.search_log import Unanswered, unanswered
from kb_pipeline.web.admission import Gate
from kb_pipeline.web.recent import Recent

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend

MOST_SEARCHES = 200


class Searches(BaseModel):
    """`query` is masked."""

    searches: tuple[Unanswered, ...]


def overview_routes(gate: Gate, backend: Backend, overview: Callable[[Connection], Overview]) -> APIRouter:
    """`overview`: of the site that is served."""
    router = gate.router("admin")

    @router.get("/overview")
    async def show_overview() -> Overview:
        """Documents by collection, format and age, what failed and why, what waits, servers; seconds old."""
        return await run_in_threadpool(recent.get)

    @router.get("/searches/unanswered")
    async def list_unanswered(
        limit: Annotated[int, Query(ge=1, le=MOST_SEARCHES, description="How many at most.")] = 50,
    ) -> Searches:
        """Recent searches that found nothing, the newest first, each masked query once."""
        return Searches(searches=tuple(await run_in_threadpool(missed, limit)))

    def looked_over() -> Overview:
        with database_errors(), backend.connection() as connection:
            return overview(connection)

    recent = Recent(looked_over)

    def missed(limit: int) -> list[Unanswered]:
        with database_errors(), backend.connection() as connection:
            return unanswered(connection, limit)

    return router
