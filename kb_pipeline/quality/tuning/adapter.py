"""Which matrices are trained: those of the feed-forward networks in the last layers, by their full names.

Named in full, so that nothing else is trained by accident: a suffix such as `output.dense` would also match the
attention's output.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Architecture (`model_type` in its config) -> where a layer's feed-forward network is.
_FEED_FORWARD: Mapping[str, tuple[str, ...]] = {
    "bert": ("encoder.layer.{}.intermediate.dense", "encoder.layer.{}.output.dense"),
    "xlm-roberta": ("encoder.layer.{}.intermediate.dense", "encoder.layer.{}.output.dense"),
    "qwen3": ("layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj", "layers.{}.mlp.down_proj"),
}


def trained_matrices(architecture: str, layers: int, last: int) -> tuple[str, ...]:
    """The names of the matrices in the `last` of `layers` layers. Raises SettingsError for unknown architectures."""
    if architecture not in _FEED_FORWARD:
        known = ", ".join(sorted(_FEED_FORWARD))
        raise SettingsError(f"Models of the architecture {architecture} cannot be tuned; choose one of {known}.")
    return tuple(
        name.format(layer) for layer in range(max(0, layers - last), layers) for name in _FEED_FORWARD[architecture]
    )


def with_adapter(model: Any, rank: int, last: int, seed: int) -> Any:
    """`model` with an adapter of `rank` on its last layers, which starts as if it were not there.

    alpha is the rank, so that the adapter's own scale is 1.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = model.config
    names = trained_matrices(config.model_type, config.num_hidden_layers, last)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=rank, target_modules=list(names)))


def set_scale(model: Any, scale: float) -> None:
    """How much of the adapter counts, from 0 (as if it were not there) up."""
    for module in model.modules():
        if hasattr(module, "lora_B"):
            module.scaling = dict.fromkeys(module.scaling, scale)


def fix_scale(model: Any, scale: float) -> None:
    """Put `scale` into the adapter's own matrices, so that it counts in full wherever it is loaded."""
    import torch

    set_scale(model, 1.0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.mul_(scale)


def trained_parameters(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
