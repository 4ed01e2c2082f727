"""The two jobs: bring the knowledge base up to date, and re-embed it."""

from __future__ import annotations

import dagster as dg

from kb_pipeline.defs import assets
from kb_pipeline.defs.assets.shared import REBUILD_TAG
from kb_pipeline.operations.jobs import RE_EMBED, REFRESH

refresh = dg.define_asset_job(
    REFRESH,
    selection=dg.AssetSelection.assets(
        assets.raw_documents, assets.cleaned_elements, assets.chunks, assets.embeddings, assets.knowledge_chunks
    ),
    # A step process of its own would cost seconds of imports; parsing has its own processes anyway.
    executor_def=dg.in_process_executor,
    description="Bring the knowledge base up to date with its sources, as far as the run's shards go.",
)

re_embed = dg.define_asset_job(
    RE_EMBED,
    selection=dg.AssetSelection.assets(assets.embeddings, assets.knowledge_chunks),
    executor_def=dg.in_process_executor,
    # A tag, not config: Dagster drops a partitioned job's config from runs over a range of partitions.
    tags={REBUILD_TAG: "true"},
    description=(
        "Embed whatever has no vector under the configured model, load it, and make that generation the active one "
        "once it is complete. With an unchanged model and dimension this only fills gaps."
    ),
)
