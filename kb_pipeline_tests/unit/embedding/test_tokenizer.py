"""Counting tokens by a model's own tokenizer, and by the estimate where there is none to trust."""

import logging
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from kb_pipeline.embedding.tokenizer import estimated_tokens, own_counter, token_counter

SAMPLE = "A sample: 样本。"
TEXTS = ["hello world", "权", "", "word " * 600, *["第三条　本办法所称关联交易。"] * 600]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a tokenizer.json that cuts texts at 8 tokens, as many do."""
    tokenizer = Tokenizer(WordLevel({"[BEGIN]": 0, "[END]": 1, "[UNKNOWN]": 2}, "[UNKNOWN]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing("[BEGIN] $A [END]", None, [("[BEGIN]", 0), ("[END]", 1)])
    tokenizer.enable_truncation(8)
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def sample_tokens(folder: Path) -> int:
    return own_counter(folder / "tokenizer.json")([SAMPLE])[0]


def test_every_token_counts_the_special_ones_too_and_nothing_is_cut(folder: Path, sample_tokens: int) -> None:
    counts = token_counter(str(folder), None, SAMPLE, sample_tokens)(TEXTS)
    assert counts[:4] == [4, 3, 2, 602]
    assert len(counts) == len(TEXTS)
    assert len(set(counts[4:])) == 1


def test_a_tokenizer_that_counts_otherwise_than_the_server_is_not_used(
    folder: Path, sample_tokens: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert token_counter(str(folder), None, SAMPLE, sample_tokens + 1) is estimated_tokens
    assert "counts otherwise than the server" in caplog.text


def test_a_tokenizer_that_cannot_be_read_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with caplog.at_level(logging.WARNING):
        assert token_counter(str(tmp_path), None, SAMPLE, 3) is estimated_tokens
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("location", [None, "", "an/unknown-model", "no name // at all", "/no/such/folder"])
def test_without_a_tokenizer_at_hand_tokens_are_estimated(location: str | None) -> None:
    assert token_counter(location, None, SAMPLE, 3) is estimated_tokens


def test_a_folder_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    assert token_counter(str(tmp_path), None, SAMPLE, 3) is estimated_tokens


@pytest.mark.parametrize("revision", [None, "0123abcd"])
def test_the_cache_of_the_hub_is_looked_into(
    folder: Path, sample_tokens: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--maker--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0123abcd")
    (cached / "snapshots" / "0123abcd").mkdir(parents=True)
    shutil.copy(folder / "tokenizer.json", cached / "snapshots" / "0123abcd")
    assert token_counter("maker/model", revision, SAMPLE, sample_tokens)(TEXTS[:2]) == [4, 3]
    assert token_counter("maker/model", "another", SAMPLE, sample_tokens) is estimated_tokens
