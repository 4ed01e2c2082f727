"""Paths, signatures and shards; listing itself is tested on real folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.errors import SettingsError
from kb_pipeline.source.listing import (
    Entry,
    canonical_uri,
    collection_of,
    entry_of,
    is_local,
    shard_hash,
    shard_names,
)
from kb_pipeline.source.walk import printable_path


@given(
    path=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
    size=st.integers(0, 2**60),
    modified=st.none() | st.integers(1, 2**62),
    etag=st.none() | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1),
)
def test_a_signature_holds_all_that_a_listing_says(
    path: str, size: int, modified: int | None, etag: str | None
) -> None:
    entry = Entry(path, size, modified, etag)
    assert entry_of(entry.signature) == entry


@pytest.mark.parametrize(
    ("path", "collection"),
    [("a.md", "default"), ("contracts/a.md", "contracts"), ("合同/2024/a.md", "合同"), ("x y/a", "x y")],
)
def test_first_level_folders_are_collections(path: str, collection: str) -> None:
    assert collection_of(path) == collection


def test_a_local_source_is_known_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "文 件"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(folder)
    for spelling in ("文 件", "./文 件/", str(folder), f"file://{folder}", "~/文 件", "link", "文 件/../文 件/."):
        assert canonical_uri(spelling) == str(folder)
        assert is_local(canonical_uri(spelling))


def test_a_bucket_is_known_without_a_trailing_slash() -> None:
    assert canonical_uri("s3://bucket/prefix/") == "s3://bucket/prefix"
    assert not is_local("s3://bucket/prefix")


@pytest.mark.parametrize("uri", ["", "  ", "a\0b", "~nobody-of-this-name/x"])
def test_what_names_no_place_is_a_wrong_call(uri: str) -> None:
    with pytest.raises(SettingsError):
        canonical_uri(uri)


def test_undecodable_bytes_of_a_name_are_written_out() -> None:
    raw = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    assert printable_path(raw) == "caf\\xe9.txt"
    assert printable_path("café 合同") == "café 合同"


def test_every_document_has_a_shard_among_the_names() -> None:
    for digits, count in ((1, 16), (2, 256)):
        names = shard_names(digits)
        assert names == sorted(set(names))
        assert len(names) == count
        found = {shard_hash("/docs", f"{number}.md")[:digits] for number in range(4000)}
        assert found == set(names)


def test_the_same_path_of_two_sources_is_in_shards_of_their_own() -> None:
    paths = [f"{number}.md" for number in range(200)]
    assert [shard_hash("/a", path) for path in paths] != [shard_hash("/b", path) for path in paths]
