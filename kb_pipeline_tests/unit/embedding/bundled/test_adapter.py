from pathlib import Path

import numpy as np
import pytest

from kb_pipeline.embedding.bundled.encoder import BundledEncoder
from kb_pipeline.embedding.encoder import load_encoder
from kb_pipeline.errors import SettingsError
from kb_pipeline_tests.adapters import write_adapter

TEXTS = ["query: 年假有多少天？", "query: How are overdue invoices handled?"]


@pytest.fixture(scope="module")
def base() -> BundledEncoder:
    return BundledEncoder(1)


def vectors(encoder: object) -> np.ndarray:
    assert isinstance(encoder, BundledEncoder)
    return encoder.encode(encoder.tokenize(TEXTS))


def test_an_adapter_changes_the_vectors_of_its_own_copy_alone(base: BundledEncoder, tmp_path: Path) -> None:
    before = vectors(base)
    tuned = base.adapted(write_adapter(tmp_path / "tuned"))
    assert np.einsum("ij,ij->i", vectors(tuned), before).max() < 0.999
    np.testing.assert_array_equal(vectors(base), before)
    assert tuned.weight_version != base.weight_version


def test_an_adapter_of_zeros_changes_nothing(base: BundledEncoder, tmp_path: Path) -> None:
    tuned = base.adapted(write_adapter(tmp_path / "tuned", size=0))
    np.testing.assert_allclose(vectors(tuned), vectors(base), atol=1e-6)


def test_a_folder_with_an_adapter_is_a_model(base: BundledEncoder, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "multilingual-e5-small")
    np.testing.assert_array_equal(vectors(load_encoder(str(folder), threads=1)), vectors(base.adapted(folder)))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), r"adapter_model.safetensors cannot be read"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"{}"), r"cannot be read .*; tune again"),
        (lambda folder: (folder / "adapter_config.json").write_text("["), r"adapter_config.json cannot be read"),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), r"adapter_config.json holds no settings"),
    ],
    ids=["no matrices", "damaged matrices", "damaged settings", "settings of another form"],
)
def test_a_damaged_adapter_is_one_sentence(base: BundledEncoder, tmp_path: Path, damage: object, sentence: str) -> None:
    folder = write_adapter(tmp_path / "tuned")
    assert callable(damage)
    damage(folder)
    with pytest.raises(SettingsError, match=sentence):
        base.adapted(folder)


def test_an_adapter_on_a_layer_that_is_not_there_is_refused(base: BundledEncoder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"layer\.12\..* is not one of the matrices"):
        base.adapted(write_adapter(tmp_path / "tuned", layer=12))
