"""Asking for a passage in another language than the question's.

Embedding models lay languages apart: to a Chinese question every Chinese passage is nearer than the English one that
answers it, however well the model translates. Of XQuAD with every other article in Chinese and the others in English,
asked in Chinese, the model in the box found the Chinese answers (nDCG@10 .97) and not the English ones (.01). What
tells the languages apart is nearly the same for all passages, so it shows in their mean. A question that is moved by
the difference of the means lies among the passages of the other language, and what is compared is how much nearer a
passage is than the mean of its language (.94 and .89).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Aim:
    """A question aimed at the passages of one language.

    `vector`: (dimension,), norm 1. `baseline`: its similarity to the mean of that language.
    """

    vector: np.ndarray
    baseline: float


def aims(vector: np.ndarray, own: str, means: Mapping[str, np.ndarray]) -> dict[str, Aim]:
    """Language -> the question `vector` of the language `own` aimed at it; empty where there is nothing to choose."""
    if own not in means or len(means) < 2:
        return {}
    return {language: _aim(vector - means[own] + mean, mean) for language, mean in means.items()}


def _aim(vector: np.ndarray, mean: np.ndarray) -> Aim:
    unit = vector / np.linalg.norm(vector)
    return Aim(unit, float(unit @ mean))
