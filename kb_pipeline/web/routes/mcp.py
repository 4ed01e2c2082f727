"""`/mcp`: the tools over the Model Context Protocol's streamable HTTP. It describes itself; OpenAPI cannot."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kb_pipeline.web.admission import Asking, Gate

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend

NOT_INSTALLED = "This server does not speak MCP yet; install kb_pipeline[mcp] where it runs and start it again."


def mcp_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("search", prefix="")

    @router.post("/mcp", include_in_schema=False)
    async def speak_mcp(request: Request, principal: Asking, _: Annotated[dict[str, Any], Body()]) -> Response:
        """Takes one message; whoever may not read is told so by the tool that needs it."""
        if find_spec("mcp") is None:
            raise HTTPException(404, NOT_INSTALLED)
        protocol = await run_in_threadpool(import_module, "kb_pipeline.web.mcp")  # takes a second, once
        answer: Response = await protocol.answer(backend, principal, request)
        return answer

    return router
