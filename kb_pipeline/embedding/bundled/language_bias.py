"""Taking out of the vectors what they say about the language of a text.

The model puts texts of one language near each other: in a knowledge base with both, a Chinese question is nearer to any
Chinese passage than to the English one that answers it (nDCG@10 .01 for an answer in the other language, on XQuAD with
each passage in one language only). Two corrections mend that (.77), and cost next to nothing within a language:

  direction   the difference between the means of the same passages in both languages, which is projected out
  mean        of what is left; subtracted, so that the rest of the numbers counts

Both were measured once, by scripts/language_bias.py, and are part of the model. After Yang et al., "A Simple and
Effective Method To Eliminate the Self Language Bias in Multilingual Representations" (2021), and Mu and Viswanath,
"All-but-the-Top" (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.truncation import normalized

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = Path(__file__).with_name("language_bias.npy")


@dataclass(frozen=True, slots=True)
class LanguageBias:
    """`direction`: (dimension,), of length 1. `mean`: (dimension,)."""

    direction: NDArray[np.float32]
    mean: NDArray[np.float32]

    @classmethod
    def measured(cls, one: NDArray[np.float32], other: NDArray[np.float32]) -> LanguageBias:
        """From the vectors of the same texts, or at least the same sort of texts, in two languages."""
        difference = (one.mean(axis=0) - other.mean(axis=0))[np.newaxis]
        direction = normalized(difference)[0]
        rest = normalized(_without(np.concatenate([one, other]), direction))
        return cls(direction, rest.mean(axis=0))

    @classmethod
    def shipped(cls) -> LanguageBias:
        direction, mean = np.load(FILE)
        return cls(direction, mean)

    def as_array(self) -> NDArray[np.float32]:
        return np.stack([self.direction, self.mean])

    def taken_out(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, dimension), each row of length 1, before and after."""
        return normalized(normalized(_without(vectors, self.direction)) - self.mean)


def _without(vectors: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors - np.outer(vectors @ direction, direction)
