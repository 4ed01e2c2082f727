"""A knowledge base as a Dagster component, for teams that describe their project in YAML."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from kb_pipeline.defs.build import build_defs
from kb_pipeline.defs.placement import GROUP
from kb_pipeline.settings import load_settings


class KnowledgeBaseComponent(dg.Component, dg.Model, dg.Resolvable):
    """A company's documents as a searchable vector knowledge base in its own PostgreSQL.

    What is not here is read from the environment, .env and kb.toml, like everywhere else.
    """

    sources: list[str] = Field([], description="Folders and URLs such as s3://bucket/prefix.")
    collections: dict[str, dict[str, Any]] = Field({}, description="What single collections do differently.")
    schedules: dict[str, str] = Field({}, description="nightly_sweep and re_embedding, as cron writes it.")
    owners: list[str] | None = Field(None, description="E-mail addresses, or team:NAME.")
    timezone: str | None = Field(None, description="IANA name of the time zone of the schedules.")
    key_prefix: list[str] = Field([], description="Before asset keys and names; one for each knowledge base.")
    group: str = Field(GROUP, description="The assets' group.")
    settings: dict[str, Any] = Field({}, description="Any other setting by its name, such as home or database_url.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's signature
        """Raises SettingsError."""
        given = {
            "sources": [{"uri": uri} for uri in self.sources],
            "collections": self.collections,
            "schedules": self.schedules,
            "owners": self.owners,
            "timezone": self.timezone,
        }
        chosen = {name: value for name, value in given.items() if value}
        return build_defs(load_settings(**chosen, **self.settings), key_prefix=self.key_prefix, group=self.group)
