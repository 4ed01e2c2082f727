"""Training on a tiny model of Qwen3's architecture with random weights, made here."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

for package in ("torch", "transformers", "sentence_transformers", "peft"):
    pytest.importorskip(package, reason="needs the extra finetune")

# ruff: noqa: E402
from kb_pipeline.errors import SettingsError
from kb_pipeline.quality.tuning.adapter import trained_matrices, trained_parameters, with_adapter
from kb_pipeline.quality.tuning.examples import Example, Passage
from kb_pipeline.quality.tuning.folder import read_tuned, save_tuned
from kb_pipeline.quality.tuning.trainee import Trainee, load_trainee
from kb_pipeline.quality.tuning.training import Epoch, Trained, TuningSettings, embedded, train
from kb_pipeline_tests.tiny_qwen3 import WORDS, write_tiny_qwen3

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SETTINGS = TuningSettings(epochs=2, batch_size=16, learning_rate=0.005, dimensions=(32, 16), temperature=0.1)
PAGES = [f"{WORDS[number]} {WORDS[number + 1]}" for number in range(0, 60, 2)]
QUESTIONS = [f"where {page.split()[1]}" for page in PAGES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_qwen3(tmp_path_factory.mktemp("models") / "Tiny-Qwen3")


@pytest.fixture
def trainee(folder: Path) -> Trainee:
    return load_trainee(str(folder), device="cpu")


def examples(trainee: Trainee) -> list[Example]:
    vectors = embedded(trainee, PAGES, 16)
    pages = [Passage(text, vector) for text, vector in zip(PAGES, vectors, strict=True)]
    return [Example(question, pages[number], (pages[number - 1],)) for number, question in enumerate(QUESTIONS)] * 2


def hits(trainee: Trainee) -> Callable[[Callable[[Sequence[str]], NDArray[np.float32]]], float]:
    """The share of the questions whose page comes first, with the pages' vectors as they are now."""
    pages = embedded(trainee, PAGES, 16)
    return lambda embed: float(np.mean((embed(QUESTIONS) @ pages.T).argmax(1) == np.arange(len(PAGES))))


def tuned(trainee: Trainee, checkpoint: Path, settings: TuningSettings = SETTINGS, **options: Any) -> Trained:
    return train(trainee, examples(trainee), settings, measure=hits(trainee), checkpoint=checkpoint, **options)


def test_the_matrices_of_the_last_two_layers_are_named_in_full() -> None:
    assert trained_matrices("qwen3", 36, 2) == tuple(
        f"layers.{layer}.mlp.{name}_proj" for layer in (34, 35) for name in ("gate", "up", "down")
    )
    with pytest.raises(SettingsError, match=r"architecture gpt2 cannot be tuned; choose one of bert, qwen3"):
        trained_matrices("gpt2", 12, 2)


def test_only_the_named_matrices_of_the_last_two_layers_are_trained(trainee: Trainee) -> None:
    model = with_adapter(trainee.model, rank=4, last=2, seed=1)
    places = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in trained_parameters(model)}
    assert places == set(trained_matrices("qwen3", 3, 2))


def test_training_finds_more_and_leaves_the_model_at_the_best_scale(trainee: Trainee, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    measure = hits(trainee)
    result = train(
        trainee, examples(trainee), SETTINGS, measure=measure, checkpoint=tmp_path / "run.pt", report=epochs.append
    )
    assert tuple(epochs) == result.history
    assert result.gained
    assert measure(lambda texts: embedded(trainee, texts, 16)) == result.dev_by_scale[result.scale]
    assert result.dev_by_scale[result.scale] > result.history[0].dev


def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(folder: Path, tmp_path: Path) -> None:
    whole = load_trainee(str(folder), device="cpu")
    expected = tuned(whole, tmp_path / "whole.pt")

    class Killed(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        if epoch.number == 1 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            raise Killed

    with pytest.raises(Killed):
        tuned(load_trainee(str(folder), device="cpu"), tmp_path / "run.pt", report=kill)
    again = load_trainee(str(folder), device="cpu")
    assert tuned(again, tmp_path / "run.pt") == expected
    np.testing.assert_array_equal(embedded(again, QUESTIONS, 16), embedded(whole, QUESTIONS, 16))


def test_a_checkpoint_of_other_settings_is_refused(folder: Path, tmp_path: Path) -> None:
    tuned(load_trainee(str(folder), device="cpu"), tmp_path / "run.pt")
    other = dataclasses.replace(SETTINGS, learning_rate=0.001)
    with pytest.raises(SettingsError, match=r"of another training, .* remove it to start anew"):
        tuned(load_trainee(str(folder), device="cpu"), tmp_path / "run.pt", other)


@pytest.mark.parametrize("side", ["query", "both"])
def test_what_is_written_embeds_as_what_was_trained(trainee: Trainee, tmp_path: Path, side: str) -> None:
    settings = dataclasses.replace(SETTINGS, side=side)
    result = tuned(trainee, tmp_path / "run.pt", settings)
    model = save_tuned(trainee, result, settings, tmp_path / "spring", probes=QUESTIONS, facts={"examples": 60})
    again = read_tuned(tmp_path / "spring")
    assert again == model
    assert again.record["written_from_tuned"] < 1e-3 < again.record["written_from_base"]
    assert again.record["examples"] == 60
    if side == "both":
        assert json.loads((again.serve / "config.json").read_text())["architectures"] == ["Qwen3ForCausalLM"]
        assert again.serve.name == "Tiny-Qwen3"


@pytest.mark.parametrize("side", ["query", "both"])
def test_it_is_named_as_the_server_names_it_wherever_its_weights_are(folder: Path, tmp_path: Path, side: str) -> None:
    trainee = load_trainee("org/Named-Otherwise", device="cpu", weights=str(folder))
    settings = dataclasses.replace(SETTINGS, side=side)
    result = tuned(trainee, tmp_path / "run.pt", settings)
    model = save_tuned(trainee, result, settings, tmp_path / "spring", probes=QUESTIONS, facts={})
    assert model.base == "org/Named-Otherwise"
    assert model.serve.name == ("Named-Otherwise" if side == "both" else "adapter")


def test_a_folder_with_missing_files_is_one_sentence(trainee: Trainee, tmp_path: Path) -> None:
    result = tuned(trainee, tmp_path / "run.pt")
    model = save_tuned(trainee, result, SETTINGS, tmp_path / "spring", probes=QUESTIONS, facts={})
    (model.serve / "adapter_model.safetensors").unlink()
    with pytest.raises(SettingsError, match=r"lacks adapter_model.safetensors; restore the folder, or tune again"):
        read_tuned(tmp_path / "spring")
    with pytest.raises(SettingsError, match=r"There is no complete tuned model in .*; run `kb tune`"):
        read_tuned(tmp_path / "summer")
