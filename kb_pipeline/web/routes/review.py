"""`/v1/review`: cases of feedback, and what a reviewer makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kb_pipeline.operations.review import Decision, ReviewCase, decide, review_cases
from kb_pipeline.search.request import MOST_CHARACTERS
from kb_pipeline.store.quality.judgments import PassageKey
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import NamedPassage, Text

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend

MOST_CASES = 200
MOST_PASSAGES = 500  # of one decision
NOTHING_TO_DECIDE = (
    "Nobody asked this question, or one of the passages is not there for you to read; load the cases again."
)

Passages = Annotated[list[NamedPassage], Field(max_length=MOST_PASSAGES)]


class Cases(BaseModel):
    cases: tuple[ReviewCase, ...]


class Decided(BaseModel):
    """What a person says of a question and passages; all of it is stored, or nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text = Field(min_length=1, max_length=MOST_CHARACTERS, description="As the case has it.")
    right: Passages = Field([], description="Passages that answer it.")
    wrong: Passages = Field([], description="Passages that do not.")
    undecided: Passages = Field([], description="Passages on which a decision is taken back.")
    closed: bool | None = Field(
        None, description="true: nothing more is to be decided until something new is said; false: open again."
    )

    @model_validator(mode="after")
    def _says_one_thing_of_a_passage(self) -> Decided:
        keys = [(one.document_id, one.chunk_key) for one in (*self.right, *self.wrong, *self.undecided)]
        if len(set(keys)) < len(keys):
            raise ValueError("a passage is named twice")
        return self

    def decision(self) -> Decision:
        right, wrong, undecided = (
            tuple(PassageKey(passage.document_id, passage.chunk_key) for passage in named)
            for named in (self.right, self.wrong, self.undecided)
        )
        return Decision(self.query, right, wrong, undecided, self.closed)


def review_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("review")

    @router.get("/review/cases")
    async def list_cases(
        principal: Asking,
        limit: Annotated[int, Query(ge=1, le=MOST_CASES, description="How many at most.")] = 50,
    ) -> Cases:
        """Questions that found nothing, did not help, or on which people disagree, those of most people first."""
        found = await run_in_threadpool(review_cases, backend.connection, principal, limit)
        return Cases(cases=tuple(found))

    @router.post("/review/decisions", status_code=204)
    async def decide_case(decided: Decided, principal: Asking) -> None:
        """Make judgments, which overrule all votes; evaluation and tuning rest on them."""
        if not await run_in_threadpool(decide, backend.connection, principal, decided.decision()):
            raise HTTPException(404, NOTHING_TO_DECIDE)

    return router
