"""LlamaIndex's own calls of its retriever, against the real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import Unauthenticated

pytest.importorskip("llama_index.core", reason="needs the extra llamaindex")

from llama_index.core.schema import MetadataMode

from kb_pipeline.adapters.llamaindex import KnowledgeBaseRetriever

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.adapters.conftest import Served


@pytest.fixture
def retriever(server: Served) -> KnowledgeBaseRetriever:
    return KnowledgeBaseRetriever(server.url, server.key, collections=["contracts"], mode="lexical")


def test_nodes_carry_their_citations(retriever: KnowledgeBaseRetriever) -> None:
    (found,) = retriever.retrieve("pump")
    metadata = found.node.metadata
    assert (metadata["source_file"], metadata["page_number"]) == ("contract.pdf", 3)
    assert found.score == metadata["score"]
    assert found.node.node_id == f"{metadata['document_id']}/{metadata['chunk_key']}"
    assert found.node.ref_doc_id == str(metadata["document_id"])
    (again,) = asyncio.run(retriever.aretrieve("pump"))
    assert again.node.node_id == found.node.node_id


def test_a_language_model_reads_where_a_passage_stands_and_no_keys(retriever: KnowledgeBaseRetriever) -> None:
    (found,) = retriever.retrieve("pump")
    assert found.node.get_content(MetadataMode.LLM) == (
        "source_file: contract.pdf\npage_number: 3\nsection_title: Delivery\n\n"
        "The supplier delivers the pump within thirty days."
    )
    (found,) = retriever.retrieve("text")  # on no page, in no section
    assert found.node.get_content(MetadataMode.LLM).startswith("source_file: odd.html\n\n")


def test_a_refusal_is_the_knowledge_bases_own(server: Served) -> None:
    with pytest.raises(Unauthenticated):
        KnowledgeBaseRetriever(server.url, "kb_wrong").retrieve("pump")
