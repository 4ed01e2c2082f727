"""`KnowledgeBase`, as a program uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline import KnowledgeBase
from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.settings import load_settings
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.unit.defs.test_team_project import load_example

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kb_pipeline.settings import Settings


@pytest.fixture
def settings(home: Path, database_url: str) -> Iterator[Settings]:
    with instant_server(dimension=32) as server:
        yield load_settings(
            home=home, database_url=database_url, embedding_url=server.base_url, parser_processes=1, idle_seconds=5
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "leave.md").write_text("# Annual leave\n\nTwenty days of leave a year.")
    (folder / "fees.md").write_text("# Fees\n\nA transfer costs two euros.")
    (folder / "empty.txt").touch()
    return folder


def test_a_folder_is_planned_ingested_listed_and_searched(settings: Settings, folder: Path) -> None:
    with KnowledgeBase(settings) as kb:
        assert kb.plan(str(folder)).counts.new == 3
        done = kb.ingest(str(folder))
        assert (done.new, done.failed, done.chunks_written) == (3, 1, 2)
        assert kb.search("days of leave", k=1).hits[0].source_file == "rules/leave.md"
        listed = {document.path: document for document in kb.documents()}
        assert (listed["fees.md"].chunks, listed["fees.md"].failure) == (1, None)
        assert listed["empty.txt"].chunks == 0
        assert listed["empty.txt"].failure
        assert [document.path for document in kb.documents("rules")] == ["rules/leave.md"]
        assert kb.status()["documents"] == 3
        assert kb.ingest().unchanged == 3


def test_calls_leave_no_connections_behind_and_a_closed_one_opens_again(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_pipeline.library.DOCUMENTS_PER_PAGE", 2)
    kb = KnowledgeBase(settings)
    try:
        kb.ingest(str(folder))
        assert len(list(kb.documents())) == 3
        with kb._call() as site:
            connection = site.connect()
            clients = (
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend'"  # not an autovacuum
            )
            assert connection.execute(clients.encode()).fetchone() == (1,)
        assert connection.closed
        kb.close()
        kb.close()
        assert kb.search("transfer", mode="lexical", k=1).hits[0].source_file == "fees.md"
    finally:
        kb.close()


def test_errors_say_what_to_do(settings: Settings) -> None:
    with KnowledgeBase(settings) as kb, pytest.raises(SettingsError, match="query is empty"):
        kb.search(" ")
    away = settings.model_copy(
        update={"database_url": load_settings(database_url="postgresql://n@127.0.0.1:9/n").database_url}
    )
    with KnowledgeBase(away) as kb, pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        kb.status()


def test_the_example_runs(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KB_HOME", str(settings.home))
    assert settings.database_url is not None
    monkeypatch.setenv("KB_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("KB_EMBEDDING_URL", settings.embedding_url or "")
    monkeypatch.setenv("KB_PARSER_PROCESSES", "1")
    load_example("library").main(str(folder), "days of leave")
    printed = capsys.readouterr().out
    assert "3 new and 0 changed documents" in printed
    assert "1. rules/leave.md" in printed
