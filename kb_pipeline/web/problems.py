"""What the search server answers when it cannot do what was asked: problem details (RFC 9457) of one sentence."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from kb_pipeline.errors import Forbidden, KbError, SettingsError, Unauthenticated, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"
STATUSES: dict[type[KbError], int] = {
    SettingsError: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    UnavailableError: 503,
}
HUNG_UP = 499  # what nginx calls it; nobody reads this answer

NOWHERE = "There is nothing at this address; /v1/openapi.json lists what there is, and / is the page for people."
OTHER_METHOD = "This address does not take that method; /v1/openapi.json lists those it takes."

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """`detail`: one sentence that says what to do. `message`: the same, where OpenAI's client looks for it.
    `request_id`: what the server's log calls this request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    message: str
    request_id: str


# What a route declares of every answer that is none of its own.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What was wrong, and what to do.",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's description: answers of these statuses that its callers have to expect."""
    return {status: RESPONSES["default"] | {"description": HTTPStatus(status).phrase} for status in statuses}


def problem(scope: Scope, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    title = "Client Closed Request" if status == HUNG_UP else HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=sentence, message=sentence, request_id=request_id(scope))
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def request_id(scope: Scope) -> str:
    """As the guard gave it."""
    return str(scope["state"]["request_id"])


async def kb_error(request: Request, cause: Exception) -> Response:
    status = next((status for kind, status in STATUSES.items() if isinstance(cause, kind)), 500)
    headers = {"www-authenticate": "Bearer"} if isinstance(cause, Unauthenticated) else None
    return problem(request.scope, status, str(cause), headers)


async def database_error(request: Request, cause: Exception) -> Response:
    # The message of a database error may quote the query.
    _log.error(
        "The database refused request %s: %s, SQLSTATE %s",
        request_id(request.scope),
        type(cause).__name__,
        getattr(cause, "sqlstate", None),
    )
    return problem(
        request.scope, 500, "The database refused the request; run `kb doctor` and `kb audit` to find out why."
    )


async def http_error(request: Request, cause: Exception) -> Response:
    assert isinstance(cause, HTTPException)  # noqa: S101 - registered for nothing else
    is_routing = cause.detail == HTTPStatus(cause.status_code).phrase
    sentence = {404: NOWHERE, 405: OTHER_METHOD}.get(cause.status_code) if is_routing else None
    headers = cause.headers
    if cause.status_code == 405:  # a router names the methods of one route, and an address may have several
        headers = {"allow": ", ".join(sorted(_methods_at(request)))}
    return problem(request.scope, cause.status_code, sentence or cause.detail, headers)


def _methods_at(request: Request) -> set[str]:
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in route.methods}


async def wrong_request(request: Request, cause: Exception) -> Response:
    assert isinstance(cause, RequestValidationError)  # noqa: S101 - registered for nothing else
    return problem(request.scope, 400, _sentence(cause.errors()[0]))


async def hung_up(request: Request, _cause: Exception) -> Response:
    """Nobody reads this answer, and it is nothing to complain about."""
    return problem(request.scope, HUNG_UP, "The client hung up.")


async def unexpected(request: Request, _cause: Exception) -> Response:
    """Starlette logs what it was."""
    return problem(request.scope, 500, "The server failed; its log says why, under the id of this request.")


def _sentence(error: Mapping[str, Any]) -> str:
    """The first thing that pydantic found wrong; repeats names of fields and no value."""
    where, *names = error["loc"]
    if error["type"] == "json_invalid" or not names:
        return "The body is not a JSON object; send one as /v1/openapi.json describes."
    path = ".".join(str(name) for name in names)[:60]
    if error["type"] == "extra_forbidden":
        return f"There is no field {path}; /v1/openapi.json lists those there are."
    if error["type"] == "missing":
        return f"The field {path} is missing; send it in the {where}."
    what = str(error["msg"]).rstrip(".")
    return f"The field {path} is wrong: {what[:1].lower()}{what[1:]}."
