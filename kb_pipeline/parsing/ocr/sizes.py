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
_NEAR_LONG = 0.05  # the same for a text that is long enough to be measured well
_NEAR_SHORT = 0.14  # the same for texts that are too short to be measured well
_SHORT = 6  # characters
_LONG = 15  # characters
_SURE = 0.03  # of a size: measured within this, it may be a size that less text has
_ROUND = 0.1  # points


def common_sizes(sizes: Sequence[float], weights: Sequence[int], apart: Sequence[bool] = ()) -> list[float]:
    """The size that each text was printed in, points. `weights`: the characters of each text; `apart`: whether it is
    bolder than most text, so that it can be of another size though that is near."""
    if not sizes:
        return []
    logs, heavy = np.log(np.asarray(sizes, float)), np.asarray(weights, float)
    long = heavy >= _LONG
    alone = long & np.asarray(apart or [False] * len(sizes))
    peaks: list[float] = []
    taken = np.full(len(logs), -1)
    while (free := taken < 0).any():
        peak = _peak(logs[free], heavy[free])
        reach = np.where(long, _NEAR_LONG, _NEAR) if peaks else np.where(alone, _NEAR_LONG, _NEAR_BODY)
        near = free & (np.abs(logs - peak) <= np.where(heavy < _SHORT, _NEAR_SHORT, reach))
        if not near.any():  # the blurred peak lies between two sizes
            near = free & (np.abs(logs - peak) <= np.abs(logs - peak)[free].min())
        taken[near] = len(peaks)
        peaks.append(_weighted_median(logs[near], heavy[near]))
    found = (_nearest(log, peaks[index], peaks) for log, index in zip(logs, taken, strict=True))
    return [round(float(np.exp(size)) / _ROUND) * _ROUND for size in found]


def _nearest(log: float, own: float, peaks: Sequence[float]) -> float:
    """The peak that a size belongs to: `own`, or one of less text that it lies at."""
    nearest = min(peaks, key=lambda peak: abs(peak - log))
    return nearest if abs(nearest - log) <= _SURE < abs(own - log) else own


def _peak(logs: np.ndarray, weights: np.ndarray) -> float:
    """Where most characters are, each taken as a bell curve."""
    grid = np.arange(logs.min(), logs.max() + _STEP, _STEP)
    density = np.exp(-(((grid[:, None] - logs[None, :]) / _BLUR) ** 2) / 2) @ weights
    return float(grid[density.argmax()])


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
