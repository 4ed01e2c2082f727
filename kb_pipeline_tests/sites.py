"""A whole site for tests: a folder of documents, a database and an instant embedding server.

    site = TestSite(...)          # made by the fixture `kb`; import it into a conftest.py
    kb.write("policies/a.md", "# Title\n\nText")
    kb.refresh()                  # scans, and runs the five stages as the refresh job does
    kb.rows()                     # what a reader of the view `knowledge_chunks` sees

Fixtures
    embedding_server   an InstantServer of 384 dimensions, one per worker and module.
    parsers            the parser process of all sites of a worker.
    kb                 a TestSite over `database_url`, `home` and `embedding_server`.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from kb_pipeline.parsing.sandbox import ParserPool
from kb_pipeline.settings import ParsingLimits, Settings, load_settings
from kb_pipeline.site import Site, open_site
from kb_pipeline.stages import chunks, cleaned_elements, embeddings, knowledge_chunks, raw_documents
from kb_pipeline.store import database, ledger
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kb_pipeline.stages.report import StageReport
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.ledger import Failure

# Long before now: a file that was modified within the last two seconds is looked at twice.
_PAST_NS = 1_700_000_000_000_000_000


class TestSite:
    """A site with one source folder, `documents`."""

    __test__ = False

    def __init__(self, folder: Path, settings: Mapping[str, Any], parsers: ParserPool) -> None:
        self._parsers = parsers
        self.documents = folder
        self.documents.mkdir()
        self.settings = dict(settings)
        self._resources = ExitStack()
        self._ticks = 0
        self.site = self._open()
        self.connection: Connection = self.site.connect()
        database.register_types(self.connection)
        ledger.register_source(self.connection, str(self.documents))

    def _open(self) -> Site:
        site = self._resources.enter_context(open_site(load_settings(**self.settings)))
        if site.settings.limits == ParsingLimits():
            site.parsers = self._parsers
        return site

    def close(self) -> None:
        self._resources.close()

    def reopen(self, **settings: Any) -> None:
        """Go on with other settings, as after an edit of kb.toml."""
        self.settings |= settings
        self.site = self._open()

    def set_settings(self) -> Settings:
        return self.site.settings

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a document whose modification time is in the past and unlike that of any write before."""
        file = self.documents / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.touch(path)
        return file

    def touch(self, path: str) -> None:
        self._ticks += 1
        moment = _PAST_NS + self._ticks * 1_000_000_000
        os.utime(self.documents / path, ns=(moment, moment))

    def move(self, path: str, to: str) -> None:
        (self.documents / to).parent.mkdir(parents=True, exist_ok=True)
        (self.documents / path).rename(self.documents / to)

    def scan(self, **options: Any) -> Counter[str]:
        return raw_documents.run(self.site, None, **options).counts

    def refresh(self, shards: list[str] | None = None, **options: Any) -> Counter[str]:
        """What the refresh job does, without Dagster; the numbers of all stages, `failed` added up."""
        reports: list[StageReport] = [raw_documents.run(self.site, shards, **options)]
        reports.append(cleaned_elements.run(self.site, shards))
        reports.append(chunks.run(self.site, shards))
        reports.append(embeddings.run(self.site, shards))
        reports.append(knowledge_chunks.run(self.site, shards))
        totals = Counter[str]()
        failed = 0
        for report in reports:
            failed += report.counts["failed"]
            totals |= report.counts
        totals["failed"] = failed
        return totals

    def rebuild(self) -> Counter[str]:
        """What the job re_embed does."""
        embedded = embeddings.run(self.site, None, rebuild=True)
        return embedded.counts | knowledge_chunks.run(self.site, None, rebuild=True).counts

    def rows(self, where: str = "true") -> list[dict[str, Any]]:
        """The view, in order of file and place; only after the first refresh."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            statement = f"SELECT * FROM knowledge_chunks WHERE {where} ORDER BY source_file, ordinal"  # noqa: S608
            return cursor.execute(statement.encode()).fetchall()

    def contents(self) -> dict[str, str]:
        """source_file -> the text of its chunks."""
        texts: dict[str, str] = {}
        for row in self.rows():
            texts[row["source_file"]] = texts.get(row["source_file"], "") + row["content"] + "\n"
        return texts

    def failures(self) -> dict[str, Failure]:
        return {failure.path: failure for failure in ledger.failures(self.connection, self.site.scope())}

    def dirty(self) -> int:
        """Documents that the ledger says are to be worked on."""
        from kb_pipeline.store import generations

        targets = generations.working_targets(self.connection)
        found = ledger.dirty_shards(self.connection, self.site.scope(), targets)
        return sum(shard.documents for shard in found)

    def count(self, table: str) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="module")
def embedding_server() -> Iterator[InstantServer]:
    with instant_server(dimension=384) as server:
        yield server


@pytest.fixture(scope="session")
def parsers() -> Iterator[ParserPool]:
    """One parser process for all sites with the usual limits: its start is most of what a small refresh costs."""
    with ParserPool(1) as pool:
        yield pool


@pytest.fixture
def kb(
    database_url: str, home: Path, tmp_path: Path, embedding_server: InstantServer, parsers: ParserPool
) -> Iterator[TestSite]:
    settings = {
        "home": home,
        "database_url": database_url,
        "embedding_url": embedding_server.base_url,
        "parser_processes": 1,
    }
    site = TestSite(tmp_path / "documents", settings, parsers)
    yield site
    site.close()
