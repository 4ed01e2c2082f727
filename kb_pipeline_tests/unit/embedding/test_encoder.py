import sys

import numpy as np
import pytest

from kb_pipeline.embedding.bundled.encoder import BundledEncoder
from kb_pipeline.embedding.encoder import load_encoder
from kb_pipeline.errors import SettingsError


@pytest.mark.parametrize("missing", ["torch", "sentence_transformers"])
def test_another_model_without_its_extra_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError, match=r"all-MiniLM-L6-v2 needs the package .* install-cpu-torch"):
        load_encoder("all-MiniLM-L6-v2")


def test_a_folder_that_is_not_there_is_said_before_the_extra_is_asked_for() -> None:
    with pytest.raises(SettingsError, match=r"no model folder /no/such/folder; correct KB_EMBEDDING_MODEL"):
        load_encoder("/no/such/folder")


def test_minilm_is_there_with_its_extra() -> None:
    pytest.importorskip("torch", reason="needs the extra cpu-torch")
    pytest.importorskip("sentence_transformers", reason="needs the extra cpu-torch")
    encoder = load_encoder("sentence-transformers/all-MiniLM-L6-v2", threads=1)
    assert not isinstance(encoder, BundledEncoder)
    assert (encoder.dimension, encoder.context_length, encoder.weight_version) == (384, 512, None)
    vectors = encoder.encode(encoder.tokenize(["The invoice is overdue.", "Payment is late.", "Penguins swim well."]))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
