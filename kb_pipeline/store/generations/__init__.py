"""Generations: the serving tables, and which one is live.

A *generation* is one serving table with its model, dimension and query instructions. Exactly one is
*active*: the view `knowledge_chunks` shows it. A generation is *building* until it becomes active: the first one
when it holds documents, so that they are searchable while more come in, a later one when it holds every document
that has chunks. The one before the active one is *retired* and stays for rollback.

The face of its files:

    generation  what one is, and which there are
    life        making, activating and dropping
    swap        documents in and out of a serving table
    index       the vector index
    statistics  what the ranking by words counts
"""

from kb_pipeline.store.generations.generation import (
    WIDEST_DEFAULT,
    Generation,
    GenerationKey,
    active_generation,
    active_generations,
    generations,
    named_generation,
    serves_nothing,
    summaries,
    working_targets,
)
from kb_pipeline.store.generations.index import (
    ensure_search_indexes,
    ensure_vector_index,
    has_vector_index,
    index_memory,
)
from kb_pipeline.store.generations.life import (
    activate,
    activate_first,
    behind,
    build_lock,
    drop,
    ensure_generation,
    hand_back,
    is_shared,
    last_retired,
    retire,
    set_adapter,
)
from kb_pipeline.store.generations.statistics import refresh_statistics, refresh_words
from kb_pipeline.store.generations.swap import (
    Swap,
    holds_unserved,
    load_documents,
    note_loaded,
    release,
    swap_beside,
    swap_documents,
)

__all__ = [
    "WIDEST_DEFAULT",
    "Generation",
    "GenerationKey",
    "Swap",
    "activate",
    "activate_first",
    "active_generation",
    "active_generations",
    "behind",
    "build_lock",
    "drop",
    "ensure_generation",
    "ensure_search_indexes",
    "ensure_vector_index",
    "generations",
    "hand_back",
    "has_vector_index",
    "holds_unserved",
    "index_memory",
    "is_shared",
    "last_retired",
    "load_documents",
    "named_generation",
    "note_loaded",
    "refresh_statistics",
    "refresh_words",
    "release",
    "retire",
    "serves_nothing",
    "set_adapter",
    "summaries",
    "swap_beside",
    "swap_documents",
    "working_targets",
]
