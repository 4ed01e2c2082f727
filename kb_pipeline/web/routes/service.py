"""Whether the server answers, what it measures, and the description of its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from kb_pipeline.web.admission import Gate
from kb_pipeline.web.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend


class Health(BaseModel):
    status: str = "ok"


class _Figures(PlainTextResponse):
    media_type = CONTENT_TYPE


def service_routes(gate: Gate, backend: Backend) -> list[APIRouter]:
    open_to_all = gate.router(None, prefix="")
    admin = gate.router("admin", prefix="")

    @open_to_all.get("/healthz")
    async def is_alive() -> Health:
        """The process answers."""
        return Health()

    @open_to_all.get("/readyz")
    async def is_ready() -> Health:
        """Searches can be answered: PostgreSQL is there. 503 while it is not."""
        await run_in_threadpool(backend.check)
        return Health()

    @admin.get("/metrics", response_class=_Figures)
    async def metrics() -> Response:
        """For Prometheus."""
        return _Figures(backend.metrics.text())

    @open_to_all.get("/v1/openapi.json")
    async def describe(request: Request) -> dict[str, Any]:
        """This description."""
        described: dict[str, Any] = request.app.openapi()
        return described

    return [open_to_all, admin]
