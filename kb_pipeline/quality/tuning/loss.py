"""What training makes small: for each query, its own passage should be the likeliest of all in the batch.

The multiple-negatives ranking loss (Henderson et al. 2017): cross entropy over the similarities of a query to its
passage, to the passages chosen as hard negatives, and to those of the other queries. It is taken at several lengths of
the vectors, cut and made unit length again (Matryoshka, Kusupati et al. 2022), and averaged over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def ranking_loss(
    queries: Any, passages: Any, own: Any, allowed: Any, *, temperature: float, dimensions: Sequence[int]
) -> Any:
    """A tensor of one number. `queries` (n, d), `passages` (m, d); `own` (n,): which passage answers each query;
    `allowed` (n, m): False where a passage is no negative for a query."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    losses = []
    for dimension in dimensions:
        scores = normalize(queries[:, :dimension], dim=1) @ normalize(passages[:, :dimension], dim=1).T / temperature
        losses.append(cross_entropy(scores.masked_fill(~allowed, float("-inf")), own))
    return torch.stack(losses).mean()
