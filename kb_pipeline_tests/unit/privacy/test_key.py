from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.privacy.key import KEY_FILE, load_or_create_key


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    key = load_or_create_key(home)
    assert len(key) == 32
    assert load_or_create_key(home) == key
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_many_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: load_or_create_key(tmp_path), range(64)))
    assert len(keys) == 1


def test_a_given_key_comes_first(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path, "ab" * 32) == b"\xab" * 32
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("content", ["", "secret", "ab" * 31, "zz" * 32])
def test_a_malformed_key_is_named_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(SettingsError, match="64 hex digits") as error:
        load_or_create_key(tmp_path)
    assert not content or content not in str(error.value)


def test_a_home_that_cannot_hold_a_key_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="permissions"):
        load_or_create_key(tmp_path / "file" / "home")
