"""A query as a source: what is listed of it, what is read, and what is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from kb_pipeline.errors import EmptyDocument, SourceUnavailable, UnreadableFile
from kb_pipeline.settings import SourceSettings
from kb_pipeline.source import table
from kb_pipeline.source.listing import Entry, entry_of
from kb_pipeline.source.selection import EVERYTHING, Selection
from kb_pipeline.source.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGES = "SELECT id AS key, body AS text, title, version, space FROM pages"


@pytest.fixture
def wiki(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE pages (id text, body text, title text, version int, space text)")
        yield connection


def page(wiki: psycopg.Connection[Any], key: str | None, text: str | None, version: int = 1, **more: str) -> None:
    values = [key, text, more.get("title"), version, more.get("space")]
    wiki.execute("INSERT INTO pages VALUES (%s, %s, %s, %s, %s)", values)


def source(url: str, query: str = PAGES, **settings: Any) -> Table:
    return Table(f"{url}#pages", SourceSettings(uri=f"{url}#pages", query=query, **settings))


def entries(place: Table, selection: Selection = EVERYTHING) -> dict[str, Entry]:
    return {entry.path: entry for entry in map(entry_of, place.list_files(selection).signatures)}


def test_a_row_is_a_document_and_its_other_columns_are_a_sidecar(
    wiki: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    page(wiki, "hr/leave", "Five days.", title="Leave: 休假", space="HR")
    page(wiki, "plain.md", "# Own heading\n\nText")
    place = source(database_url, format="markdown")
    found = place.list_files(EVERYTHING)
    assert {entry_of(line).path for line in found.signatures} == {"hr/leave.md", "plain.md"}
    assert {entry_of(line).path for line in found.sidecars} == {"hr/leave.md.meta.json", "plain.md.meta.json"}
    assert place.read("hr/leave.md").decode() == '---\ntitle: "Leave: 休假"\n---\n\n# Leave: 休假\n\nFive days.'
    assert place.read("plain.md") == b"# Own heading\n\nText"
    assert place.read_start("hr/leave.md.meta.json", 100) == b'{"space": "HR"}'
    assert place.hash("plain.md") != place.hash("hr/leave.md")
    with place.copy("plain.md", tmp_path) as path:
        assert (path.suffix, path.read_bytes()) == (".md", b"# Own heading\n\nText")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("text", "Body", "A <b>\n\nBody"),
        ("html", "<p>Body", "<title>A &lt;b&gt;</title></head><body><h1>A &lt;b&gt;</h1><p>Body</body></html>"),
        ("html", "<html><body>Body", "<html><body>Body"),
        ("csv", "a,b\n1,2", "a,b\n1,2"),
        ("markdown", "---\ntags: x\n---\nBody", "---\ntags: x\n---\nBody"),
    ],
)
def test_a_title_stands_where_its_format_has_a_place_for_it(
    wiki: psycopg.Connection[Any], database_url: str, kind: str, text: str, expected: str
) -> None:
    page(wiki, "k", text, title="A <b>")
    place = source(database_url, format=kind)
    (path,) = entries(place)
    assert place.read(path).decode().endswith(expected)


def test_any_change_of_the_version_is_a_change_and_so_is_one_that_goes_backwards(
    wiki: psycopg.Connection[Any], database_url: str
) -> None:
    page(wiki, "a", "one", version=7)
    page(wiki, "b", "two", version=7)
    place = source(database_url)
    before = entries(place)
    wiki.execute("UPDATE pages SET version = 3 WHERE id = 'a'")
    after = entries(place)
    assert before["a.txt"] != after["a.txt"]
    assert before["b.txt"] == after["b.txt"]


def test_without_a_version_the_text_itself_tells(wiki: psycopg.Connection[Any], database_url: str) -> None:
    page(wiki, "a", "one")
    place = source(database_url, "SELECT id AS key, body AS text FROM pages")
    before = entries(place)
    assert place.list_files(EVERYTHING).sidecars == frozenset()
    assert entries(place) == before
    wiki.execute("UPDATE pages SET body = 'eno'")
    assert entries(place) != before


def test_a_key_that_comes_twice_is_neither_new_nor_gone(wiki: psycopg.Connection[Any], database_url: str) -> None:
    page(wiki, "a", "one")
    page(wiki, "b", "two")
    page(wiki, "b", "three")
    page(wiki, "b.txt", "four")
    found = source(database_url).list_files(EVERYTHING)
    assert {entry_of(line).path for line in found.signatures} == {"a.txt"}
    assert {entry_of(line).path for line in found.sidecars} == {"a.txt.meta.json"}
    assert found.unlisted == {"b.txt": "the query gives its key more than once"}


@pytest.mark.parametrize("key", [None, "", "/a", "a//b", "a/../b", "a\nb", "长" * 700])
def test_a_row_with_no_usable_key_is_named_and_the_others_are_listed(
    wiki: psycopg.Connection[Any], database_url: str, key: str | None
) -> None:
    page(wiki, key, "one")
    page(wiki, "good", "two")
    found = source(database_url).list_files(EVERYTHING)
    assert {entry_of(line).path for line in found.signatures} == {"good.txt"}
    assert len(found.unlisted) == 1


def test_a_null_text_is_told_from_an_empty_one(wiki: psycopg.Connection[Any], database_url: str) -> None:
    page(wiki, "null", None)
    page(wiki, "empty", "")
    place = source(database_url)
    before = entries(place)
    assert place.read("empty.txt") == b""
    with pytest.raises(EmptyDocument, match="null"):
        place.hash("null.txt")
    wiki.execute("UPDATE pages SET body = ''")
    assert entries(place)["null.txt"] != before["null.txt"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT id AS key, body FROM pages", "gives no column text, only key, body"),
        ("SELECT 1 AS one", "gives no column key or text, only one"),
        ("SELECT id AS key, body AS text, title, title FROM pages", "two columns title"),
        ("SELECT nosuch AS key FROM pages", 'column "nosuch" does not exist'),
        ("SELEKT", "refuses"),
        ("DELETE FROM pages RETURNING id AS key, body AS text", "syntax error"),
        ("WITH d AS (DELETE FROM pages RETURNING *) SELECT id AS key, body AS text FROM d", "may only read"),
        ("SELECT id AS key, body AS text, nextval('counter') FROM pages", "may only read"),
        ("SELECT id AS key, body AS text FROM pages) AS q; COMMIT; DROP TABLE pages; SELECT (1", "multiple commands"),
        ("SELECT id AS key, body AS text, 1 / (version - 1) AS odd FROM pages", r"SQLSTATE 22012"),
        ("SELECT id AS key, body AS text, pg_sleep(30)::text AS slept FROM pages", "within 0.3 s"),
    ],
)
def test_a_query_that_cannot_be_used_says_why_and_changes_nothing(
    wiki: psycopg.Connection[Any], database_url: str, query: str, reason: str
) -> None:
    wiki.execute("CREATE SEQUENCE counter")
    page(wiki, "a", "secret text")
    with pytest.raises(SourceUnavailable, match=reason) as caught:
        source(database_url, query, seconds=0.3).list_files(EVERYTHING)
    assert "secret text" not in str(caught.value)
    assert wiki.execute("SELECT count(*) FROM pages").fetchone() == (1,)


def test_a_comment_a_percent_sign_and_a_semicolon_in_a_query_mean_nothing(
    wiki: psycopg.Connection[Any], database_url: str
) -> None:
    page(wiki, "a", "100%")
    place = source(database_url, "SELECT id AS key, body AS text, 5 AS \"%s\" FROM pages WHERE body LIKE '%' -- all;")
    assert set(entries(place)) == {"a.txt"}
    assert place.read("a.txt") == b"100%"
    assert place.read("a.txt.meta.json") == b'{"%s": 5}'
    assert place.names("") == ["a.txt"]
    assert not place.is_empty()


def test_a_connection_that_is_cut_gives_no_part_of_a_listing(
    wiki: psycopg.Connection[Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiki.execute("INSERT INTO pages SELECT n, 'text', NULL, 1 FROM generate_series(1, 100) AS n")
    monkeypatch.setattr(table, "ROWS_PER_FETCH", 10)
    cut = threading.Event()
    add = table._Found.add

    def add_and_cut(self: Any, *row: Any) -> None:
        add(self, *row)
        if self.rows == 50 and not cut.is_set():
            cut.set()
            others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
            wiki.execute(others, ["kb_pipeline source"])

    monkeypatch.setattr(table._Found, "add", add_and_cut)
    with pytest.raises(SourceUnavailable, match="ended the connection"):
        source(database_url).list_files(EVERYTHING)
    assert cut.is_set()


def test_rows_that_are_expected_come_together_and_large_ones_a_few_at_a_time(
    wiki: psycopg.Connection[Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiki.execute("INSERT INTO pages SELECT n, repeat('x', n), NULL, 1 FROM generate_series(1, 150) AS n")
    place = source(database_url)
    fetches: list[int] = []
    rows = Table._rows

    def counted(self: Table, documents: Sequence[str], with_text: bool) -> list[table.Row]:
        fetches.append(len(documents))
        return rows(self, documents, with_text)

    monkeypatch.setattr(Table, "_rows", counted)
    paths = sorted(entries(place))
    place.expect(paths)
    assert [len(place.read(path)) for path in paths] == [int(path.removesuffix(".txt")) for path in paths]
    assert fetches == [100, 50]
    monkeypatch.setattr(table, "MOST_HELD", 1)
    place.expect(paths)
    assert [len(place.read(path)) for path in paths] == [int(path.removesuffix(".txt")) for path in paths]


@pytest.mark.parametrize("kind", ["bigint", "uuid", "varchar(40)"])
def test_a_key_of_any_type_is_found_by_its_index(wiki: psycopg.Connection[Any], database_url: str, kind: str) -> None:
    key = "00000000-0000-0000-0000-000000000042" if kind == "uuid" else "42"
    wiki.execute(sql.SQL("CREATE TABLE other (id {} PRIMARY KEY, body text)").format(sql.SQL(kind)))
    wiki.execute("INSERT INTO other VALUES (%s, 'forty-two')", [key])
    place = source(database_url, "SELECT id AS key, body AS text FROM other")
    assert set(entries(place)) == {f"{key}.txt"}
    assert place.read(f"{key}.txt") == b"forty-two"


def test_a_row_that_went_or_came_twice_since_cannot_be_read(wiki: psycopg.Connection[Any], database_url: str) -> None:
    page(wiki, "twice", "one")
    page(wiki, "twice", "two")
    place = source(database_url)
    with pytest.raises(UnreadableFile, match="more than once"):
        place.read("twice.txt")
    with pytest.raises(UnreadableFile, match="not there any more"):
        place.read("gone.txt")


def test_folders_of_keys_are_listed_as_those_of_files(wiki: psycopg.Connection[Any], database_url: str) -> None:
    for key in ("hr/leave", "hr/travel", "hr/old/rules", "top"):
        page(wiki, key, "x")
    place = source(database_url)
    assert sorted(place.names("")) == ["hr", "top.txt"]
    assert sorted(place.names("hr")) == ["leave.txt", "old", "travel.txt"]
    assert set(entries(place, Selection(exclude=("hr/old/",)))) == {"hr/leave.txt", "hr/travel.txt", "top.txt"}


def test_a_server_that_is_away_or_refuses_is_named_without_a_password(
    wiki: psycopg.Connection[Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKI_PASSWORD", "hunter2")
    uri = "postgresql://reader@127.0.0.1:1/wiki#pages"
    away = Table(uri, SourceSettings(uri=uri, query=PAGES, secrets={"password": "WIKI_PASSWORD"}))
    with pytest.raises(SourceUnavailable, match=r"reader@127\.0\.0\.1:1/wiki#pages cannot be reached") as caught:
        away.list_files(EVERYTHING)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(away)
    monkeypatch.delenv("WIKI_PASSWORD")
    with pytest.raises(SourceUnavailable, match="variable WIKI_PASSWORD, which is not set"):
        away.list_files(EVERYTHING)


def test_a_source_without_a_query_and_one_without_a_server_say_what_to_do() -> None:
    uri = "postgresql://#pages"
    with pytest.raises(SourceUnavailable, match="names no server"):
        Table(uri, SourceSettings(uri=uri, query=PAGES)).list_files(EVERYTHING)
    with pytest.raises(SourceUnavailable, match="has no query"):
        Table(uri, SourceSettings(uri="x")).list_files(EVERYTHING)


def test_a_server_that_falls_silent_is_given_up(
    wiki: psycopg.Connection[Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page(wiki, "a", "x")
    release = threading.Event()
    monkeypatch.setattr(table, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(Table, "_list", lambda _self, _found: release.wait(30))
    with pytest.raises(SourceUnavailable, match="does not answer"):
        source(database_url, seconds=0.1).list_files(EVERYTHING)
    release.set()
