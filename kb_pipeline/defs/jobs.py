"""The jobs over assets: bring the knowledge base up to date, and re-embed it."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from kb_pipeline.defs.assets.shared import REBUILD_TAG
from kb_pipeline.defs.placement import ASSETS, EMBEDDINGS, KNOWLEDGE_CHUNKS, Placement
from kb_pipeline.operations.jobs import RE_EMBED, REFRESH

AssetJob = UnresolvedAssetJobDefinition  # what define_asset_job returns; it has no public place
SHARDS = (
    "Shards are equal parts of all documents, by the hash of their paths and not by topic: all of them together are "
    "the whole knowledge base, and a run over all of them costs no more than what there is to do."
)


def refresh_job(place: Placement) -> AssetJob:
    return dg.define_asset_job(
        place.name(REFRESH),
        selection=dg.AssetSelection.assets(*map(place.key, ASSETS)),
        # A step process of its own would cost seconds of imports; parsing has its own processes anyway.
        executor_def=dg.in_process_executor,
        description=f"Bring the knowledge base up to date with its sources, as far as the run's shards go. {SHARDS}",
    )


def re_embed_job(place: Placement) -> AssetJob:
    return dg.define_asset_job(
        place.name(RE_EMBED),
        selection=dg.AssetSelection.assets(place.key(EMBEDDINGS), place.key(KNOWLEDGE_CHUNKS)),
        executor_def=dg.in_process_executor,
        # A tag, not config: Dagster drops a partitioned job's config from runs over a range of partitions.
        tags={REBUILD_TAG: "true"},
        description=(
            "Embed whatever has no vector under the configured model, load it, and make that generation the active one "
            f"once it is complete. With an unchanged model and dimension this only fills gaps. {SHARDS}"
        ),
    )
