"""`/v1/feedback`: what people say about hits and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from kb_pipeline.search.request import MOST_K
from kb_pipeline.store.feedback import Judgment, Reason
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import LARGEST_ID, NamedPassage

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.web.feedback import FeedbackWriter

SESSION = "^[0-9A-Za-z_-]{0,64}$"
NO_HIT = "You made no such search, or it has no hit of this rank; send what /v1/search gave."


class Said(BaseModel):
    """A judgment on a hit, or with rank 0 on the answer as a whole."""

    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: int = Field(ge=1, le=LARGEST_ID, description="That of the search's answer.")
    rank: int = Field(0, ge=0, le=MOST_K)
    helpful: bool
    reason: Reason | None = None
    right_passage: NamedPassage | None = Field(None, description="What would have been right.")
    session: str = Field("", pattern=SESSION, description="Tells apart the people whom one key serves.")


def feedback_routes(gate: Gate, writer: FeedbackWriter) -> APIRouter:
    router = gate.router("feedback")

    @router.post("/feedback", status_code=204)
    async def say(said: Said, principal: Asking) -> None:
        """Say whether a hit helped. 204 once it is committed; saying it again changes nothing."""
        right_passage = said.right_passage.model_dump() if said.right_passage else None
        voter = _voter(principal, said.session)
        judgment = Judgment(said.event_id, said.rank, principal.name, voter, said.helpful, said.reason, right_passage)
        if not await asyncio.wrap_future(writer.submit(judgment)):
            raise HTTPException(404, NO_HIT)

    @router.delete("/feedback/{event_id}/{rank}", status_code=204)
    async def take_back(
        event_id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
        rank: Annotated[int, Path(ge=0, le=MOST_K)],
        principal: Asking,
        session: Annotated[str, Query(pattern=SESSION)] = "",
    ) -> None:
        """Take back what was said, if anything was."""
        judgment = Judgment(event_id, rank, principal.name, _voter(principal, session))
        await asyncio.wrap_future(writer.submit(judgment, withdrawn=True))

    return router


def _voter(principal: Principal, session: str) -> str:
    """A program with one key may serve many people, and tell them apart by sessions."""
    return f"{principal.name}/{session}" if session else principal.name
