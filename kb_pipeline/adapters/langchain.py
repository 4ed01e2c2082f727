"""The knowledge base as a retriever of LangChain. Needs the extra `langchain`."""

from __future__ import annotations

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SecretStr

from kb_pipeline.adapters.http import DEFAULT_URL, Passage, SearchCall


class KnowledgeBaseRetriever(BaseRetriever):
    """Passages for a question as documents, whose metadata says where each stands.

    The options are those of `SearchCall`. Raises `kb_pipeline.errors.KbError`, whose message says what to do.
    """

    model_config = ConfigDict(extra="forbid")

    url: str = DEFAULT_URL
    key: SecretStr | None = None
    k: int = 10
    collections: tuple[str, ...] = ()
    where: str | None = None
    mode: str = "hybrid"
    timeout: float = 30.0

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        return [_document(passage) for passage in self._call().search(query)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        return [_document(passage) for passage in await self._call().asearch(query)]

    def _call(self) -> SearchCall:
        key = None if self.key is None else self.key.get_secret_value()
        return SearchCall(self.url, key, self.k, self.collections, self.where, self.mode, self.timeout)


def _document(passage: Passage) -> Document:
    return Document(id=passage.id, page_content=passage.content, metadata=dict(passage.citation))
