"""When things happen, in which time zone, and how long what nobody needs is kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from kb_pipeline.settings.base import Frozen

LOCALTIME = Path("/etc/localtime")  # a link into the database of time zones


def local_timezone() -> str:
    """The IANA name of this machine's time zone; UTC where it has none."""
    named = os.environ.get("TZ") or str(LOCALTIME.resolve()).partition("zoneinfo/")[2]
    return named if is_timezone(named) else "UTC"


def is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class ScheduleSettings(Frozen):
    """When the schedules tick, as cron writes it, in the site's time zone."""

    nightly_sweep: str = Field("30 2 * * *", description="Scan all sources and finish what earlier runs left.")
    re_embedding: str = Field("0 3 * * 0", description="Embed whatever has no vector under the configured model.")
    evaluation: str = Field("0 5 * * 0", description="Ask the evaluation sets, and mine negatives.")

    @field_validator("*")
    @classmethod
    def _has_five_fields(cls, value: str) -> str:
        if not re.fullmatch(r"([\w*/,-]+\s+){4}[\w*/,-]+", value):
            raise ValueError("a schedule has five fields: minute, hour, day, month and day of the week")
        return value


class RetentionSettings(Frozen):
    """How long what nobody needs any more is kept; the nightly sweep applies it."""

    dagster_days: int = Field(30, ge=1, description="Dagster's runs with their events and output, days.")
    unused_days: int = Field(30, ge=0, description="Elements and vectors of documents that were deleted or changed.")
    searches_days: int = Field(90, ge=0, description="The log of searches.")
    generations_days: int = Field(30, ge=0, description="Retired generations, which are there for a rollback.")
