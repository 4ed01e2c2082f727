"""The search page, at `/`."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.admission import Gate


def _inline_hash(page: str, element: str) -> str:
    """The CSP source of the one inline `element` of `page`."""
    (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


_PAGE = resources.files("kb_pipeline.web").joinpath("static", "search.html").read_text(encoding="utf-8")
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_inline_hash(_PAGE, 'script')}; style-src {_inline_hash(_PAGE, 'style')}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_routes(gate: Gate) -> APIRouter:
    router = gate.router(None, prefix="")

    @router.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def page() -> Response:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _CONTENT_SECURITY_POLICY})

    return router
