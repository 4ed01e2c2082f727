"""An adapter on the default model: what tuning changed, in the form that peft writes.

A folder with `adapter_config.json`, which names the model that it is for, and `adapter_model.safetensors`, which holds
two small matrices A (rank, columns) and B (rows, rank) for each large one that was tuned; B A is added to it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.bundled.weights import SHA256
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, same_model
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from kb_pipeline.embedding.bundled.weights import Shape

CONFIG, MATRICES = "adapter_config.json", "adapter_model.safetensors"
_NAME = re.compile(r"base_model\.model\.encoder\.layer\.(\d+)\.(intermediate|output)\.dense\.lora_([AB])\.weight")
_OURS = {"intermediate": "fi", "output": "fo"}


@dataclass(frozen=True, slots=True)
class BundledAdapter:
    """`changes`: by the name of a matrix in the weights, (rows, columns), what is added to it. `version`: 16 hex digits
    over the weights and all changes."""

    changes: Mapping[str, NDArray[np.float32]]
    version: str


def is_adapter(folder: Path) -> bool:
    """Whether there is an adapter on the default model in `folder`. Raises SettingsError when it is damaged."""
    file = folder / CONFIG
    return file.is_file() and same_model(str(_config(file).get("base_model_name_or_path", "")), DEFAULT_CPU_MODEL)


def read_adapter(folder: Path, shape: Shape) -> BundledAdapter:
    """Raises SettingsError when a file is missing or damaged, or tunes what is not in the model."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    scale = _scale(_config(folder / CONFIG))
    try:
        data = (folder / MATRICES).read_bytes()
        matrices = load(data)
    except (OSError, SafetensorError, ValueError) as error:
        raise _damaged(folder, f"{MATRICES} cannot be read ({type(error).__name__})") from None
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, matrix in matrices.items():
        parts = _NAME.fullmatch(name)
        if parts is None or int(parts[1]) >= shape.layers:
            raise _damaged(folder, f"it tunes {name}, which is not one of the matrices that can be")
        found.setdefault(f"l{parts[1]}.{_OURS[parts[2]]}", {})[parts[3]] = np.asarray(matrix, np.float32)
    changes = {}
    for name, pair in found.items():
        rows, columns = (shape.inner, shape.hidden) if name.endswith("fi") else (shape.hidden, shape.inner)
        if pair.keys() != {"A", "B"} or pair["B"].shape[0] != rows or pair["A"].shape[1] != columns:
            raise _damaged(folder, f"its matrices for {name} do not fit the model")
        changes[name] = scale * (pair["B"] @ pair["A"])
    return BundledAdapter(changes, hashlib.sha256(SHA256.encode() + data).hexdigest()[:16])


def _config(file: Path) -> dict[str, object]:
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(file.parent, f"{CONFIG} cannot be read ({type(error).__name__})") from None
    if not isinstance(config, dict):
        raise _damaged(file.parent, f"{CONFIG} holds no settings")
    return config


def _scale(config: Mapping[str, object]) -> float:
    """What B A is multiplied by, as peft does it."""
    alpha, rank = config.get("lora_alpha", 1), config.get("r", 1)
    return float(alpha) / float(rank) if isinstance(alpha, int | float) and isinstance(rank, int | float) else 1.0


def _damaged(folder: Path, why: str) -> SettingsError:
    return SettingsError(f"The adapter in {folder} is incomplete or damaged: {why}; tune again, or restore the folder.")
