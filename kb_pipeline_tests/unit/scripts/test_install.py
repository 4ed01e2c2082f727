"""What scripts/install.py decides before it installs anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # the script is not part of the installed package

from scripts import install


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KB_EMBEDDING_URL", "KB_SGLANG__MODEL", "KB_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".env", "KB_EMBEDDING_URL=http://gpu:30000/v1\n"),
        (".env", "# 显卡服务器\nexport KB_SGLANG__MODEL='/models/Qwen3-Embedding-4B'\n"),
        ("kb.toml", 'embedding_url = "http://gpu:30000/v1"\n'),
        ("kb.toml", '[sglang]\nport = 30001\nmodel = "Qwen/Qwen3-Embedding-4B"\n'),
        ("kb.toml", 'sglang.model = "Qwen/Qwen3-Embedding-4B"\n'),
    ],
)
def test_torch_is_not_needed_where_another_server_than_the_cpu_one_is_set(checkout: Path, file: str, text: str) -> None:
    (checkout / file).write_text(text, "utf-8")
    assert install.has_own_embedding_server()


@pytest.mark.parametrize("name", ["KB_EMBEDDING_URL", "KB_SGLANG__MODEL"])
def test_a_variable_counts_as_a_file_does(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not install.has_own_embedding_server()
    monkeypatch.setenv(name, "somewhere")
    assert install.has_own_embedding_server()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".env", "KB_EMBEDDING_URL=\nKB_HOME=/srv/kb\n"),
        (".env", "KB_SGLANG__MODEL=''\n# KB_EMBEDDING_URL=http://gpu:30000/v1\n"),
        ("kb.toml", 'embedding_url = ""\n[sglang]\nport = 30001\n'),
        ("kb.toml", '# [sglang]\n# model = "Qwen/Qwen3-Embedding-4B"\n'),
    ],
)
def test_what_is_empty_or_a_comment_names_no_server(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    (checkout / file).write_text(text, "utf-8")
    monkeypatch.setenv("KB_CONFIG", "")
    assert not install.has_own_embedding_server()


def test_a_settings_file_that_cannot_be_read_is_named_before_anything_is_installed(checkout: Path) -> None:
    (checkout / "kb.toml").write_text("embedding_url = http://gpu:30000/v1\n")
    with pytest.raises(install.Stop, match=r"kb\.toml cannot be read: .* Correct the file"):
        install.has_own_embedding_server()
