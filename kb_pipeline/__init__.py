"""A company's documents as a searchable vector knowledge base in its own PostgreSQL.

    from kb_pipeline import KnowledgeBase

    with KnowledgeBase() as kb:
        kb.ingest("documents")
        for hit in kb.search("How long is the notice period?").hits:
            print(hit.source_file, hit.content)

`KnowledgeBase` is the whole product as an object; `build_defs` and `KnowledgeBaseComponent` put it into a Dagster
project. See docs/library.md. Importing this package loads none of them: each is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kb_pipeline.defs.build import build_defs
    from kb_pipeline.defs.component import KnowledgeBaseComponent
    from kb_pipeline.library import KnowledgeBase

__all__ = ["KnowledgeBase", "KnowledgeBaseComponent", "build_defs"]

_HOMES = {
    "KnowledgeBase": "kb_pipeline.library",
    "KnowledgeBaseComponent": "kb_pipeline.defs.component",
    "build_defs": "kb_pipeline.defs.build",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
