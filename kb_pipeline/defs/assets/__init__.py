"""The five assets, one file each: thin skins over `kb_pipeline.stages`."""

import dagster as dg

from kb_pipeline.defs.assets import chunks, cleaned_elements, embeddings, knowledge_chunks, raw_documents
from kb_pipeline.defs.placement import Placement


def build_assets(place: Placement) -> list[dg.AssetsDefinition]:
    """In the order in which they follow one another."""
    stages = (raw_documents, cleaned_elements, chunks, embeddings, knowledge_chunks)
    return [stage.build(place) for stage in stages]
