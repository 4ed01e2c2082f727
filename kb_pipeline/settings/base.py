"""What the model of every table of settings has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class EmptyIsUnset(BaseModel):
    """An empty string is the same as nothing, where a setting may be left out: `KB_DATABASE_URL=`."""

    @field_validator("*", mode="before")
    @classmethod
    def _unset(cls, value: Any, info: ValidationInfo) -> Any:
        may_be_left_out = info.field_name is not None and cls.model_fields[info.field_name].default is None
        return None if value == "" and may_be_left_out else value


class Frozen(EmptyIsUnset):
    model_config = ConfigDict(frozen=True, extra="forbid")
