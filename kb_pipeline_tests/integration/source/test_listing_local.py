"""Listing real folders, with names and faults as file servers have them."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import unicodedata
import warnings
from pathlib import Path

import pytest

from kb_pipeline.errors import SourceUnavailable, UnreadableFile
from kb_pipeline.source import listing
from kb_pipeline.source.boundary import Boundary
from kb_pipeline.source.listing import (
    LONGEST_PATH,
    Entry,
    Listing,
    canonical_uri,
    entry_of,
    hash_file,
    is_folder,
    list_source,
    local_copy,
    settle,
)
from kb_pipeline.source.selection import Selection

NFC = unicodedata.normalize("NFC", "café é")
NFD = unicodedata.normalize("NFD", "café é")
NAMES = [
    "plain.md",
    "a/nested/合同 2024.md",
    "with space .txt",
    "'single' \"double\" `back`.txt",
    "new\nline.txt",
    "tab\tand\ttabs.txt",
    "back\\slash.txt",
    "$(rm -rf).txt",
    "%s {name}.txt",
    "; DROP TABLE documents; --.txt",
    f"{NFC}.txt",
    f"{NFD}.txt",
    "😀.txt",
    "no_extension",
    "empty.txt",
]


def entries(listing: Listing) -> dict[str, Entry]:
    return {entry.path: entry for entry in map(entry_of, listing.signatures)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def write(root: Path, name: str, content: bytes = b"x", *, modified_ns: int = 1_700_000_000_123_456_789) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, ns=(modified_ns, modified_ns))
    return file


def test_every_name_is_listed_as_it_is_and_can_be_read(root: Path) -> None:
    for number, name in enumerate(NAMES):
        write(root, name, b"" if name == "empty.txt" else b"%d" % number)
    found = entries(list_source(str(root)))
    assert set(found) == set(NAMES)
    assert found["empty.txt"].size == 0
    assert found["plain.md"].modified_ns == 1_700_000_000_123_456_789
    for name in NAMES:
        content = (root / name).read_bytes()
        assert hash_file(str(root), name) == hashlib.sha256(content).digest()


def test_composed_and_decomposed_names_are_two_files(root: Path) -> None:
    assert NFC != NFD
    write(root, NFC, b"one")
    write(root, NFD, b"two")
    assert set(entries(list_source(str(root)))) == {NFC, NFD}


def test_an_undecodable_name_is_listed_and_says_what_is_wrong_when_read(root: Path) -> None:
    write(root, os.fsdecode(b"caf\xe9.txt"))
    assert list(entries(list_source(str(root)))) == ["caf\\xe9.txt"]
    with pytest.raises(UnreadableFile, match="not valid UTF-8"):
        hash_file(str(root), "caf\\xe9.txt")


def test_an_undecodable_folder_that_is_a_loop_is_named_in_storable_text(root: Path) -> None:
    (root / os.fsdecode(b"\xff")).symlink_to(os.fsdecode(b"\xff"))
    assert list(list_source(str(root)).unlisted) == ["\\xff"]


def test_temporary_and_hidden_files_are_ignored_whatever_their_case(root: Path) -> None:
    ignored = [
        *("~$report.docx", "~WRL0001.tmp", "a.part", "b.TMP", "c.tmp", "d.crdownload", "e.swp", "f.Part"),
        *(".hidden", ".git/config", "backup.txt~", "Thumbs.db", "THUMBS.DB", "desktop.ini", "sub/~$x.xlsx"),
    ]
    for name in [*ignored, "kept.md", "part", "tmp.txt", "x.tmpl", "a.part.md", "~kept.md", "sub/db"]:
        write(root, name)
    listing = list_source(str(root))
    assert set(entries(listing)) == {"kept.md", "part", "tmp.txt", "x.tmpl", "a.part.md", "~kept.md", "sub/db"}
    assert listing.ignored == len(ignored)
    assert not listing.unlisted


def test_links_within_the_source_are_followed_and_loops_end(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "far.md", b"far")
    write(root, "a/file.md", b"near")
    (root / "a/up").symlink_to(root)
    (root / "a/self").symlink_to(root / "a")
    (root / "b").mkdir()
    (root / "b/to_a").symlink_to(root / "a")
    (root / "linked").symlink_to(outside)
    (root / "file_link.md").symlink_to(root / "a/file.md")
    (root / "dangling.md").symlink_to(root / "nowhere")
    found = entries(list_source(str(root)))
    assert set(found) == {"a/file.md", "b/to_a/file.md", "file_link.md"}
    assert found["file_link.md"].size == 4
    followed = entries(list_source(str(root), boundary=Boundary(follow_links=True)))
    assert set(followed) == {*found, "linked/far.md"}


def test_the_own_home_is_never_read_wherever_it_lies(root: Path) -> None:
    home = root / ".." / "root" / "state"
    write(root, "state/privacy.key")
    write(root, "kept.md")
    (root / "key.md").symlink_to(root / "state/privacy.key")
    (root / "other").symlink_to(root / "state")
    for follow_links in (False, True):
        boundary = Boundary(home.resolve(), follow_links=follow_links)
        assert set(entries(list_source(str(root), boundary=boundary))) == {"kept.md"}
    with pytest.raises(SourceUnavailable, match="lies in KB_HOME"):
        list_source(str(root / "state"), boundary=boundary)


def test_opening_what_became_a_pipe_never_waits(root: Path) -> None:
    os.mkfifo(root / "pipe.md")
    with pytest.raises(UnreadableFile, match="no regular file"):
        hash_file(str(root), "pipe.md")


def test_a_share_that_does_not_answer_costs_its_time_limit_and_no_more(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a.md")
    answer = threading.Event()
    monkeypatch.setattr(listing, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(listing, "open_regular", lambda _: answer.wait())
    with pytest.raises(UnreadableFile, match="does not answer"):
        hash_file(str(root), "a.md")
    answer.set()


def test_a_share_that_falls_silent_while_it_is_listed_is_unavailable(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a.md")
    answer = threading.Event()
    monkeypatch.setattr(listing, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("kb_pipeline.source.walk.os.scandir", lambda _: answer.wait())
    with pytest.raises(SourceUnavailable, match="does not answer"):
        list_source(str(root))
    answer.set()


def test_a_share_that_does_not_answer_keeps_its_name_and_is_no_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(listing, "PATIENCE_SECONDS", 0.1)
    for method in ("resolve", "is_dir"):
        monkeypatch.setattr(Path, method, lambda _: answer.wait())
    assert canonical_uri(str(root)) == str(root)
    with pytest.raises(SourceUnavailable, match="does not answer"):
        is_folder(str(root))
    answer.set()


def test_a_name_that_is_written_out_as_another_files_name_gets_a_number_and_cannot_be_read(root: Path) -> None:
    write(root, os.fsdecode(b"caf\xe9.txt"))
    write(root, "caf\\xe9.txt", b"the one with a backslash")
    found = entries(list_source(str(root)))
    assert found["caf\\xe9.txt"].size == len("the one with a backslash")
    assert set(found) == {"caf\\xe9.txt", "caf\\xe9 [2].txt"}
    with pytest.raises(UnreadableFile, match="not valid UTF-8"):
        hash_file(str(root), "caf\\xe9 [2].txt")


def test_a_link_to_itself_cannot_be_looked_at(root: Path) -> None:
    (root / "loop.md").symlink_to("loop.md")
    write(root, "kept.md")
    listing = list_source(str(root))
    assert set(entries(listing)) == {"kept.md"}
    assert list(listing.unlisted) == ["loop.md"]


def test_what_is_no_file_is_left_alone(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root)  # socket addresses are short
        server.bind("socket")
        write(root, "kept.md")
        listing = list_source(str(root))
    assert set(entries(listing)) == {"kept.md"}
    assert not listing.unlisted


def test_a_folder_too_deep_for_the_system_is_unlisted_and_the_rest_goes_on(root: Path) -> None:
    deep = root
    here = os.open(root, os.O_RDONLY)
    try:
        for _ in range(20):  # 20 × 250 bytes exceed PATH_MAX
            os.mkdir("d" * 250, dir_fd=here)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
            deep = deep / ("d" * 250)
    finally:
        os.close(here)
    write(root, "kept.md")
    listing = list_source(str(root))
    assert set(entries(listing)) == {"kept.md"}
    assert len(listing.unlisted) == 1
    assert next(iter(listing.unlisted)).startswith("dddd")


def test_a_path_that_an_index_cannot_hold_is_unlisted(root: Path) -> None:
    folder = "/".join(["合" * 80] * 9)
    write(root, f"{folder}/x.md")
    write(root, "kept.md")
    listing = list_source(str(root))
    assert set(entries(listing)) == {"kept.md"}
    assert listing.unlisted == {f"{folder}/x.md": f"the path is longer than {LONGEST_PATH:,} bytes"}


def _as_nobody(root: Path, secret: str) -> tuple[Listing, str]:
    """List `root` and read `secret` in a child process without root's powers."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside pytest-xdist's threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(root)  # the folders above may be private
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            listing = list_source(".")
            try:
                hash_file(".", secret)
                said = "read"
            except UnreadableFile as error:
                said = str(error)
            os.write(writer, json.dumps([sorted(listing.signatures), listing.unlisted, said]).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    assert os.waitpid(child, 0)[1] == 0
    signatures, unlisted, said = json.loads(answer)
    return Listing(str(root), frozenset(signatures), unlisted), said


def test_an_unreadable_folder_is_unlisted_and_an_unreadable_file_says_so(root: Path) -> None:
    root.chmod(0o755)
    write(root, "closed/inside.md")
    write(root, "secret.md").chmod(0)
    (root / "closed").chmod(0)
    try:
        listing, said = _as_nobody(root, "secret.md")
    finally:
        (root / "closed").chmod(0o755)
    assert set(entries(listing)) == {"secret.md"}
    assert listing.unlisted == {"closed/": "Permission denied"}
    assert "Permission denied" in said


@pytest.mark.parametrize("make", ["nothing", "a file", "a link to itself"])
def test_a_root_that_is_no_folder_is_unavailable(tmp_path: Path, make: str) -> None:
    root = tmp_path / "root"
    if make == "a file":
        root.write_text("x")
    if make == "a link to itself":
        root.symlink_to(root)
    with pytest.raises(SourceUnavailable, match="root"):
        list_source(str(root))


def test_a_file_that_still_grows_waits_and_one_at_rest_does_not(root: Path) -> None:
    growing = root / "growing.log"
    stop = threading.Event()
    started = threading.Event()

    def append() -> None:
        with growing.open("ab") as file:
            while not stop.wait(0.02):
                file.write(b"line\n")
                file.flush()
                started.set()

    write(root, "old.md")
    writer = threading.Thread(target=append)
    writer.start()
    try:
        assert started.wait(10)
        (root / "fresh.md").write_bytes(b"complete")
        at_rest, writing = settle(str(root), entries(list_source(str(root))).values())
    finally:
        stop.set()
        writer.join()
    assert {entry.path for entry in at_rest} == {"old.md", "fresh.md"}
    assert {entry.path for entry in writing} == {"growing.log"}


def test_a_file_that_vanishes_while_it_is_looked_at_waits(root: Path) -> None:
    (root / "gone.md").write_bytes(b"x")
    found = list(entries(list_source(str(root))).values())
    (root / "gone.md").unlink()
    assert settle(str(root), found) == ([], found)
    with pytest.raises(UnreadableFile, match="vanished"):
        hash_file(str(root), "gone.md")


def test_a_local_file_is_parsed_where_it_lies(root: Path, tmp_path: Path) -> None:
    write(root, "a/b.md", b"text")
    with local_copy(str(root), "a/b.md", tmp_path) as path:
        assert path == root / "a/b.md"


def test_what_is_not_selected_is_not_listed_and_what_nobody_can_read_is_counted(tmp_path: Path) -> None:
    for name in ("a.md", "film.mp4", "x/Film.MP4", "x/setup.exe", "drafts/b.md", "node_modules/c/d.md", "e.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "node_modules").chmod(0)
    selection = Selection(exclude=("drafts/", "node_modules"), unreadable=frozenset({".mp4", ".exe"}))
    listing = list_source(str(tmp_path), selection)
    (tmp_path / "node_modules").chmod(0o700)
    assert list(entries(listing)) == ["a.md"]
    assert (listing.unlisted, listing.ignored) == ({}, 3)
    assert dict(listing.skipped) == {".mp4": 2, ".exe": 1}
    only = list_source(str(tmp_path), Selection(include=("drafts/*.md",)))
    assert list(entries(only)) == ["drafts/b.md"]


def test_sidecars_and_manifests_are_no_documents_and_never_unreadable(tmp_path: Path) -> None:
    for path in ("a.exe.meta.yaml", "p/_META.YML", "p/index.csv", "p/meta.yaml", "drafts/_meta.yaml", ".x.meta.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("tag: x")
    selection = Selection(("*.yaml",), ("drafts/",), frozenset({".yaml"}), frozenset({"p/index.csv"}))
    found = list_source(str(tmp_path), selection)
    assert {entry_of(line).path for line in found.sidecars} == {"a.exe.meta.yaml", "p/_META.YML", "p/index.csv"}
    assert found.signatures == frozenset()
    assert found.skipped == {".yaml": 1}
