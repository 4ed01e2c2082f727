"""What the search server answers when it cannot do what was asked: a status and one sentence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kb_pipeline.errors import Forbidden, KbError, SettingsError, Unauthenticated, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

STATUSES: dict[type[KbError], int] = {
    SettingsError: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    UnavailableError: 503,
}

NOWHERE = "There is nothing at this address; search at /search, or open / in a browser."

_log = logging.getLogger(__name__)


def error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


async def kb_error(_: Request, cause: Exception) -> Response:
    status = next((status for kind, status in STATUSES.items() if isinstance(cause, kind)), 500)
    return error(status, str(cause), {"www-authenticate": "Bearer"} if isinstance(cause, Unauthenticated) else None)


async def database_error(_: Request, cause: Exception) -> Response:
    # The message of a database error may quote the query.
    _log.error("The database refused a search: %s, SQLSTATE %s", type(cause).__name__, getattr(cause, "sqlstate", None))
    return error(500, "The database refused the search; run `kb doctor` and `kb audit` to find out why.")


async def http_error(_: Request, cause: Exception) -> Response:
    assert isinstance(cause, HTTPException)  # noqa: S101 - registered for nothing else
    sentences = {
        404: cause.detail if cause.detail != "Not Found" else NOWHERE,
        405: "This address does not take that method; use GET or POST at /search.",
    }
    return error(cause.status_code, sentences.get(cause.status_code, cause.detail), cause.headers)


async def hung_up(_: Request, _cause: Exception) -> Response:
    """Nobody reads this answer, and it is nothing to complain about."""
    return error(499, "The client hung up.")
