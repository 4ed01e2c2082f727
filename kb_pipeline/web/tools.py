"""The knowledge base as tools of an agent: what each takes and gives, whatever protocol carries it.

A tool does what a route of the API does, by the same functions and with the same rights. What it gives is small enough
to be read by a language model, and says of every passage where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kb_pipeline.access.principal import Principal, Right
from kb_pipeline.errors import SettingsError
from kb_pipeline.search import documents
from kb_pipeline.search.documents import Page
from kb_pipeline.search.request import DEFAULT_K, MOST_CHARACTERS, MOST_K, SearchRequest
from kb_pipeline.search.result import Hit
from kb_pipeline.store.reading import CollectionCount
from kb_pipeline.web.parameters import LARGEST_ID, Text

if TYPE_CHECKING:
    from kb_pipeline.web.backend import Backend

MOST_PAGES = 20  # of one answer


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SearchArguments(_Arguments):
    query: Text = Field(min_length=1, max_length=MOST_CHARACTERS, description="The question, in any words.")
    k: int = Field(DEFAULT_K, ge=1, le=MOST_K, description="How many passages.")
    collections: list[Text] | None = Field(None, description="Only these; left out: all.")
    where: Text | None = Field(None, description="A condition on columns and fields, e.g. page_number >= 3.")


class FetchArguments(_Arguments):
    document_id: int = Field(ge=1, le=LARGEST_ID, description="From a citation.")
    first_page: int | None = Field(None, ge=0, le=LARGEST_ID, description="Left out: from its beginning.")
    last_page: int | None = Field(None, ge=0, le=LARGEST_ID, description="Left out: to its end.")
    cursor: int = Field(0, ge=0, le=LARGEST_ID, description="next_cursor of the answer before.")


class NoArguments(_Arguments):
    pass


class Citation(BaseModel):
    """Where a passage stands. `page`, `last_page`: null where pages mean nothing."""

    file: str
    page: int | None
    last_page: int | None
    section: tuple[str, ...]
    collection: str
    document_id: int


class CitedPassage(BaseModel):
    text: str
    citation: Citation

    @classmethod
    def of(cls, hit: Hit) -> CitedPassage:
        citation = Citation(
            file=hit.source_file,
            page=hit.page_number,
            last_page=hit.page_end,
            section=hit.section_path,
            collection=hit.collection,
            document_id=hit.document_id,
        )
        return cls(text=hit.content, citation=citation)


class FoundPassages(BaseModel):
    """The best first. `note`: what to know about them."""

    passages: tuple[CitedPassage, ...]
    note: str | None


class FetchedDocument(BaseModel):
    """`next_cursor`: what to go on with; null at the end."""

    file: str
    collection: str
    document_id: int
    pages: tuple[Page, ...]
    next_cursor: int | None


class CollectionList(BaseModel):
    collections: tuple[CollectionCount, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """`use` is given arguments that were checked by `takes`, and gives what `gives` describes; it may wait."""

    name: str
    description: str
    right: Right
    takes: type[_Arguments]
    gives: type[BaseModel]
    use: Callable[[Backend, Principal, Any], BaseModel]

    def __call__(self, backend: Backend, principal: Principal, arguments: dict[str, Any]) -> BaseModel:
        """Raises KbError, psycopg.Error."""
        principal.require(self.right)
        try:
            checked = self.takes.model_validate(arguments)
        except ValidationError as error:
            raise SettingsError(_sentence(error, self)) from None
        return self.use(backend, principal, checked)


def _search(backend: Backend, principal: Principal, asked: SearchArguments) -> FoundPassages:
    wanted = SearchRequest(asked.query, asked.k, collections=tuple(asked.collections or ()), where=asked.where or None)
    found = backend.search(wanted, principal)
    passages = tuple(CitedPassage.of(hit) for hit in found.hits)
    return FoundPassages(passages=passages, note=found.note.text if found.note else None)


def _fetch(backend: Backend, principal: Principal, asked: FetchArguments) -> FetchedDocument:
    known = documents.document(backend.connection, principal, asked.document_id)
    if known is None:
        raise SettingsError("There is no document of this id that you may read; take one from a citation of search.")
    stored = documents.pages(backend.connection, principal, asked.document_id)
    pages = [page for page in stored if page.is_between(asked.first_page, asked.last_page)]
    end = asked.cursor + MOST_PAGES
    return FetchedDocument(
        file=known.source_file,
        collection=known.collection,
        document_id=known.id,
        pages=tuple(pages[asked.cursor : end]),
        next_cursor=end if pages[end:] else None,
    )


def _list_collections(backend: Backend, principal: Principal, _: NoArguments) -> CollectionList:
    return CollectionList(collections=tuple(documents.collections(backend.connection, principal)))


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Find the passages of the company's documents that answer a question, each with a citation.",
            "search",
            SearchArguments,
            FoundPassages,
            _search,
        ),
        Tool(
            "fetch",
            f"Read a document, or some of its pages, as stored; {MOST_PAGES} pages at a time.",
            "read",
            FetchArguments,
            FetchedDocument,
            _fetch,
        ),
        Tool(
            "list_collections",
            "Which collections of documents there are, and how much is in them.",
            "search",
            NoArguments,
            CollectionList,
            _list_collections,
        ),
    )
}


def _sentence(cause: ValidationError, tool: Tool) -> str:
    """The first thing that is wrong; repeats no value."""
    error = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in error["loc"])[:60]
    if error["type"] == "extra_forbidden":
        return f"{tool.name} has no argument {name}; it takes {', '.join(tool.takes.model_fields) or 'none'}."
    if error["type"] == "missing":
        return f"{tool.name} needs the argument {name}; send it."
    what = error["msg"].rstrip(".")
    return f"The argument {name} is wrong: {what[:1].lower()}{what[1:]}."
