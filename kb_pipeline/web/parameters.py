"""Types that the parameters of several routes have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kb_pipeline.search.documents import MOST_AT_ONCE

LARGEST_ID = 2**63 - 1  # of PostgreSQL's bigint


class NamedPassage(BaseModel):
    """A passage, as hits name it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    document_id: int = Field(ge=1, le=LARGEST_ID)
    chunk_key: str = Field(pattern="^[0-9a-z]{1,64}$")


Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""No text in PostgreSQL holds NUL."""
Collections = Annotated[list[Text], Query(description="Repeatable; left out: all.")]
DocumentId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="`document_id` of a hit.")]
Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="How many at most.")]
Cursor = Annotated[int, Query(ge=0, le=LARGEST_ID, description="`next_cursor` of the part before.")]
