"""The knowledge base as a retriever of LlamaIndex. Needs the extra `llamaindex`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from kb_pipeline.adapters.http import DEFAULT_URL, Passage, SearchCall

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a language model reads before the text; the rest of the citation is for programs.
FOR_MODELS = ("source_file", "page_number", "section_title")


class KnowledgeBaseRetriever(BaseRetriever):
    """Passages for a question as nodes with scores, whose metadata says where each stands.

    The options are those of `SearchCall`. Raises `kb_pipeline.errors.KbError`, whose message says what to do.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        k: int = 10,
        collections: Sequence[str] = (),
        where: str | None = None,
        mode: str = "hybrid",
        timeout: float = 30.0,
    ) -> None:
        super().__init__()
        self._search_call = SearchCall(url, key, k, collections, where, mode, timeout)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(passage) for passage in self._search_call.search(query_bundle.query_str)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(passage) for passage in await self._search_call.asearch(query_bundle.query_str)]


def _node(passage: Passage) -> NodeWithScore:
    for_programs = [name for name, value in passage.citation.items() if name not in FOR_MODELS or value is None]
    document = RelatedNodeInfo(node_id=str(passage.citation["document_id"]))
    node = TextNode(
        id_=passage.id,
        text=passage.content,
        metadata=dict(passage.citation),
        excluded_llm_metadata_keys=for_programs,
        excluded_embed_metadata_keys=for_programs,
        relationships={NodeRelationship.SOURCE: document},
    )
    return NodeWithScore(node=node, score=passage.citation["score"])
