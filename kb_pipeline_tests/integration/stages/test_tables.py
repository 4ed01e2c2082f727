"""Rows of a database as documents, through the ledger and all stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from kb_pipeline.errors import SettingsError, SourceUnavailable
from kb_pipeline.operations import sources
from kb_pipeline.operations.originals import open_original
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.source.listing import canonical_uri
from kb_pipeline.store import descriptions, ledger
from kb_pipeline_tests.conftest import new_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

QUERY = "SELECT id AS key, body AS text, title, version, department, groups FROM pages"


class Wiki:
    """A table of pages in a database of its own, and a knowledge base that follows it."""

    def __init__(self, url: str, kb: TestSite) -> None:
        self.uri = f"{url}#pages"
        self.kb = kb
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(
            "CREATE TABLE pages (id text PRIMARY KEY, body text, title text, version int DEFAULT 1, department text, "
            "groups text[] DEFAULT '{everyone}')"
        )
        self.follow()

    def follow(self, query: str = QUERY, **settings: Any) -> None:
        source = {"uri": self.uri, "query": query, "format": "markdown"} | settings
        self.kb.reopen(sources=[source], fields={"department": "text", "title": "text"})
        sources.register_configured(self.kb.connection, self.kb.site.settings)

    def page(self, key: str, body: str | None, **columns: Any) -> None:
        names = ", ".join(["id", "body", *columns])
        places = ", ".join(["%s"] * (len(columns) + 2))
        statement = f"INSERT INTO pages ({names}) VALUES ({places})"  # noqa: S608
        self.connection.execute(statement.encode(), [key, body, *columns.values()])

    def found(self, **request: Any) -> set[str]:
        hits = search(self.kb.site, SearchRequest("passage", k=50, mode="lexical", **request)).hits
        return {hit.source_file for hit in hits}


@pytest.fixture
def wiki(kb: TestSite, postgres_url: str) -> Iterator[Wiki]:
    with new_database(postgres_url) as url:
        found = Wiki(url, kb)
        yield found
        found.connection.close()


def test_rows_come_change_move_and_go(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("hr/leave", "A passage on leave.", title="Leave", department="HR")
    wiki.page("hr/travel", "A passage on travel.", title="Travel", department="HR")
    wiki.page("it", "A passage on computers.", department="IT")
    counts = kb.refresh()
    assert (counts["new"], counts["failed"]) == (3, 0)
    assert wiki.found() == {"hr/leave.md", "hr/travel.md", "it.md"}
    assert wiki.found(where="department = 'HR'") == {"hr/leave.md", "hr/travel.md"}
    assert (
        wiki.found(where="title = 'Leave'")
        == wiki.found(collections=("hr",), where="title = 'Leave'")
        == {"hr/leave.md"}
    )
    assert kb.rows("source_file = 'hr/leave.md'")[0]["section_title"] == "Leave"
    assert kb.refresh()["unchanged"] == 3

    wiki.connection.execute("UPDATE pages SET body = 'Another passage.', version = 0 WHERE id = 'it'")
    wiki.connection.execute("UPDATE pages SET department = 'People' WHERE id = 'hr/leave'")
    wiki.connection.execute("UPDATE pages SET id = 'hr/trips' WHERE id = 'hr/travel'")
    counts = kb.refresh()
    assert (counts["new"], counts["changed"], counts["moved"], counts["deleted"]) == (0, 1, 1, 0)
    assert "Another passage." in kb.contents()["it.md"]
    assert wiki.found(where="department = 'People'") == {"hr/leave.md"}
    assert wiki.found(where="department = 'HR'") == {"hr/trips.md"}

    wiki.connection.execute("DELETE FROM pages WHERE id = 'it'")
    assert kb.refresh()["deleted"] == 1
    assert wiki.found() == {"hr/leave.md", "hr/trips.md"}


def test_groups_of_a_row_say_who_reads_it_and_a_null_is_nobody(wiki: Wiki, kb: TestSite) -> None:
    def readers() -> dict[str, list[str]]:
        statement = "SELECT path, groups FROM document_access JOIN documents ON documents.id = document_id"
        return dict(kb.connection.execute(statement).fetchall())

    wiki.page("open", "A passage.")
    wiki.page("board", "A passage for some.", groups=["board"])
    wiki.page("nobody", "A passage for none.", groups=None)
    kb.refresh()
    assert readers() == {"open.md": ["everyone"], "board.md": ["board"], "nobody.md": []}
    wiki.connection.execute("UPDATE pages SET groups = '{board,hr}' WHERE id = 'nobody'")
    counts = kb.refresh()
    assert (counts["changed"], counts["documents"]) == (0, 0)  # nothing is read again for it
    assert readers()["nobody.md"] == ["board", "hr"]


def test_nothing_is_deleted_when_a_listing_ends_early(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("a", "A passage.")
    kb.write("file.md", "A passage of a file.")
    kb.refresh()
    wiki.follow(QUERY + " WHERE 1 / (version - 1) > 0")
    wiki.connection.execute("DELETE FROM pages")
    wiki.page("b", "A passage.")
    counts = kb.refresh()
    assert (counts["sources_unavailable"], counts["deleted"]) == (1, 0)
    assert wiki.found() == {"a.md", "file.md"}


def test_a_table_that_lost_most_rows_holds_its_deletions(wiki: Wiki, kb: TestSite) -> None:
    kb.reopen(mass_delete_count=2)
    for number in range(5):
        wiki.page(f"p{number}", f"A passage {number}.")
    kb.refresh()
    wiki.connection.execute("DELETE FROM pages WHERE id <> 'p0'")
    counts = kb.refresh()
    assert (counts["held"], counts["deleted"]) == (4, 0)
    assert len(wiki.found()) == 5


def test_a_null_text_fails_with_its_reason_and_the_others_go_through(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("null", None)
    wiki.page("good", "A passage.")
    counts = kb.refresh()
    assert (counts["new"], counts["failed"]) == (2, 1)
    assert "null" in kb.failures()["null.md"].reason
    wiki.connection.execute("UPDATE pages SET body = 'A passage at last.', version = 2 WHERE id = 'null'")
    assert kb.refresh()["failed"] == 0
    assert wiki.found() == {"null.md", "good.md"}


def test_a_key_that_comes_twice_leaves_its_document_as_it_was(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("a", "A passage.")
    wiki.page("b", "A passage as well.")
    kb.refresh()
    twice = "SELECT id, body, title, version, department, groups FROM pages WHERE id = 'a'"
    wiki.follow(f"{QUERY} UNION ALL {twice}")
    counts = kb.refresh()
    assert (counts["deleted"], counts["unlisted"], counts["changed"]) == (0, 1, 0)
    assert wiki.found() == {"a.md", "b.md"}


def test_personal_data_in_keys_and_fields_is_masked_and_the_row_still_found(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("people/13912345678", "A passage.", title="Ring 13912345678", department="call 13912345678")
    counts = kb.refresh()
    assert (counts["new"], counts["failed"]) == (1, 0)
    (path,) = wiki.found()
    assert "13912345678" not in path
    wiki.connection.execute("UPDATE pages SET version = 2, body = 'A new passage.'")
    assert kb.refresh()["changed"] == 1
    assert "A new passage." in kb.contents()[path]
    stored = kb.connection.execute("SELECT string_agg(d::text, '') FROM documents AS d").fetchone()
    said = [one.given for one in descriptions.said_of_documents(kb.connection, source_of(wiki), [path])]
    assert "13912345678" not in f"{stored} {said} {kb.contents()}"
    (document,) = kb.connection.execute("SELECT id FROM documents WHERE deleted_at IS NULL").fetchone() or ()
    with open_original(kb.site.names, kb.connection, document).file as file:
        assert file.read().endswith(b"A new passage.")


def source_of(wiki: Wiki) -> int:
    return next(source.id for source in ledger.sources(wiki.kb.connection) if source.uri == wiki.uri)


def test_the_database_of_the_knowledge_base_itself_needs_no_address(kb: TestSite) -> None:
    kb.connection.execute("CREATE SCHEMA site")
    kb.connection.execute("CREATE TABLE site.notes AS SELECT 7 AS id, 'A passage.' AS body")
    kb.reopen(sources=[{"uri": "postgresql://#notes", "query": "SELECT id AS key, body AS text FROM site.notes"}])
    sources.register_configured(kb.connection, kb.site.settings)
    assert kb.refresh()["new"] == 1
    assert set(kb.contents()) == {"7.txt"}


def test_a_password_is_refused_where_it_would_be_stored() -> None:
    for uri in (
        "postgresql://reader:hunter2@db/wiki#pages",
        "postgresql://db/wiki?password=hunter2",
        "sftp://u:hunter2@h/x",
    ):
        with pytest.raises(SettingsError, match="holds a password") as caught:
            canonical_uri(uri)
        assert "hunter2" not in str(caught.value)


def test_a_query_is_settings_and_no_argument_of_a_command(kb: TestSite) -> None:
    with pytest.raises(SettingsError, match="name it under"):
        sources.resolve("postgresql://db/wiki#pages", [])
    assert sources.resolve("postgresql://db/wiki#pages", ["postgresql://db/wiki#pages"]) == (
        "postgresql://db/wiki#pages",
        "",
    )


def test_a_source_whose_query_was_taken_out_is_passed_over(wiki: Wiki, kb: TestSite) -> None:
    wiki.page("a", "A passage.")
    kb.refresh()
    kb.reopen(sources=[])
    with pytest.raises(SourceUnavailable, match="has no query"):
        kb.site.sources.of(wiki.uri).is_empty()
    assert kb.refresh()["sources_unavailable"] == 1
    assert wiki.found() == {"a.md"}
