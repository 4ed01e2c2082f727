"""What is launched and what is installed, as decisions over plain data."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.services.gpu import Card, parse_cards
from kb_pipeline.services.sglang import (
    ServedModel,
    folder_hash,
    launch_environment,
    launch_flags,
    redacted,
    wanted_model,
)
from kb_pipeline.services.sglang_install import Machine, refusal, releases
from kb_pipeline.settings import SglangSettings

CARD = Card("NVIDIA H100 80GB HBM3", "580.65.06", 81559, 0, 0)
ABLE = Machine("Linux", "x86_64", (3, 12), (2, 39), (CARD,), 100_000_000_000)
MODEL = ServedModel("Qwen3-Embedding-4B", "/models/Qwen3-Embedding-4B", "files-0123456789ab")


@pytest.mark.parametrize("version", releases())
def test_an_able_machine_is_not_refused(version: str) -> None:
    assert refusal(ABLE, releases()[version]) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cards": ()}, "needs an NVIDIA card"),
        ({"system": "Darwin", "architecture": "arm64"}, "this is Darwin on arm64"),
        ({"glibc": (2, 31)}, r"needs glibc 2\.34 or newer, and this system has 2\.31"),
        ({"glibc": ()}, "has another C library"),
        ({"python": (3, 14)}, r"needs Python 3\.10 to 3\.13, and this is 3\.14"),
        ({"cards": (replace(CARD, driver="550.54.15"),)}, "driver 580 or newer, and this is 550"),
        ({"cards": (CARD, replace(CARD, driver="550.54.15"))}, "driver 580 or newer, and this is 550"),
        ({"free_bytes": 3_000_000_000}, "needs 15 GB of disk, and KB_HOME has 3 GB left"),
    ],
)
def test_what_is_missing_for_an_installation_is_one_sentence_with_a_remedy(changes: dict[str, Any], said: str) -> None:
    sentence = refusal(replace(ABLE, **changes), releases()[SglangSettings().version])
    assert sentence is not None
    assert "; " in sentence
    assert sentence.endswith(".")
    assert re.search(said, sentence)


def test_an_older_release_runs_on_an_older_driver() -> None:
    old = replace(ABLE, cards=(replace(CARD, driver="550.54.15"),), glibc=(2, 31))
    assert refusal(old, releases()["0.5.5"]) is None


def test_the_release_that_is_installed_by_default_is_known_and_fits_the_extra() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())
    (extra,) = project["project"]["optional-dependencies"]["sglang"]
    default = SglangSettings().version
    assert default in releases()
    assert extra.endswith(f"<={default}")


def test_settings_become_flags_and_what_is_empty_is_left_to_sglang() -> None:
    settings = SglangSettings(tp=2, attention_backend="flashinfer", context_length=8192)
    assert launch_flags(settings, MODEL, "key") == {
        "model-path": "/models/Qwen3-Embedding-4B",
        "served-model-name": "Qwen3-Embedding-4B",
        "weight-version": "files-0123456789ab",
        "is-embedding": True,
        "enable-priority-scheduling": True,
        "sleep-on-idle": True,
        "host": "127.0.0.1",
        "port": 30000,
        "tp-size": 2,
        "dp-size": 1,
        "mem-fraction-static": 0.85,
        "attention-backend": "flashinfer",
        "max-queued-requests": 8192,
        "context-length": 8192,
        "api-key": "key",
    }


@pytest.mark.parametrize(
    "line",
    [
        "server_args=ServerArgs(model_path='m', api_key='s3cr3t', port=30000)",
        "server_args={'model_path': 'm', 'api_key': 's3cr3t', 'port': 30000}",
        'launch: --api-key "s3cr3t" --port 30000',
    ],
)
def test_the_key_is_taken_out_of_what_sglang_prints(line: str) -> None:
    shown = redacted(line, "s3cr3t")
    assert "s3cr3t" not in shown
    assert "30000" in shown


def test_the_key_of_another_time_is_taken_out_too() -> None:
    assert "old" not in redacted("ServerArgs(api_key='old', port=1)", None)


def test_sglang_is_given_neither_our_settings_nor_our_python() -> None:
    ours = {"PATH": "/bin", "KB_DATABASE_URL": "secret", "PYTHONPATH": "/here", "HF_TOKEN": "t", "CUDA_HOME": "/c"}
    given = launch_environment(ours, Path("/venv/bin/python"))
    assert given == {"PATH": "/venv/bin:/bin", "HF_TOKEN": "t", "CUDA_HOME": "/c"}


def test_a_model_folder_is_recognised_wherever_it_lies_until_its_weights_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / ".cache").mkdir(parents=True)
        (tmp_path / name / ".cache" / "lock").write_text(name)
        (tmp_path / name / "config.json").write_text("{}")
        with (tmp_path / name / "model.safetensors").open("wb") as file:
            file.truncate(100_000_000)
    one, two = tmp_path / "one", tmp_path / "two"
    assert folder_hash(one) == folder_hash(two)
    with (two / "model.safetensors").open("r+b") as file:
        file.seek(40_000_000)
        file.write(b"\1" * 50_000_000)  # one matrix
    assert folder_hash(one) != folder_hash(two)


def test_cards_are_read_and_what_one_does_not_tell_is_nought() -> None:
    answer = "NVIDIA H100 80GB HBM3, 580.65.06, 81559, 1024, 37\nNVIDIA A100 MIG 1g.5gb, 580.65.06, 4864, 12, [N/A]\n\n"
    assert parse_cards(answer) == [
        Card("NVIDIA H100 80GB HBM3", "580.65.06", 81559, 1024, 37),
        Card("NVIDIA A100 MIG 1g.5gb", "580.65.06", 4864, 12, 0),
    ]


def test_a_model_name_with_a_colon_is_refused_since_sglang_takes_it_for_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "model:v2").mkdir()
    with pytest.raises(SettingsError, match="KB_SGLANG__SERVED_MODEL_NAME"):
        wanted_model(tmp_path, SglangSettings(model=str(tmp_path / "model:v2")))
