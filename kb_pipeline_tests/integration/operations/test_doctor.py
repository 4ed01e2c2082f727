"""What the doctor looks at besides whether things are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kb_pipeline.operations.doctor import Check, examine
from kb_pipeline.privacy.key import KEY_FILE
from kb_pipeline.settings import load_settings
from kb_pipeline.stages import embeddings
from kb_pipeline.store import database, generations
from kb_pipeline_tests.alert_receiver import alert_receiver
from kb_pipeline_tests.chat_server import chat_server
from kb_pipeline_tests.reranking_server import by_length, reranking_server
from kb_pipeline_tests.sites import TestSite


def checks(kb: TestSite, **settings: Any) -> dict[str, Check]:
    return {check.name: check for check in examine(load_settings(**kb.settings | settings))}


def failing(kb: TestSite, **settings: Any) -> dict[str, Check]:
    found = {name: check for name, check in checks(kb, **settings).items() if not check.ok}
    assert all(check.remedy for check in found.values())
    return found


def test_a_site_that_is_well_has_nothing_to_mend(kb: TestSite) -> None:
    kb.write("a.md", "# A\n\nText.\n")
    kb.scan()
    found = checks(kb)
    assert found[f"source {kb.documents}"].ok
    assert "the one of this database" in found["privacy key"].detail
    assert "0.8.7 is recommended" in found["pgvector"].detail or "0.8.7" in found["pgvector"].detail
    assert found["rights of the database role"].ok
    assert found["time limits of the database"] == Check("time limits of the database", True, "none")
    assert found["file modes"].ok


def test_sources_that_are_empty_or_gone_are_named(kb: TestSite, tmp_path: Path) -> None:
    assert "holds nothing" in failing(kb)[f"source {kb.documents}"].detail
    kb.documents.rmdir()
    assert "cannot be opened" in failing(kb)[f"source {kb.documents}"].detail


def test_files_that_others_can_read_are_named_with_their_modes(kb: TestSite, home: Path) -> None:
    kb.write("a.md", "# A\n\nText.\n")
    kb.scan()
    Path(".env").write_text("export KB_EMBEDDING_API_KEY = letmein\n")
    Path(".env").chmod(0o644)
    Path("kb.toml").write_text("search_port = 8756\n")
    (home / KEY_FILE).chmod(0o640)
    check = failing(kb)["file modes"]
    assert check.detail == f"others may read: {home / KEY_FILE} is 640, .env is 644"
    assert check.remedy == f"Run chmod go= {home / KEY_FILE} .env"


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("default_transaction_read_only=on", "rights of the database role", "can only read"),
        ("role=pg_monitor", "rights of the database role", "pg_monitor lacks all rights on "),
        ("statement_timeout=30s", "time limits of the database", "statement_timeout 30 s"),
    ],
)
def test_what_the_database_would_refuse_later_is_said_now(kb: TestSite, option: str, name: str, said: str) -> None:
    kb.connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO pg_monitor")
    check = failing(kb, database_url=f"{kb.settings['database_url']}&options=-c%20{option.replace('=', '%3D')}")[name]
    assert said in check.detail


def test_an_old_pgvector_is_named(kb: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "pgvector_version", lambda _: (0, 8, 3))
    assert "0.8.7" in failing(kb)["pgvector"].remedy


def test_another_key_and_settings_that_nothing_follows_are_named(kb: TestSite) -> None:
    kb.write("a.md", "# A\n\nText.\n")
    kb.scan()
    key = embeddings.generation_key(kb.site.embedding.identity, kb.site.settings)
    generations.activate(kb.connection, generations.ensure_generation(kb.connection, key))
    found = failing(kb, dimension=64, privacy_key="ab" * 32)
    assert "rekey" in found["privacy key"].remedy
    assert "has 384" in found["model of the active generation"].detail
    assert (
        found["model of the active generation"].remedy == "Run kb generations build --dimension 64, or set that back."
    )


def test_a_reranker_that_does_not_rank_is_told_from_one_that_does(kb: TestSite) -> None:
    with reranking_server() as server:
        assert "puts the right one" in checks(kb, reranker={"url": server.url})["reranker"].detail
        server.scorer = by_length
        assert "chat template" in failing(kb, reranker={"url": server.url})["reranker"].remedy
        server.faults.append("401")
        assert "refused the key" in failing(kb, reranker={"url": server.url})["reranker"].detail


def test_a_receiver_of_alerts_is_asked_nothing_and_its_last_answer_is_known(kb: TestSite) -> None:
    with alert_receiver() as receiver:
        told = {"webhook_url": receiver.url}
        assert "told nothing yet" in checks(kb, alerts=told)["alerts"].detail
        kb.connection.execute("UPDATE alert_delivery SET attempts = 3, problem = 'It answered 500; mend it.'")
        assert failing(kb, alerts=told)["alerts"] == Check(
            "alerts", False, "It answered 500, 3 times in a row", "mend it."
        )
        assert receiver.requests == []
    assert "cannot be reached" in failing(kb, alerts=told)["alerts"].detail


def test_a_chat_server_that_cites_nothing_is_told_from_one_that_does(kb: TestSite, tmp_path: Path) -> None:
    with chat_server() as server:
        answers = {"url": server.url, "model": "m"}
        assert "answers and cites" in checks(kb, answers=answers)["chat server"].detail
        server.says.append("Ten days.")
        assert "larger model" in failing(kb, answers=answers)["chat server"].remedy
        server.faults.append("401")
        assert "correct KB_ANSWERS__API_KEY" in failing(kb, answers=answers)["chat server"].remedy
        assert "cannot be read" in failing(kb, answers=answers | {"prompt": tmp_path / "none"})["chat server"].detail
