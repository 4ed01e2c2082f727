"""How sure a figure is, and whether one is really better than another.

Terms
  interval   where the figure would lie in 95 of 100 samples of questions like these: the middle 95 % of the means of
             RESAMPLES samples drawn from the questions with replacement (percentile bootstrap; Efron, 1979).
  paired     two systems answer the same questions, so the differences are resampled, question by question: what makes
             a question hard is then no noise (Smucker, Allan and Carterette, CIKM 2007).
  sign-flip  if both were equally good, each difference might as well have the other sign. p: in what share of random
             signs the mean is at least as far from 0 as it is (a randomisation test, exact but for the sampling).
  power      how many questions show a gain of so much: with that many, in 80 of 100 cases the interval is above 0.

All of it is drawn with one seed, so the same questions give the same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 5_000
SEED = 20_240_601
AT_ONCE = 4_000_000  # numbers drawn at once
TWO_SIDED_95 = 1.959964  # of the normal distribution
POWER_80 = 0.841621


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `questions`, with its 95 % interval."""

    mean: float
    low: float
    high: float
    questions: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better a candidate is, per question on average. `p`: of the sign-flip test; `deviation`: of the
    differences."""

    mean: float
    low: float
    high: float
    p: float
    deviation: float
    questions: int

    @property
    def chance(self) -> str:
        """p as people write it."""
        return f"p = {self.p:.3f}" if self.p >= 0.001 else "p < 0.001"

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], {self.chance}"


def figure(values: Sequence[float]) -> Figure:
    """Of at least one value."""
    import numpy as np

    found = np.asarray(values, dtype=float)
    low, high = _interval(found)
    return Figure(float(found.mean()), low, high, len(values))


def gain(before: Sequence[float], after: Sequence[float]) -> Gain:
    """Of `after` over `before`, which hold the same questions in the same order, at least one."""
    import numpy as np

    differences = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    low, high = _interval(differences)
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return Gain(float(differences.mean()), low, high, _sign_flip(differences), deviation, len(differences))


def questions_needed(expected: float, deviation: float) -> int:
    """To see a gain of `expected` where the differences have this deviation."""
    return math.ceil(((TWO_SIDED_95 + POWER_80) * deviation / expected) ** 2)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    draw = np.random.default_rng(SEED)
    means = [
        values[draw.integers(0, len(values), (count, len(values)))].mean(axis=1) for count in _batches(len(values))
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _sign_flip(differences: NDArray[np.float64]) -> float:
    import numpy as np

    draw = np.random.default_rng(SEED)
    seen = abs(float(differences.sum())) - 1e-12  # rounding alone makes no difference
    beyond = 0
    for count in _batches(len(differences)):
        signs: NDArray[Any] = draw.integers(0, 2, (count, len(differences)), dtype=np.int8) * 2 - 1
        beyond += int((np.abs(signs @ differences) >= seen).sum())
    return (beyond + 1) / (RESAMPLES + 1)


def _batches(width: int) -> list[int]:
    most = max(1, AT_ONCE // width)
    return [min(most, RESAMPLES - start) for start in range(0, RESAMPLES, most)]
