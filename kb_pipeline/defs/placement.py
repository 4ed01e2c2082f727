"""Where in a Dagster project a knowledge base stands.

A *placement* is the prefix of its asset keys and of the names of its jobs, schedules, sensor and resource, its group,
its owners and its time zone. Two knowledge bases with different prefixes, or one beside a team's own assets, can so be
merged into one `dg.Definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_pipeline.defs.partitions import shard_partitions
from kb_pipeline.operations.jobs import RE_EMBED, REFRESH
from kb_pipeline.settings import ScheduleSettings, Settings, load_settings

if TYPE_CHECKING:
    from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource

GROUP = "knowledge_base"
RESOURCE = "knowledge_base"
RAW_DOCUMENTS = "raw_documents"
CLEANED_ELEMENTS = "cleaned_elements"
CHUNKS = "chunks"
EMBEDDINGS = "embeddings"
KNOWLEDGE_CHUNKS = "knowledge_chunks"
ASSETS = (RAW_DOCUMENTS, CLEANED_ELEMENTS, CHUNKS, EMBEDDINGS, KNOWLEDGE_CHUNKS)


@dataclass(frozen=True)
class Placement:
    """`read_settings` is asked anew by each step and each tick: an edit of kb.toml counts from the next one on."""

    read_settings: Callable[[], Settings]
    shards: dg.StaticPartitionsDefinition
    schedules: ScheduleSettings
    search_port: int
    key_prefix: tuple[str, ...]
    group: str
    owners: tuple[str, ...]
    timezone: str

    @property
    def shard_names(self) -> Sequence[str]:
        return self.shards.get_partition_keys()

    @property
    def resource_key(self) -> str:
        return self.name(RESOURCE)

    @property
    def quality_group(self) -> str:
        """Apart: what a small site has no need of stays out of the picture of what it has."""
        return f"{self.group}_quality"

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([*self.key_prefix, asset])

    def name(self, name: str) -> str:
        """`name` of a job, schedule, sensor or resource, behind the prefix."""
        return "_".join([*self.key_prefix, name])

    def resource(self, resources: Any) -> KnowledgeBaseResource:
        """This knowledge base's resource among those of a step or a tick."""
        found: KnowledgeBaseResource = getattr(resources, self.resource_key)
        return found

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run is of this knowledge base alone; a project may have others."""
        if run.job_name in (self.name(REFRESH), self.name(RE_EMBED)):
            return True
        return bool(run.asset_selection) and set(run.asset_selection or ()) <= {self.key(asset) for asset in ASSETS}


def place(
    settings: Settings | None,
    *,
    key_prefix: str | Sequence[str],
    group: str,
    owners: Sequence[str] | None,
    execution_timezone: str | None,
) -> Placement:
    """Without `settings` they are read from where they are written, now and at each step."""
    now = settings or load_settings()
    return Placement(
        read_settings=load_settings if settings is None else lambda: settings,
        shards=shard_partitions(now.shard_digits),
        schedules=now.schedules,
        search_port=now.search_port,
        key_prefix=(key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix),
        group=group,
        owners=now.owners if owners is None else tuple(owners),
        timezone=execution_timezone or now.timezone,
    )
