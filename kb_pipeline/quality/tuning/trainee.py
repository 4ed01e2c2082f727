"""A model under training: texts in, vectors out that remember how they were made.

The one that comes with the installation is built from its weights, without its tokenizer's files, which it does not
have; any other is loaded by sentence-transformers from a folder or by its name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kb_pipeline.embedding.bundled.encoder import BundledEncoder
from kb_pipeline.embedding.bundled.tokenizer import BundledTokenizer
from kb_pipeline.embedding.bundled.weights import SHA256, Weights, read_weights, weights_file
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL
from kb_pipeline.embedding.torch_encoder import TorchEncoder, locate
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kb_pipeline.embedding.encoder import TokenIds

_NEEDED = ("torch", "transformers", "sentence_transformers", "peft")


class Trainee(Protocol):
    """`model`: what the adapter is put around, and then the model with its adapter."""

    base: str
    revision: str | None
    model: Any

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """Cut to the model's context."""

    def vectors(self, batch: Sequence[TokenIds]) -> Any:
        """A tensor, (texts, native dimension), rows of length 1."""

    def save_merged(self, folder: Path) -> bool:
        """Write the model with the adapter in its matrices; False where the adapter is all that is needed."""

    def written(self, folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of `texts` by what lies in `folder`, an adapter or a merged model, as a server would load it."""


def load_trainee(name: str, device: str | None = None, *, weights: str | None = None) -> Trainee:
    """The default model by its name, or a sentence-transformers model. `weights`: the folder or hub name that it is
    loaded from, where `name` is none.

    Raises SettingsError when there is none, or the extra `finetune` is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait take the cores from others
    for package in _NEEDED:
        try:
            __import__(package)
        except ImportError as error:
            raise SettingsError(
                f"Tuning needs the package {error.name}; install kb_pipeline[finetune] "
                "(in a checkout: make install-finetune)."
            ) from None
    if name == DEFAULT_CPU_MODEL and weights in (None, name):
        return BundledTrainee()
    return TransformerTrainee(name, weights or name, device)


class BundledTrainee:
    """The default model, in float32. The embeddings of words stay where they are and are never trained."""

    base = DEFAULT_CPU_MODEL
    revision: str | None = SHA256[:16]

    def __init__(self) -> None:
        weights = read_weights(weights_file())
        self.model = _bert(weights)
        self._context = weights.shape.positions
        self._tokenizer = BundledTokenizer(weights.vocabulary)
        self._words = weights.packed("emb.word", weights.shape.hidden)

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        return [
            ids if len(ids) <= self._context else [*ids[: self._context - 1], ids[-1]]
            for ids in self._tokenizer.tokenize(texts)
        ]

    def vectors(self, batch: Sequence[TokenIds]) -> Any:
        import torch

        lengths = torch.tensor([len(ids) for ids in batch])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        flat = torch.from_numpy(self._words.rows(np.concatenate([np.asarray(ids) for ids in batch])))
        embedded = torch.zeros(*mask.shape, flat.shape[1])
        embedded[mask.bool()] = flat
        hidden = self.model(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / lengths[:, None]
        return torch.nn.functional.normalize(mean, dim=1)

    def save_merged(self, folder: Path) -> bool:  # noqa: ARG002 - the embedding server adds the adapter when it loads
        return False

    def written(self, folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
        encoder = BundledEncoder(1).adapted(folder)
        return np.concatenate([encoder.encode([ids]) for ids in self.tokenize(texts)])


class TransformerTrainee:
    """A sentence-transformers model, in bfloat16 on a GPU and float32 elsewhere."""

    def __init__(self, name: str, weights: str, device: str | None) -> None:
        location = locate(weights)
        if Path(location).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        try:
            self._whole: Any = SentenceTransformer(location, device=device, model_kwargs={"dtype": dtype})
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"Model {weights} cannot be loaded ({type(error).__name__}); give a folder with a "
                "sentence-transformers model, or a name that the model hub knows."
            ) from error
        self.base = name
        self._weights = weights
        self.revision: str | None = None
        self._context = self._whole.max_seq_length

    @property
    def model(self) -> Any:
        return self._whole[0].model

    @model.setter
    def model(self, model: Any) -> None:
        self._whole[0].model = model  # not auto_model: what is put there is not what is saved

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        ids: list[TokenIds] = self._whole.tokenizer(list(texts), truncation=True, max_length=self._context)["input_ids"]
        return ids

    def vectors(self, batch: Sequence[TokenIds]) -> Any:
        import torch

        features = self._whole.tokenizer.pad({"input_ids": [list(ids) for ids in batch]}, return_tensors="pt")
        vectors = self._whole({name: values.to(self._whole.device) for name, values in features.items()})
        return torch.nn.functional.normalize(vectors["sentence_embedding"].float(), dim=1)

    def save_merged(self, folder: Path) -> bool:
        adapted = self.model
        self.model = adapted.merge_and_unload()
        self._whole.save_pretrained(str(folder))
        if self.model.config.model_type == "qwen3":  # SGLang knows by this how to serve it
            file = folder / "config.json"
            file.write_text(
                json.dumps(json.loads(file.read_bytes()) | {"architectures": ["Qwen3ForCausalLM"]}, indent=2)
            )
        return True

    def written(self, folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
        merged = folder.joinpath("modules.json").is_file()
        encoder = TorchEncoder(str(folder), 1) if merged else TorchEncoder(self._weights, 1, adapter=folder)
        return np.concatenate([encoder.encode([ids]) for ids in self.tokenize(texts)])


def _bert(weights: Weights) -> Any:
    """The encoder with a vocabulary of one piece: words are embedded outside."""
    import torch
    from transformers import BertConfig, BertModel

    shape = weights.shape
    config = BertConfig(
        vocab_size=1,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=shape.positions,
        type_vocab_size=2,
        layer_norm_eps=shape.epsilon,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=None,
    )
    model = BertModel(config, add_pooling_layer=False)
    tensors = {
        "embeddings.word_embeddings.weight": np.zeros((1, shape.hidden), np.float32),
        "embeddings.position_embeddings.weight": weights.vector("emb.pos").reshape(-1, shape.hidden),
        "embeddings.token_type_embeddings.weight": weights.vector("emb.type").reshape(-1, shape.hidden),
        "embeddings.LayerNorm.weight": weights.vector("emb.ln.w"),
        "embeddings.LayerNorm.bias": weights.vector("emb.ln.b"),
    }
    for number in range(shape.layers):
        ours, theirs = f"l{number}", f"encoder.layer.{number}"
        for name, path, columns in (
            ("q", "attention.self.query", shape.hidden),
            ("k", "attention.self.key", shape.hidden),
            ("v", "attention.self.value", shape.hidden),
            ("ao", "attention.output.dense", shape.hidden),
            ("fi", "intermediate.dense", shape.hidden),
            ("fo", "output.dense", shape.inner),
        ):
            tensors[f"{theirs}.{path}.weight"] = weights.packed(f"{ours}.{name}.w", columns).rows(slice(None))
            tensors[f"{theirs}.{path}.bias"] = weights.vector(f"{ours}.{name}.b")
        for name, path in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            tensors[f"{theirs}.{path}.weight"] = weights.vector(f"{ours}.{name}.w")
            tensors[f"{theirs}.{path}.bias"] = weights.vector(f"{ours}.{name}.b")
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in tensors.items()})
    return model
