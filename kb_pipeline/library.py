"""The whole product as an object, for programs: what the command line does, without a command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kb_pipeline.settings import Settings, load_settings
from kb_pipeline.site import Site, open_site

if TYPE_CHECKING:
    from kb_pipeline.operations.ingest import IngestResult, PlanResult
    from kb_pipeline.search.fusion import Fusion
    from kb_pipeline.search.request import Mode
    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.store.ledger import ListedDocument

DOCUMENTS_PER_PAGE = 1000


class KnowledgeBase:
    """A knowledge base: the documents of its sources, searchable.

    Opened at first use and closed by `close` or at the end of a `with` block. What it needs and is not there, such as
    the embedded database, is started, shared with the commands, and stops by itself when nobody uses it. Every error is
    a `kb_pipeline.errors.KbError` whose message says what to do. An object is for one thread.
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        """`settings`, or those of the environment, .env and kb.toml with `overrides`, such as `home="/srv/kb"` or
        `database_url="postgresql://…"`. Raises SettingsError.
        """
        self.settings = settings or load_settings(**overrides)
        self._resources = ExitStack()

    @cached_property
    def _site(self) -> Site:
        from kb_pipeline.store.database import database_errors

        with database_errors():
            return self._resources.enter_context(open_site(self.settings))

    @contextmanager
    def _call(self) -> Iterator[Site]:
        """The site for one call, whose connections are closed after it; what the database refuses is a KbError."""
        from kb_pipeline.store.database import database_errors

        with database_errors(), self._site.for_one_call() as site:
            yield site

    def ingest(self, path: str | None = None, *, allow_mass_delete: bool = False) -> IngestResult:
        """Bring the knowledge base up to date with its sources, by a run that is in Dagster's history.

        `path`: a folder, which becomes a source, or a path inside a source; without it, all sources. Call it from the
        main thread. A document that cannot be processed is counted as `failed` and stops nothing. Raises SettingsError,
        SourceUnavailable, DatabaseUnavailable, EmbeddingServerUnavailable; what was committed stays.
        """
        from kb_pipeline.defs.execute import run_job
        from kb_pipeline.operations.ingest import ingest

        with self._call() as site:
            return ingest(site, path, run=run_job, allow_mass_delete=allow_mass_delete)

    def plan(self, path: str | None = None, *, allow_mass_delete: bool = False) -> PlanResult:
        """What `ingest` would do, changing nothing. Raises SettingsError, SourceUnavailable, DatabaseUnavailable."""
        from kb_pipeline.operations.ingest import plan

        with self._call() as site:
            return plan(site, path, allow_mass_delete=allow_mass_delete)

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        collections: Sequence[str] = (),
        where: str | None = None,
        generation: str | None = None,
        fusion: Fusion = "convex",
        per_document: int | None = None,
        merge: bool = False,
        fold: bool = True,
        rerank: bool = True,
        explain: bool = False,
    ) -> SearchResult:
        """The `k` best passages for `query`, best first; personal data in it is masked as in the documents.

        `where`: a condition on the columns of a passage, such as `page_number >= 3`. `fusion`: "rrf" for reciprocal
        rank fusion. `per_document`: most hits of one document. `merge`: neighbouring passages become one hit. `fold`:
        what says the same becomes one hit that names the others. `rerank`: by the site's reranker, if it has one.
        `explain`: each hit says what its score comes from. Raises SettingsError for a wrong request,
        GenerationMismatch, EmbeddingServerUnavailable, DatabaseUnavailable.
        """
        from kb_pipeline.operations.search import search
        from kb_pipeline.search.request import SearchRequest

        with self._call() as site:
            request = SearchRequest(
                query,
                k,
                mode,
                tuple(collections),
                where,
                generation,
                fusion=fusion,
                per_document=per_document,
                merge=merge,
                fold=fold,
                rerank=rerank,
                explain=explain,
            )
            return search(site, request)

    def documents(self, collection: str | None = None) -> Iterator[ListedDocument]:
        """Every document, or those of one collection, with how many passages of it are searched and why it failed.

        Read page by page; a document that comes or goes meanwhile may be missed or still be there.
        """
        from kb_pipeline.store import ledger

        after = 0
        while True:
            with self._call() as site:
                page = ledger.list_documents(site.connect(), collection, after, DOCUMENTS_PER_PAGE)
            yield from page
            if len(page) < DOCUMENTS_PER_PAGE:
                return
            after = page[-1].id

    def status(self) -> dict[str, Any]:
        """What `kb status --json` prints: documents, chunks, vectors, what is pending or failed, and servers."""
        from kb_pipeline.operations.status import status

        with self._call() as site:
            return status(site)

    def close(self) -> None:
        """Give back what is held; closing twice does nothing, and a later call opens again."""
        self.__dict__.pop("_site", None)
        self._resources.close()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
