"""Building a generation for the model and dimension that the settings describe now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from kb_pipeline.operations.jobs import RE_EMBED, RunJob
from kb_pipeline.site import Site
from kb_pipeline.store import generations


@dataclass(frozen=True, slots=True)
class BuildResult:
    """`generations`: all there are afterwards; `incomplete`: documents that the new one still lacks."""

    generations: list[dict[str, Any]]
    texts_embedded: int
    chunks_written: int
    incomplete: int
    seconds: float


def build(site: Site, *, run: RunJob) -> BuildResult:
    """`run` the re-embedding job over all shards. The new generation becomes the active one once it is complete.

    Raises EmbeddingServerUnavailable; what was committed stays, and the next build goes on from there.
    """
    started = time.monotonic()
    everything = site.scope()
    _, counts = run(site, RE_EMBED, everything.first, everything.last)
    return BuildResult(
        generations=generations.summaries(site.connect()),
        texts_embedded=counts["embeddings"]["texts_embedded"],
        chunks_written=counts["knowledge_chunks"]["chunks_written"],
        incomplete=counts["knowledge_chunks"]["documents_incomplete"],
        seconds=round(time.monotonic() - started, 2),
    )
