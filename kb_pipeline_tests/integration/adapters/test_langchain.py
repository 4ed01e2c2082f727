"""LangChain's own calls of its retriever, against the real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import Unauthenticated

pytest.importorskip("langchain_core", reason="needs the extra langchain")

from kb_pipeline.adapters.langchain import KnowledgeBaseRetriever

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.adapters.conftest import Served


@pytest.fixture
def retriever(server: Served) -> KnowledgeBaseRetriever:
    return KnowledgeBaseRetriever(url=server.url, key=server.key, collections=["contracts"], mode="lexical")


def test_documents_carry_their_citations(retriever: KnowledgeBaseRetriever) -> None:
    (document,) = retriever.invoke("pump")
    assert "pump" in document.page_content
    assert (document.metadata["source_file"], document.metadata["page_number"]) == ("contract.pdf", 3)
    assert document.id == f"{document.metadata['document_id']}/{document.metadata['chunk_key']}"
    (again,) = asyncio.run(retriever.ainvoke("pump"))
    assert (again.id, again.page_content) == (document.id, document.page_content)


def test_it_is_a_part_of_chains(retriever: KnowledgeBaseRetriever) -> None:
    chain = retriever | (lambda documents: [document.metadata["source_file"] for document in documents])
    assert chain.batch(["pump", "supplier"]) == [["contract.pdf"], ["contract.pdf"]]


def test_the_key_is_not_shown_and_a_misspelt_option_is_refused(server: Served) -> None:
    assert server.key not in repr(KnowledgeBaseRetriever(url=server.url, key=server.key))
    with pytest.raises(ValueError, match="colection"):
        KnowledgeBaseRetriever.model_validate({"url": server.url, "colection": "contracts"})


def test_a_refusal_is_the_knowledge_bases_own(server: Served) -> None:
    with pytest.raises(Unauthenticated):
        KnowledgeBaseRetriever(url=server.url, key="kb_wrong").invoke("pump")
