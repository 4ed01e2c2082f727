"""The tools over the Model Context Protocol, by its official SDK: on stdin and stdout, or one HTTP request at a time.

Nothing imports this module before somebody speaks the protocol: the SDK is an extra, and takes a second to import.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import psycopg
from anyio import CapacityLimiter, sleep_forever, to_thread
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.responses import Response

from kb_pipeline.errors import KbError
from kb_pipeline.web.bodies import JSON
from kb_pipeline.web.tools import TOOLS

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from starlette.requests import Request
    from starlette.types import Message

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.web.backend import Backend

INSTRUCTIONS = (
    "Search the company's documents before answering questions about it, and cite file, page and section of what you "
    "use. Read around a passage with fetch."
)
DATABASE_REFUSED = "The database refused the request; run `kb doctor` and `kb audit` to find out why."

_log = logging.getLogger(__name__)


def server_for(backend: Backend, principal: Principal) -> Server[Any]:
    """Speaks with one principal."""

    async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=_described())

    async def call_tool(_: ServerRequestContext[Any], asked: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(asked.name)
        if tool is None:
            # Not for the model to read: https://modelcontextprotocol.io/specification/2025-11-25/server/tools#error-handling
            raise MCPError(INVALID_PARAMS, f"There is no tool of this name; there are {', '.join(TOOLS)}.")
        threads: CapacityLimiter | None = backend.waiting if tool.name == "search" else None
        try:
            given = await to_thread.run_sync(tool, backend, principal, asked.arguments or {}, limiter=threads)
        except KbError as error:
            return _failed(str(error))
        except psycopg.Error as error:  # the message may quote the query
            _log.error("The database refused %s: %s, SQLSTATE %s", tool.name, type(error).__name__, error.sqlstate)
            return _failed(DATABASE_REFUSED)
        data = given.model_dump(mode="json")
        text = TextContent(text=json.dumps(data, ensure_ascii=False))  # for clients that know no structured content
        return CallToolResult(content=[text], structured_content=data)

    return Server("kb_pipeline", instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


async def speak(backend: Backend, principal: Principal) -> None:
    """On stdin and stdout, until stdin ends. Meanwhile what anything else prints goes to stderr."""
    server = server_for(backend, principal)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def answer(backend: Backend, principal: Principal, request: Request) -> Response:
    """To one message of streamable HTTP, whose body was read already.

    No session outlives it: the right to ask is looked at anew with every message, and any server may answer the next.
    """
    manager = StreamableHTTPSessionManager(
        server_for(backend, principal), stateless=True, json_response=True, max_request_body_size=JSON.largest
    )
    asked: list[Message] = [{"type": "http.request", "body": await request.body(), "more_body": False}]
    said: list[Message] = []

    async def receive() -> Message:
        if not asked:
            await sleep_forever()  # nothing follows the body
        return asked.pop()

    async def send(message: Message) -> None:
        said.append(message)

    async with manager.run():
        await manager.handle_request(request.scope, receive, send)
    start, *rest = said
    response = Response(b"".join(message.get("body", b"") for message in rest), start["status"])
    response.raw_headers = list(start["headers"])
    return response


def _described() -> list[Tool]:
    return [
        Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.takes.model_json_schema(),
            output_schema=tool.gives.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )
        for tool in TOOLS.values()
    ]


def _failed(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=sentence)], is_error=True)
