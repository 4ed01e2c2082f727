"""Adapters on the default model, as peft writes them, with invented numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN, INNER, RANK = 384, 1536, 2


def write_adapter(folder: Path, *, size: float = 0.5, layer: int = 11, base: str = "multilingual-e5-small") -> Path:
    """An adapter on the first matrix of a layer's feed-forward network; `size` 0 changes nothing."""
    folder.mkdir(parents=True)
    config = {"base_model_name_or_path": base, "peft_type": "LORA", "r": RANK, "lora_alpha": RANK}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    numbers = np.random.default_rng(7)
    name = f"base_model.model.encoder.layer.{layer}.intermediate.dense"
    matrices = {
        f"{name}.lora_A.weight": numbers.normal(size=(RANK, HIDDEN)).astype(np.float32),
        f"{name}.lora_B.weight": (size * numbers.normal(size=(INNER, RANK))).astype(np.float32),
    }
    save_file(matrices, folder / "adapter_model.safetensors")
    return folder
