"""How much memory training takes, told before it starts.

An estimate: the weights as they are loaded; 16 bytes for each trained number (itself, its gradient and two moments of
the optimizer, float32); and what the trained layers keep of a batch for the way back. Layers before them keep nothing,
since nothing in them is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil

from kb_pipeline.errors import SettingsError
from kb_pipeline.quality.tuning.adapter import trained_matrices

if TYPE_CHECKING:
    from kb_pipeline.quality.tuning.trainee import Trainee
    from kb_pipeline.quality.tuning.training import TuningSettings

_KEPT_PER_TOKEN = 16  # vectors of the hidden size in a layer: those of attention, both sums and both norms
_PASSAGES = 6  # to a query where both sides are trained: its own and five negatives
_QUERY_TOKENS, _PASSAGE_TOKENS = 64, 512


def needed_bytes(trainee: Trainee, settings: TuningSettings) -> int:
    config = trainee.model.config
    weights = sum(parameter.numel() * parameter.element_size() for parameter in trainee.model.parameters())
    size = config.hidden_size + config.intermediate_size
    matrices = trained_matrices(config.model_type, config.num_hidden_layers, settings.layers)
    trained = 16 * settings.rank * size * len(matrices)
    tokens = settings.batch_size * _QUERY_TOKENS
    if settings.side == "both":
        tokens += settings.batch_size * _PASSAGES * _PASSAGE_TOKENS
    kept = 4 * tokens * settings.layers * (_KEPT_PER_TOKEN * config.hidden_size + 3 * config.intermediate_size)
    return int(weights + trained + kept)


def require_memory(trainee: Trainee, settings: TuningSettings) -> None:
    """Raises SettingsError where what is free is less than what is still needed beside the loaded weights."""
    needed = needed_bytes(trainee, settings)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in trainee.model.parameters())
    free = _free(next(iter(trainee.model.parameters())).device)
    if needed - weights > free:
        raise SettingsError(
            f"Training needs about {needed / 1e9:.1f} GB and {(free + weights) / 1e9:.1f} GB are there; "
            "choose a smaller --batch-size."
        )


def _free(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
