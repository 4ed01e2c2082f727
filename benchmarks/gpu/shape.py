"""The shape of a model, what one token costs in it, and what a card could do at most: pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of config.json that decide how much is computed."""

    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int

    @property
    def matrix_parameters(self) -> int:
        """Of the layers; the embedding table is looked up, not multiplied."""
        attention = 2 * self.num_attention_heads + 2 * self.num_key_value_heads  # q and o, k and v
        return self.num_hidden_layers * self.hidden_size * (attention * self.head_dim + 3 * self.intermediate_size)

    def flops_per_token(self, length: int) -> float:
        """Floating point operations for one token of a text of `length` tokens, forward only.

        Two for each matrix parameter; and for attention, at the mean of (length + 1) / 2 tokens that a token
        of a causal model looks at, two each for the products with keys and with values.
        """
        looked_at = (length + 1) / 2
        attention = 4 * self.num_hidden_layers * self.num_attention_heads * self.head_dim * looked_at
        return 2 * self.matrix_parameters + attention


def shapes() -> dict[str, Shape]:
    table = tomllib.loads((FOLDER / "shapes.toml").read_text())
    return {name: Shape(**row) for name, row in table.items()}


def peak_tflops(card: str) -> float | None:
    """Dense bf16 TFLOP/s of a card by the name that nvidia-smi gives it; None for one that is not listed."""
    peaks: dict[str, float] = tomllib.loads((FOLDER / "cards.toml").read_text())["peak_tflops"]
    return next((peak for name, peak in peaks.items() if re.search(rf"\b{name}\b", card)), None)
