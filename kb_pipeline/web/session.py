"""`/session`: signing in to the page with a key, signing out, and who one is.

The cookie is the key itself: it is worth as much, ends with it, and the server remembers nothing. No script can read
it, and no other site can have it sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kb_pipeline.access.principal import RIGHTS
from kb_pipeline.errors import SettingsError
from kb_pipeline.web.admission import COOKIE
from kb_pipeline.web.bodies import json_body

if TYPE_CHECKING:
    from starlette.requests import Request

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.web.admission import Gate


class _SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str


def session_routes(gate: Gate) -> list[Route]:
    async def who(request: Request) -> Response:
        return JSONResponse(_described(await gate.principal(request)))

    async def sign_in(request: Request) -> Response:
        body = await json_body(request)
        try:
            key = _SignIn.model_validate_json(body).key.strip()
        except ValidationError:
            raise SettingsError('The body is not {"key": "kb_…"}; send the key alone.') from None
        answer = JSONResponse(_described(await gate.holder(key)))
        behind_tls = request.headers.get("x-forwarded-proto") == "https"  # whoever lies harms only themselves
        answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=behind_tls)
        return answer

    async def sign_out(_: Request) -> Response:
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/session", who, methods=["GET"]),
        Route("/session", sign_in, methods=["POST"]),
        Route("/session", sign_out, methods=["DELETE"]),
    ]


def _described(principal: Principal) -> dict[str, object]:
    return {
        "principal": principal.name,
        "groups": principal.groups,
        "collections": principal.collections,
        "rights": [right for right in RIGHTS if right in principal.rights],
    }
