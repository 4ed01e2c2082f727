"""Documents that come in over HTTP, and files that go out, over real HTTP and on a real disk."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from kb_pipeline.access import keys
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations import sources, uploads
from kb_pipeline.operations.uploads import Uploads
from kb_pipeline.source.listing import list_source
from kb_pipeline_tests.integration.web.serving import LARGEST_UPLOAD, NAMES, served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kb_pipeline_tests.instant_embedding_server import InstantServer

PUT = "/v1/collections/contracts/documents/lease.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def client(filled: str, embeddings: InstantServer, folder: Path) -> Iterator[httpx.Client]:
    header = key_for(filled, rights=("search", "read", "write", "original"), collections=("contracts",))
    with served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url), folder=folder) as client:
        client.headers.update(header)
        yield client


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def seen(url: str, folder: Path, name: str, **columns: Any) -> None:
    """What a run leaves in the ledger that saw the file."""
    file = folder / "contracts" / name
    values = {"size": file.stat().st_size, "modified_ns": file.stat().st_mtime_ns, "content_hash": b"h"} | columns
    names = ", ".join(values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO documents (source_id, path, shard_hash, collection, {names}) "  # noqa: S608
            f"SELECT id, 'contracts/' || %s, '00', 'contracts', {', '.join(['%s'] * len(values))} "
            "FROM sources WHERE uri = %s",
            (name, *values.values(), str(folder)),
        )


def test_a_document_is_waiting_then_loaded_then_leaving(client: httpx.Client, filled: str, folder: Path) -> None:
    answer = client.put(PUT, content=b"# Lease\n\nThe rent is due monthly.")
    assert answer.status_code == 202
    status = answer.headers["location"]
    assert answer.json()["state"] == "waiting"
    assert files(folder) == ["contracts/lease.md"]
    assert {line.split("\t")[0] for line in list_source(str(folder)).signatures} == {"contracts/lease.md"}
    seen(filled, folder, "lease.md", chunked_hash=b"h", chunked_extension="md")
    loaded = client.get(status).json()
    assert (loaded["state"], loaded["reason"]) == ("loaded", None)
    assert loaded["document_id"] is not None
    assert client.put(PUT, content=b"# Lease\n\nThe rent is due yearly, in January.").json()["state"] == "waiting"
    assert client.delete(PUT).json()["state"] == "leaving"
    assert client.get(status).json()["state"] == "leaving"
    assert client.delete(PUT).status_code == 404
    assert files(folder) == []


def test_why_a_document_failed_is_said(client: httpx.Client, filled: str, folder: Path) -> None:
    client.put(PUT, content=b"x")
    seen(filled, folder, "lease.md")
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO failures (document_id, stage, input_version, error, reason) "
            "SELECT id, 'chunks', 'v', 'EmptyDocument', 'The file holds no text.' FROM documents "
            "WHERE path = 'contracts/lease.md'"
        )
    failed = client.get(PUT).json()
    assert (failed["state"], failed["reason"]) == ("failed", "The file holds no text.")


REFUSED_NAMES = [
    "..",
    ".hidden.md",
    "a\\b.md",
    "a\0b.md",
    "a\nb.md",
    "x" * 198 + ".md",
    "名" * 70 + ".md",
    "CON.md",
    "nul",
    "lease.md ",
    "lease.md.",
    "~$lease.docx",
    "lease.tmp",
    "lease.md.meta.yaml",
    "_meta.yaml",
    "lease.exe",
    "lease",
]


def test_names_that_lead_elsewhere_or_nowhere_are_refused(client: httpx.Client, folder: Path, tmp_path: Path) -> None:
    for name in REFUSED_NAMES:
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        answer = client.put(f"/v1/collections/contracts/documents/{quoted}", content=b"x")
        assert answer.status_code in ({400, 202} if name == "lease" else {400, 404}), name
    for path in ("..%2F..%2Fetc/documents/x.md", "contracts/documents/..%2Fx.md", "contracts/documents/a%2Fb.md"):
        assert client.put(f"/v1/collections/{path}", content=b"x").status_code in {403, 404}
    assert set(files(tmp_path)) <= {"uploads/contracts/lease"}


def test_a_name_that_differs_by_capitals_is_a_conflict(client: httpx.Client, folder: Path) -> None:
    client.put(PUT, content=b"x")
    answer = client.put(PUT.replace("lease", "LEASE"), content=b"x")
    assert answer.status_code == 409
    assert "lease.md" in answer.json()["detail"]
    assert files(folder) == ["contracts/lease.md"]


def test_what_is_too_large_or_cut_off_leaves_nothing(client: httpx.Client, folder: Path) -> None:
    assert client.put(PUT).status_code == 400
    assert client.put(PUT, content=b"x" * (LARGEST_UPLOAD + 1)).status_code == 413
    pieces = (b"x" * 4096 for _ in range(LARGEST_UPLOAD // 4096 + 1))
    assert client.put(PUT, content=pieces).status_code == 413  # without saying so beforehand
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=60) as connection:
        head = f"PUT {PUT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {client.headers['authorization']}\r\n"
        connection.sendall(f"{head}content-length: 100\r\nexpect: 100-continue\r\n\r\n".encode())
        assert b"100" in connection.recv(100)  # the server is at the body
        connection.sendall(b"half a document")
    assert client.put(PUT, content=b"whole").status_code == 202
    assert [file for file in files(folder) if uploads.PARTIAL not in file] == ["contracts/lease.md"]
    assert (folder / "contracts" / "lease.md").read_bytes() == b"whole"


def test_the_description_says_how_much_may_be_sent_and_what_is_answered_beyond(client: httpx.Client) -> None:
    described = client.get("/v1/openapi.json").json()["paths"]["/v1/collections/{collection}/documents/{name}"]
    body = described["put"]["requestBody"]["content"]["application/octet-stream"]["schema"]
    assert (body["minLength"], body["maxLength"]) == (1, LARGEST_UPLOAD)
    assert {"202", "400", "408", "409", "413", "507", "default"} <= described["put"]["responses"].keys()
    assert {"404", "409", "413"} <= described["delete"]["responses"].keys()
    too_large = described["put"]["responses"]["413"]["content"]
    assert list(too_large) == ["application/problem+json"]


def test_what_died_on_the_way_is_removed_at_the_next_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / ".upload-x1").write_bytes(b"half")
    owned = Uploads(folder, 10, lambda: NAMES)
    owned.remove_partial()
    assert files(folder) == ["contracts/.upload-x1"]  # it may be on its way
    monkeypatch.setattr(uploads, "STALE_SECONDS", -1)
    owned.remove_partial()
    assert files(folder) == []


def test_a_key_writes_only_to_its_collections_and_only_with_the_right(
    client: httpx.Client, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "YOUNGEST", 0.0)  # a new key is known at once
    other = client.put("/v1/collections/policies/documents/x.md", content=b"x")
    assert (other.status_code, "may not write" in other.text) == (403, True)
    reader = key_for(filled, "reader-2", rights=("search", "read"))
    assert client.put(PUT, content=b"x", headers=reader).status_code == 403
    assert client.get("/v1/documents/2/original", headers=reader).status_code == 403


def test_a_document_of_a_source_is_not_removed(client: httpx.Client, filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("UPDATE generation_1 SET source_file = 'contracts/contract.pdf' WHERE document_id = 2")
    answer = client.delete("/v1/collections/contracts/documents/contract.pdf")
    assert answer.status_code == 409
    assert "source folder" in answer.json()["detail"]


def test_a_source_around_the_home_is_no_conflict_with_its_uploads(tmp_path: Path) -> None:
    home = tmp_path / ".kb"
    known = [str(home / "uploads")]
    assert sources.resolve(str(tmp_path), known, home) == (str(tmp_path), "")
    with pytest.raises(SettingsError, match="twice"):
        sources.resolve(str(tmp_path), known)


def test_a_file_is_sent_as_it_is_while_it_is_what_was_read(client: httpx.Client, filled: str, tmp_path: Path) -> None:
    file = tmp_path / "合同 1.pdf"
    file.write_bytes(b"%PDF-1.7 call 13812345678")
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("UPDATE sources SET uri = %s", (str(tmp_path),))
        connection.execute(
            "UPDATE documents SET path = %s, chunked_hash = sha256(%s) WHERE id = 2", (file.name, file.read_bytes())
        )
    answer = client.get("/v1/documents/2/original")
    assert answer.content == file.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "filename*=UTF-8''%E5%90%88%E5%90%8C%201.pdf" in answer.headers["content-disposition"]
    assert client.get("/v1/documents/1/original").status_code == 404  # of another collection
    file.write_bytes(b"%PDF-1.7 call nobody")
    assert client.get("/v1/documents/2/original").status_code == 409
    file.unlink()
    assert client.get("/v1/documents/2/original").status_code == 410
