"""The folders of a home."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.services.daemon import EMBEDDING, last_lines, log_file
from kb_pipeline.services.embedding import ensure_embedding_server
from kb_pipeline.services.home import make_home

if TYPE_CHECKING:
    from pathlib import Path


def test_only_its_maker_can_look_into_a_home(tmp_path: Path) -> None:
    home = make_home(tmp_path / "new" / "home")
    for folder in (home, *home.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o750)
    assert stat.S_IMODE(make_home(tmp_path / "home").stat().st_mode) == 0o750


def test_a_file_in_the_way_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(SettingsError, match="KB_HOME"):
        make_home(tmp_path / "home")


def test_an_error_quotes_only_what_this_start_wrote(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write("one\n\ntwo\nthree\nfour\n")
    assert last_lines(log, offset) == "two | three | four"
    assert last_lines(tmp_path / "none") == ""


def test_an_owner_that_says_nothing_is_not_explained_by_an_older_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home")
    log_file(home, EMBEDDING).write_text("an older failure\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EmbeddingServerUnavailable, match="did not start; see its log") as caught:
        ensure_embedding_server(home, model=None, idle_seconds=60)
    assert "older" not in str(caught.value)
