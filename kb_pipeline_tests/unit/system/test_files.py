"""Files are whole or old, and nobody waits for one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kb_pipeline.system.files import in_time, open_regular, write_atomically
from kb_pipeline.system.scratch import owned_folder, remove_stale_folders, scratch_folder


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\udc80")
    write_atomically(path, b"new", mode=0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("device", ["pipe", "/dev/zero", "."])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, device: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"no regular file|Is a directory"):
        open_regular(tmp_path / device)


def test_what_takes_too_long_is_left_behind_and_what_fails_fails() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        in_time(never.wait, 0.01)
    never.set()
    assert in_time(lambda: 7, 60) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        in_time(lambda: int("x"), 60)


def test_folders_without_an_owner_are_removed_and_others_are_not(tmp_path: Path) -> None:
    abandoned, lock = owned_folder(tmp_path, "kb-")
    os.close(lock)
    (tmp_path / "kb-being-made").mkdir()
    (tmp_path / "other").mkdir()
    with scratch_folder(tmp_path, "kb-") as folder:
        remove_stale_folders(tmp_path, "kb-")
        assert folder.is_dir()
        assert not abandoned.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"kb-being-made", "other"}
