"""The five assets, one file each: thin skins over `kb_pipeline.stages`."""

from kb_pipeline.defs.assets.chunks import chunks
from kb_pipeline.defs.assets.cleaned_elements import cleaned_elements
from kb_pipeline.defs.assets.embeddings import embeddings
from kb_pipeline.defs.assets.knowledge_chunks import knowledge_chunks
from kb_pipeline.defs.assets.raw_documents import ScanConfig, raw_documents

__all__ = [
    "ScanConfig",
    "chunks",
    "cleaned_elements",
    "embeddings",
    "knowledge_chunks",
    "raw_documents",
]
