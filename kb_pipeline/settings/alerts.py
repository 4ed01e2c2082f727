"""Whom to tell when something needs a person."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from kb_pipeline.settings.base import Frozen

AlertKind = Literal["documents", "deletions", "checks", "runs"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
AlertFormat = Literal["json", "slack", "feishu", "dingtalk", "wecom"]


class AlertSettings(Frozen):
    """A webhook that hears of documents that failed, deletions that are held, and checks and runs that failed."""

    webhook_url: SecretStr | None = Field(None, description="Where messages go, by POST; empty: nowhere.")
    format: AlertFormat = Field("json", description="What the receiver understands.")
    kinds: tuple[AlertKind, ...] = Field(ALERT_KINDS, description="What messages are about.")
    every_minutes: int = Field(30, ge=1, le=10_080, description="The shortest time between two messages.")
    page_url: str | None = Field(None, description="Where people open the search page; it stands in messages.")
    dagster_url: str | None = Field(None, description="Where people open Dagster; it stands in messages.")

    @field_validator("webhook_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web_address(value.get_secret_value()):
            raise ValueError("it is no address that begins with https:// or http:// and a host")
        return value

    @field_validator("page_url", "dagster_url")
    @classmethod
    def _is_a_link(cls, value: str | None) -> str | None:
        if value is not None and not _is_web_address(value):
            raise ValueError("it is no address that begins with https:// or http:// and a host")
        return value


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False
