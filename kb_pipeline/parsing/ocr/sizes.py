"""One font size for all text that was printed in one size.

Measured sizes scatter by a few percent. Those near to a size that much text has are taken to be that size;
what is left is headings, notes and the like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEP = 0.01  # of a size, between the sizes that are tried
_BLUR = 0.025  # of a size: how far equal sizes scatter
_NEAR = 0.075  # of a size: measured within this, it is that size
_NEAR_BODY = 0.1  # the same for the size of most text, of which there is enough to be measured badly
_NEAR_SHORT = 0.14  # the same for texts that are too short to be measured well
_SHORT = 6  # characters
_ROUND = 0.1  # points


def common_sizes(sizes: Sequence[float], weights: Sequence[int]) -> list[float]:
    """The size that each text was printed in, points. `weights`: the characters of each text."""
    if not sizes:
        return []
    logs, heavy = np.log(np.asarray(sizes, float)), np.asarray(weights, float)
    common = np.array(sizes, float)
    free = np.ones(len(logs), bool)
    while free.any():
        peak = _peak(logs[free], heavy[free])
        reach = _NEAR_BODY if free.all() else _NEAR
        near = free & (np.abs(logs - peak) <= np.where(heavy < _SHORT, _NEAR_SHORT, reach))
        if not near.any():  # the blurred peak lies between two sizes
            near = free & (np.abs(logs - peak) <= np.abs(logs - peak)[free].min())
        common[near] = np.exp(_weighted_median(logs[near], heavy[near]))
        free &= ~near
    return [round(float(size) / _ROUND) * _ROUND for size in common]


def _peak(logs: np.ndarray, weights: np.ndarray) -> float:
    """Where most characters are, each taken as a bell curve."""
    grid = np.arange(logs.min(), logs.max() + _STEP, _STEP)
    density = np.exp(-(((grid[:, None] - logs[None, :]) / _BLUR) ** 2) / 2) @ weights
    return float(grid[density.argmax()])


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
