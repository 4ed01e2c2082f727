"""Files of another machine: real servers of SFTP (asyncssh), WebDAV (wsgidav) and SMB (Samba) on this one."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import SettingsError, SourceUnavailable, UnreadableFile
from kb_pipeline.settings import SourceSettings, load_settings
from kb_pipeline.source import listing, shares
from kb_pipeline.source.kinds import Sources
from kb_pipeline.source.listing import Entry, Listing, entry_of
from kb_pipeline.source.selection import EVERYTHING, Selection
from kb_pipeline.source.shares import Share
from kb_pipeline_tests.file_servers import KINDS, PASSWORD, SERVERS, skip_without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# sshfs closes its connection when it is forgotten, which its event loop may only get to later.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "shared"
    found.mkdir()
    return found


@pytest.fixture(params=KINDS)
def share(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    """The folder, served by each kind of server."""
    kind: str = request.param
    skip_without(kind)
    monkeypatch.setenv("SHARE_PASSWORD", PASSWORD)
    with SERVERS[kind](folder) as (uri, home):
        if home is not None:
            monkeypatch.setenv("HOME", str(home))
        found = Share(uri, SourceSettings(uri=uri, secrets={"password": "SHARE_PASSWORD"}))
        yield found
        found._filesystem = None


def put(folder: Path, path: str, text: str = "text", seconds: int = 1_700_000_000) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (seconds, seconds))


def entries(found: Listing) -> dict[str, Entry]:
    return {entry.path: entry for entry in map(entry_of, found.signatures)}


def test_a_share_is_listed_read_and_followed(share: Share, folder: Path, tmp_path: Path) -> None:
    assert share.is_empty()
    for path in ("top.md", "hr/休假 1.md", "hr/old/rules.txt", ".hidden/x.md", "hr/~$open.docx", "hr/film.mp4"):
        put(folder, path, path)
    put(folder, "hr/休假 1.md.meta.yaml", "department: hr")
    selection = Selection(exclude=("old/",), unreadable=frozenset({".mp4"}))
    found = share.list_files(selection)
    assert set(entries(found)) == {"top.md", "hr/休假 1.md"}
    assert [entry_of(line).path for line in found.sidecars] == ["hr/休假 1.md.meta.yaml"]
    assert (found.skipped, found.unlisted) == ({".mp4": 1}, {})
    assert sorted(share.names("hr")) == sorted(os.listdir(folder / "hr"))  # noqa: PTH208
    content = "hr/休假 1.md".encode()
    assert share.read("hr/休假 1.md") == content
    assert share.hash("hr/休假 1.md") == hashlib.sha256(content).digest()
    assert share.read_start("hr/休假 1.md.meta.yaml", 10) == b"department"
    with share.copy("hr/休假 1.md", tmp_path) as copied:
        assert (copied.suffix, copied.read_bytes()) == (".md", content)
    with share.open("top.md") as file:
        assert file.read() == b"top.md"

    assert share.list_files(selection).signatures == found.signatures
    put(folder, "top.md", "TOP.md", seconds=1_700_000_001)
    (folder / "hr/休假 1.md").unlink()
    put(folder, "new.md")
    after = entries(share.list_files(selection))
    assert set(after) == {"top.md", "new.md"}
    assert after["top.md"] != entries(found)["top.md"]
    with pytest.raises(UnreadableFile):
        share.hash("hr/休假 1.md")


def test_a_large_file_comes_in_pieces(share: Share, folder: Path) -> None:
    data = os.urandom(3 << 20)
    (folder / "large.pdf").write_bytes(data)
    assert share.hash("large.pdf") == hashlib.sha256(data).digest()


def test_links_are_not_followed_over_sftp(share: Share, folder: Path, tmp_path: Path) -> None:
    if not share.uri.startswith("sftp"):
        pytest.skip("servers of the other protocols follow links themselves")
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "loop").symlink_to(folder)
    assert entries(share.list_files(EVERYTHING)) == {}


def test_a_folder_that_is_not_there_and_a_wrong_password_make_a_source_unavailable(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Share(share.uri + "/nowhere", share.own)
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        gone.list_files(EVERYTHING)
    monkeypatch.setenv("SHARE_PASSWORD", "wrong-hunter2")
    wrong = Share(share.uri.replace("127.0.0.1", "localhost"), share.own)
    with pytest.raises(SourceUnavailable) as caught:
        wrong.list_files(EVERYTHING)
    assert "hunter2" not in f"{caught.value} {wrong!r}"
    monkeypatch.delenv("SHARE_PASSWORD")
    with pytest.raises(SourceUnavailable, match="SHARE_PASSWORD, which is not set"):
        Share(share.uri, share.own).list_files(EVERYTHING)


def test_a_server_of_sftp_whose_key_is_unknown_is_refused(share: Share) -> None:
    if not share.uri.startswith("sftp"):
        pytest.skip("only SSH has keys of hosts")
    known = os.path.expanduser("~/.ssh/known_hosts")  # noqa: PTH111
    with open(known, "w") as file:  # noqa: PTH123
        file.write("")
    with pytest.raises(SourceUnavailable, match="known_hosts"):
        share.list_files(EVERYTHING)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_that_hangs_is_given_up_once(kind: str, deaf_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without(kind)
    monkeypatch.setattr(shares, "PATIENCE_SECONDS", 0.5)
    uri = f"{kind}://reader@127.0.0.1:{deaf_port}/documents"
    found = Share(uri, SourceSettings(uri=uri))
    with pytest.raises(SourceUnavailable):
        found.list_files(EVERYTHING)
    found._is_silent = True
    for path in ("a.md", "b.md"):
        with pytest.raises(UnreadableFile, match="does not answer"):
            found.hash(path)


class _Missing(importlib.abc.MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in {"sshfs", "webdav4", "smbclient", "smbprotocol", "gcsfs", "adlfs"}:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@pytest.mark.parametrize("scheme", ["sftp", "smb", "webdav", "webdavs", "gs", "abfs"])
def test_a_missing_package_is_an_extra_with_a_name(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [_Missing(), *sys.meta_path])
    for name in list(sys.modules):
        if name.partition(".")[0] in ("sshfs", "webdav4", "smbclient", "smbprotocol") or name.endswith(
            "implementations.smb"
        ):
            monkeypatch.delitem(sys.modules, name)
    listing._filesystem.cache_clear()
    extra = scheme.removesuffix("s") if scheme == "webdavs" else scheme
    uri = f"{scheme}://host/folder"
    place = Sources(load_settings(sources=[{"uri": uri}])).of(uri)
    with pytest.raises(SettingsError, match=rf"kb_pipeline\[{extra}\]"):
        place.list_files(EVERYTHING)
