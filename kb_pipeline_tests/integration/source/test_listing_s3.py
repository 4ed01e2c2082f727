"""Listing a bucket: moto's server speaks S3 over HTTP, s3fs is the real client."""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import os
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kb_pipeline.errors import SettingsError, SourceUnavailable, UnreadableFile
from kb_pipeline.source import listing
from kb_pipeline.source.diff import DeletionGuard, KnownDocument, SourceDiff, diff
from kb_pipeline.source.listing import (
    Entry,
    entry_of,
    hash_file,
    list_source,
    local_copy,
    read_start,
    remove_leftovers,
    settle,
)
from kb_pipeline.source.selection import Selection
from kb_pipeline.system.scratch import owned_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "company"
URI = f"s3://{BUCKET}/documents"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The contents of a fresh bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "invented")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "invented")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    listing._filesystem.cache_clear()
    found = boto3.resource("s3").Bucket(BUCKET)
    found.create()
    yield found
    found.objects.delete()
    found.delete()
    listing._filesystem.cache_clear()


def put(bucket: Any, path: str, content: bytes) -> None:
    bucket.put_object(Key=f"documents/{path}", Body=content)


def entries() -> dict[str, Entry]:
    return {entry.path: entry for entry in map(entry_of, list_source(URI).signatures)}


class Ledger:
    """What a ledger would know after a scan: signatures and content hashes."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, bytes]] = {}

    def scan(self) -> SourceDiff:
        found = entries()
        listed = {entry.signature for entry in found.values()}
        known = {signature for signature, _ in self.known.values()}
        at_rest, writing = settle(URI, [entry_of(line) for line in listed - known])
        missing = {
            path: KnownDocument(number, path, entry_of(signature).size, digest)
            for number, (path, (signature, digest)) in enumerate(sorted(self.known.items()))
            if signature not in listed
        }
        result = diff(
            scanned=len(found),
            differing=at_rest + writing,
            writing=writing,
            missing=missing,
            known_count=len(self.known),
            unlisted=[],
            content_hash=lambda entry: hash_file(URI, entry.path),
            guard=DeletionGuard(50, 0.2),
        )
        self.known = {path: (entry.signature, hash_file(URI, path)) for path, entry in found.items()}
        return result


def test_a_bucket_is_followed_by_etag_through_every_kind_of_change(bucket: Any) -> None:
    ledger = Ledger()
    put(bucket, "contracts/合同 1.md", b"one")
    put(bucket, "policies/leave.md", b"two")
    put(bucket, "policies/gone.md", b"three")
    bucket.put_object(Key="documents-of-others/x.md", Body=b"not below the prefix")
    first = ledger.scan()
    assert {entry.path for entry in first.new} == {"contracts/合同 1.md", "policies/leave.md", "policies/gone.md"}
    assert all(entry.etag and entry.modified_ns is None for entry in first.new)

    put(bucket, "policies/leave.md", b"two")  # uploaded again, the same bytes
    assert ledger.scan().is_clean

    put(bucket, "policies/leave.md", b"TWO")
    put(bucket, "contracts/2024/合同 1.md", b"one")
    bucket.Object("documents/contracts/合同 1.md").delete()
    bucket.Object("documents/policies/gone.md").delete()
    put(bucket, "fresh.md", b"four")
    found = ledger.scan()
    assert [change.entry.path for change in found.changed] == ["policies/leave.md"]
    assert [(m.document.path, m.entry.path) for m in found.moved] == [
        ("contracts/合同 1.md", "contracts/2024/合同 1.md")
    ]
    assert [document.path for document in found.deleted] == ["policies/gone.md"]
    assert [entry.path for entry in found.new] == ["fresh.md"]
    assert ledger.scan().is_clean


def test_objects_that_are_no_documents_are_left_out(bucket: Any) -> None:
    for path in ("kept.md", "folder/", ".hidden/x.md", "sub/~$open.docx", "upload.part", "empty.md"):
        put(bucket, path, b"" if path in ("folder/", "empty.md") else b"x")
    assert set(entries()) == {"kept.md", "empty.md"}
    assert list_source(URI).ignored == 3


def test_an_object_is_fetched_for_as_long_as_it_is_parsed(bucket: Any, tmp_path: Path) -> None:
    put(bucket, "a/b c.md", b"text")
    assert hash_file(URI, "a/b c.md") == hashlib.sha256(b"text").digest()
    with local_copy(URI, "a/b c.md", tmp_path) as path:
        assert (path.suffix, path.read_bytes()) == (".md", b"text")
    assert list(tmp_path.iterdir()) == []


def test_downloads_of_killed_processes_are_removed_and_others_are_not(bucket: Any, tmp_path: Path) -> None:
    put(bucket, "a.md", b"text")
    abandoned, lock = owned_folder(tmp_path, listing.FETCHED_PREFIX)
    os.close(lock)  # as the kernel does for a killed process
    (abandoned / "download.md").write_text("unmasked")
    with local_copy(URI, "a.md", tmp_path) as path:
        remove_leftovers(tmp_path)
        assert path.read_bytes() == b"text"
        assert not abandoned.exists()


def test_an_object_that_vanished_is_unreadable(bucket: Any, tmp_path: Path) -> None:
    put(bucket, "other.md", b"x")
    with pytest.raises(UnreadableFile):
        hash_file(URI, "gone.md")
    with pytest.raises(UnreadableFile), local_copy(URI, "gone.md", tmp_path):
        pytest.fail("there is nothing to parse")
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_that_is_not_there_is_unavailable(bucket: Any) -> None:
    for uri in ("s3://no-such-bucket", "s3://no-such-bucket/documents"):
        with pytest.raises(SourceUnavailable, match="no-such-bucket"):
            list_source(uri)


def test_an_empty_prefix_of_a_bucket_is_an_empty_source(bucket: Any) -> None:
    assert list_source(URI).signatures == frozenset()


def test_a_server_that_does_not_answer_is_unavailable(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    listing._filesystem.cache_clear()
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        list_source(URI)
    s3fs.S3FileSystem.clear_instance_cache()


class _Missing(importlib.abc.MetaPathFinder):
    """Makes a package look as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def test_a_missing_s3fs_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Missing("s3fs"), *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "s3fs"]:
        monkeypatch.delitem(sys.modules, name)
    listing._filesystem.cache_clear()
    with pytest.raises(SettingsError, match=r"kb_pipeline\[s3\]"):
        list_source("s3://bucket/x")


def test_an_address_of_an_unknown_kind_is_a_wrong_call() -> None:
    with pytest.raises(SettingsError, match="unknown kind"):
        list_source("nosuch://bucket/x")


def test_sidecars_and_manifests_are_listed_apart_and_read(bucket: Any) -> None:
    for path in ("a.pdf", "a.pdf.meta.yaml", "p/_meta.json", "p/index.csv", "p/b.csv", "old/c.pdf.meta.yaml"):
        put(bucket, path, b"tag: x")
    selection = Selection(include=("*.pdf", "*.csv"), exclude=("old/",), manifests=frozenset({"p/index.csv"}))
    found = list_source(URI, selection)
    assert {entry_of(line).path for line in found.signatures} == {"a.pdf", "p/b.csv"}
    described = {entry_of(line).path: entry_of(line) for line in found.sidecars}
    assert set(described) == {"a.pdf.meta.yaml", "p/_meta.json", "p/index.csv"}
    assert all(entry.etag and entry.size == 6 for entry in described.values())
    assert read_start(URI, "a.pdf.meta.yaml", 3) == b"tag"
    with pytest.raises(UnreadableFile, match="vanished"):
        read_start(URI, "none.pdf.meta.yaml", 3)
