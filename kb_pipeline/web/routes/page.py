"""The page for people, at `/`: one HTML file, and the modules, styles and icon that it loads from `/static`.

It is written as browsers run it; nothing builds it, and it asks no other server for anything. Its content security
policy allows no inline script or style, and no way to make markup of text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.admission import Gate

FOLDER = Path(__file__).parent.parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}  # whatever this machine calls them
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def page_routes(gate: Gate) -> APIRouter:
    router = gate.router(None, prefix="")
    files = {file.name: file for file in FOLDER.iterdir() if file.suffix in TYPES}

    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
        return FileResponse(FOLDER / "index.html", headers=headers, media_type="text/html")

    @router.get("/static/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise HTTPException(404)
        return FileResponse(file, media_type=TYPES[file.suffix])

    return router
