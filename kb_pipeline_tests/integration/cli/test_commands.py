"""The `kb` command as a shell sees it: one JSON document on stdout, sentences on stderr, exit codes.

A start of the command costs a second or more, so each test walks through several.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline_tests.alert_receiver import alert_receiver
from kb_pipeline_tests.chat_server import chat_server
from kb_pipeline_tests.forking import KbProcess
from kb_pipeline_tests.instant_embedding_server import InstantServer

if TYPE_CHECKING:
    from pathlib import Path

INGEST_KEYS = {
    *("scanned", "new", "changed", "moved", "deleted", "unchanged", "failed", "chunks_written"),
    *("texts_embedded", "texts_reused", "seconds"),
}
SECRET = "hunter2"
DOCUMENT = "# 年假 Leave\n\n员工每年享有十天年假。 Twenty days a year.\n\n# Contact\n\nWrite to li.lei@example.com.\n"


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs `kb` in one folder with one environment, the output piped."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = os.environ | environment

    def kb(self, *arguments: str, **environment: str) -> Answer:
        process = KbProcess(arguments, self.environment | environment, self.folder, own_group=False)
        out, err = process.communicate(timeout=120)
        assert process.returncode is not None
        answer = Answer(process.returncode, out, err)
        if "--debug" not in arguments:
            assert "Traceback" not in answer.out + answer.err
        assert SECRET not in answer.out + answer.err
        assert "\x1b" not in answer.out + answer.err, "no bars, no colours when piped"
        return answer


@pytest.fixture
def shell(tmp_path: Path, database_url: str, home: Path, embedding_server: InstantServer) -> Shell:
    return Shell(
        tmp_path,
        {"KB_HOME": str(home), "KB_DATABASE_URL": database_url, "KB_EMBEDDING_URL": embedding_server.base_url},
    )


def failed_with(answer: Answer, code: int, *words: str) -> None:
    """One sentence on stderr, nothing on stdout."""
    assert answer.code == code, answer
    assert answer.out == ""
    assert answer.err.startswith("kb: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err


def put(folder: Path, name: str, content: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    os.utime(file, ns=(10**18, 10**18))


def test_a_knowledge_base_from_the_first_plan_to_a_clean_audit(shell: Shell) -> None:
    documents = shell.folder / "documents"
    put(documents, "policies/leave 年假.md", DOCUMENT)
    put(documents, "broken.docx", "no archive")

    failed_with(shell.kb("ingest"), 2, "kb ingest FOLDER")

    plan = shell.kb("plan", "documents", "--json")
    assert plan.code == 0
    counts = {name: plan.json[name] for name in ("scanned", "new", "changed", "moved", "deleted", "unchanged")}
    assert counts == {"scanned": 2, "new": 2, "changed": 0, "moved": 0, "deleted": 0, "unchanged": 0}
    assert plan.json["estimated_tokens"] > 0
    assert "estimated_seconds" in plan.json
    failed_with(shell.kb("ingest"), 2, "kb ingest FOLDER")  # the plan made no source of it

    first = shell.kb("ingest", "documents", "--json")
    assert (first.code, first.err) == (1, "")
    assert set(first.json) >= INGEST_KEYS
    assert (first.json["new"], first.json["failed"], first.json["texts_embedded"]) == (2, 1, 2)

    again = shell.kb("ingest", "--json")
    assert again.code == 0
    assert (again.json["unchanged"], again.json["new"], again.json["chunks_written"]) == (2, 0, 0)

    failures = shell.kb("failures", "--json")
    assert failures.code == 1
    (failure,) = failures.json["failures"]
    assert failure["source_file"] == "broken.docx"
    assert set(failure) >= {"source_file", "stage", "error", "reason", "attempts"}
    assert failure["attempts"] == 1

    retried = shell.kb("failures", "retry", "--json")
    assert (retried.code, retried.json["retried"], retried.json["failed"]) == (1, 1, 1)

    status = shell.kb("status", "--json")
    assert status.code == 0
    shown = {name: status.json[name] for name in ("documents", "chunks", "vectors", "pending", "failed")}
    assert shown == {"documents": 2, "chunks": 2, "vectors": 2, "pending": 0, "failed": 1}
    assert [generation["state"] for generation in status.json["generations"]] == ["active"]
    assert {server["name"] for server in status.json["servers"]} == {"postgres", "embedding"}

    (documents / "broken.docx").unlink()
    put(documents, "new.md", "# New\n\nSomething.\n")
    audit = shell.kb("audit", "--json")
    assert audit.code == 1
    assert {finding["kind"] for finding in audit.json["findings"]} == {"not_ingested", "deleted_since"}
    assert all(set(finding) == {"kind", "count", "examples"} for finding in audit.json["findings"])
    assert shell.kb("ingest", "documents/new.md").code == 0
    text = shell.kb("ingest")
    assert (text.code, text.err) == (0, "")
    assert "1 deleted" in text.out
    clean = shell.kb("audit", "--repair", "--json")
    assert (clean.code, clean.json["findings"]) == (0, [])
    assert shell.kb("failures", "--json").json == {"failures": [], "sidecars": []}


def test_fields_are_declared_said_filtered_on_and_shown(shell: Shell) -> None:
    documents = shell.folder / "documents"
    put(shell.folder, "kb.toml", '[fields]\ntag = "text"\ndate = "date"\n')
    put(documents, "a.md", "A passage.\n")
    put(documents, "a.md.meta.yaml", "tag: finance\ndate: 2024-03-01\n")
    put(documents, "b.md", "Another passage.\n")
    put(documents, "b.md.meta.yaml", "date: soon\n")
    assert "1 sidecars or manifests cannot be used" in shell.kb("ingest", "documents").out

    where = "tag = 'finance' and date > '2024-01-01'"
    found = shell.kb("search", "passage", "--json", "--mode", "lexical", "--where", where)
    assert [(hit["source_file"], hit["fields"]["tag"]) for hit in found.json["hits"]] == [("a.md", "finance")]
    failed_with(shell.kb("search", "passage", "--where", "team = 'x'"), 2, "no column team", "tag, date")
    failures = shell.kb("failures")
    assert (failures.code, failures.out.count("\n")) == (1, 1)
    assert "b.md.meta.yaml: date is not a date such as 2024-06-30; correct it." in failures.out

    put(documents, "b.md.meta.yaml", "tag: legal  # no date\n")
    assert "1 described anew" in shell.kb("plan").out
    assert "1 described anew" in shell.kb("ingest").out
    assert shell.kb("audit", "--json").json["findings"] == []
    assert shell.kb("status", "--json").json["fields"] == [
        {"name": "tag", "type": "text", "documents": 2},
        {"name": "date", "type": "date", "documents": 1},
    ]
    inspected = shell.kb("inspect", str(documents / "b.md"), "--json").json
    assert inspected["fields"] == [{"name": "tag", "value": "legal", "origin": "b.md.meta.yaml"}]


def test_search_inspect_and_doctor_answer_in_one_json_document(shell: Shell) -> None:
    documents = shell.folder / "documents"
    put(documents, "policies/leave 年假.md", DOCUMENT)
    assert shell.kb("ingest", "documents").code == 0

    found = shell.kb("search", "年假", "--json", "--mode", "lexical", "--k", "3", "--collection", "policies")
    assert found.code == 0
    assert set(found.json) >= {"query", "mode", "generation", "event_id", "hits", "timings_ms"}
    hit = found.json["hits"][0]
    assert set(hit) >= {
        *("rank", "score", "content", "source_file", "page_number", "page_end", "section_title", "section_path"),
        *("collection", "document_id", "chunk_key", "metadata"),
    }
    assert (hit["rank"], hit["source_file"], hit["section_title"]) == (1, "policies/leave 年假.md", "年假 Leave")
    failed_with(shell.kb("search", "年假", "--where", "no_such_column = 1"), 2, "no_such_column")

    inspected = shell.kb("inspect", str(documents / "policies/leave 年假.md"), "--json")
    assert inspected.code == 0
    assert set(inspected.json) >= {"source_file", "pages", "elements", "dropped", "chunks", "privacy"}
    assert {"entity_type": "EMAIL_ADDRESS", "count": 1} in inspected.json["privacy"] or inspected.json["privacy"]
    assert "li.lei@example.com" not in inspected.out
    assert [chunk["section_title"] for chunk in inspected.json["chunks"]] == ["年假 Leave", "Contact"]
    failed_with(shell.kb("inspect", "nowhere.md"), 2, "nowhere.md")
    (documents / "damaged.txt").write_bytes("损坏的文字".encode() * 9 + b"\xff")
    assert "1 characters are damaged" in shell.kb("inspect", str(documents / "damaged.txt")).out
    put(documents, "empty.md", "")
    failed_with(shell.kb("inspect", str(documents / "empty.md")), 1)

    doctor = shell.kb("doctor", "--json", KB_EMBEDDING_URL="http://127.0.0.1:1/v1")
    checks = {check["name"]: check for check in doctor.json["checks"]}
    assert doctor.code == 1
    assert all(set(check) == {"name", "ok", "detail", "remedy"} for check in checks.values())
    assert checks["database"]["ok"]
    assert checks["Chinese font"]["ok"]
    assert not checks["embedding server"]["ok"]
    assert checks["embedding server"]["remedy"]


def test_wrong_calls_and_settings_are_named_and_exit_with_2(shell: Shell) -> None:
    failed_with(shell.kb("no-such-command"), 2)
    failed_with(shell.kb("ingest", "--no-such-option"), 2, "--no-such-option")
    failed_with(shell.kb("search", "x", "--mode", "magic"), 2, "magic")
    failed_with(shell.kb("ingest", "no/such/folder"), 2, "no/such/folder")
    failed_with(shell.kb("status", KB_DIMENSION="many"), 2, "KB_DIMENSION")
    failed_with(shell.kb("status", KB_DATABASE_URL=f"postgresql://kb:{SECRET}@x@db/kb"), 2, "KB_DATABASE_URL")
    (shell.folder / "kb.toml").write_text("dimention = 5\n")
    failed_with(shell.kb("status"), 2, "kb.toml", "dimention")
    (shell.folder / "kb.toml").write_text("[[sources]]\nuri = 'a'\n[[sources]]\nuri = 'a/b'\n")
    (shell.folder / "a/b").mkdir(parents=True)
    failed_with(shell.kb("ingest"), 2, "kb.toml", "a/b")


def test_what_is_not_there_is_named_and_exits_with_3(shell: Shell) -> None:
    put(shell.folder, "documents/a.md", DOCUMENT)
    nowhere = {"KB_DATABASE_URL": f"postgresql://kb:{SECRET}@127.0.0.1:1/kb"}
    failed_with(shell.kb("status", **nowhere), 3, "127.0.0.1:1", "KB_DATABASE_URL")
    failed_with(shell.kb("ingest", "documents", "--json", **nowhere), 3, "127.0.0.1:1")
    debugged = shell.kb("--debug", "status", **nowhere)
    assert debugged.code != 0
    assert "Traceback" in debugged.err
    failed_with(shell.kb("ingest", "documents", "--json", KB_EMBEDDING_URL="http://127.0.0.1:1/v1"), 3, "127.0.0.1:1")
    status = shell.kb("status", "--json")  # what was parsed before the embedding server was missed is kept
    assert (status.json["documents"], status.json["chunks"], status.json["vectors"]) == (1, 2, 0)
    audited = shell.kb("audit", "--json")
    assert (audited.code, [finding["kind"] for finding in audited.json["findings"]]) == (1, ["unfinished_documents"])

    (shell.folder / "kb.toml").write_text("[[sources]]\nuri = 'documents'\n[[sources]]\nuri = 'unmounted'\n")
    partly = shell.kb("ingest", "--json")
    assert partly.code == 3
    assert partly.json["texts_embedded"] == 2
    assert "unmounted" in partly.err
    (shell.folder / "kb.toml").unlink()
    (shell.folder / "documents").rename(shell.folder / "gone")
    failed_with(shell.kb("ingest"), 3, "documents", "mount")
    assert shell.kb("status", "--json").json["documents"] == 1


def test_a_source_can_be_taken_out_and_its_files_stay(shell: Shell) -> None:
    assert shell.kb("sources", "--json").json == {"sources": []}
    for folder in ("kept", "removed"):
        put(shell.folder / folder, "a.md", f"# A\n\nWhat is {folder}.\n")
        put(shell.folder / folder, "empty.md", "")
        assert shell.kb("ingest", folder).code == 1
    uri = str(shell.folder / "removed")
    listed = shell.kb("sources", "--json").json["sources"]
    assert [(source["uri"], source["documents"], source["configured"]) for source in listed] == [
        (str(shell.folder / "kept"), 2, False),
        (uri, 2, False),
    ]
    failed_with(shell.kb("sources", "remove", "nowhere"), 2, "kb sources lists")
    (shell.folder / "kb.toml").write_text(f'[[sources]]\nuri = "{uri}"\n')
    failed_with(shell.kb("sources", "remove", "removed"), 2, "kb.toml")
    (shell.folder / "kb.toml").unlink()

    gone = shell.kb("sources", "remove", "removed", "--json")
    assert (gone.code, gone.json) == (0, {"uri": uri, "documents": 2})
    assert (shell.folder / "removed" / "a.md").exists()
    status = shell.kb("status", "--json").json
    assert (status["documents"], status["vectors"], status["failed"]) == (2, 1, 1)
    assert [source["uri"] for source in status["sources"]] == [str(shell.folder / "kept")]
    assert shell.kb("audit", "--json").json["findings"] == []
    assert shell.kb("ingest", "--json").json["scanned"] == 2

    back = shell.kb("ingest", "removed", "--json")
    assert (back.json["new"], back.json["texts_embedded"]) == (2, 0)  # its vectors were kept


def test_down_on_a_home_without_servers_says_so(shell: Shell) -> None:
    answer = shell.kb("down", "--json")
    assert (answer.code, answer.json) == (0, {"stopped": []})
    helped = shell.kb("--help")
    assert helped.code == 0
    for command in ("ingest", "plan", "inspect", "search", "status", "sources", "failures", "audit"):
        assert command in helped.out


def test_a_generation_is_built_activated_gone_back_from_and_dropped(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text(DOCUMENT, encoding="utf-8")
    assert shell.kb("ingest", str(folder)).code == 0
    plan = shell.kb("plan", KB_DIMENSION="32")
    assert "run kb generations build --dimension 32" in plan.out + plan.err
    unfinished = shell.kb("generations", "activate", "g2")
    assert (unfinished.code, "there are: g1." in unfinished.err) == (2, True)
    assert shell.kb("generations", "build", "--dimension", "32", "--json").json["name"] == "g2"
    switch = shell.kb("generations", "activate", "g2")
    assert switch.code == 0
    assert "recall@10 of g2" in switch.out
    assert shell.kb("generations", "rollback", "--json").json["retired"] == "g2"
    assert shell.kb("generations", "drop", "g2", "--json").json["name"] == "g2"
    refused = shell.kb("generations", "drop", "g1")
    assert (refused.code, "activate another one" in refused.err) == (2, True)
    few = shell.kb("generations", "curve")
    assert (few.code, "needs 200 passages" in few.err) == (2, True)


def test_the_webhook_of_alerts_is_sent_a_test_and_its_address_is_not_said(shell: Shell) -> None:
    with alert_receiver() as receiver:
        address = {"KB_ALERTS__WEBHOOK_URL": f"{receiver.url}/{SECRET}"}
        assert shell.kb("alerts", "test", "--json", **address).json == {"sent_to": "127.0.0.1"}
        assert "this is a test" in receiver.messages[0]["text"]
        receiver.faults.append("500")
        refused = shell.kb("alerts", "test", **address)
        assert (refused.code, refused.err.count("\n")) == (3, 1)
        assert "answered 500" in refused.err
    nowhere = shell.kb("alerts", "test")
    assert nowhere.code == 2
    assert "KB_ALERTS__WEBHOOK_URL" in nowhere.err


def test_an_answer_is_printed_with_the_places_that_it_cites(shell: Shell) -> None:
    put(shell.folder / "documents", "policies/leave 年假.md", DOCUMENT)
    assert shell.kb("ingest", "documents").code == 0
    failed_with(shell.kb("answer", "年假"), 2, "KB_ANSWERS__URL")
    with chat_server() as chat:
        where = {"KB_ANSWERS__URL": chat.url, "KB_ANSWERS__MODEL": "m"}
        given = shell.kb("answer", "年假有几天", "--mode", "lexical", **where)
        assert (given.code, given.out) == (0, "员工每年享有十天年假。 [1]\n[1] policies/leave 年假.md\n")
        whole = shell.kb("answer", "年假有几天", "--json", "--mode", "lexical", **where).json
        assert whole["answer"]["sentences"] == [
            {"text": "员工每年享有十天年假。", "citations": [1], "starts_line": True}
        ]
        assert whole["hits"][0]["rank"] == 1
        chat.faults.append("500")
        failed = shell.kb("answer", "年假有几天", "--mode", "lexical", **where)
        assert (failed.code, failed.out.splitlines()[0]) == (3, "[1] policies/leave 年假.md")
        assert failed.err.startswith("The chat server failed")
