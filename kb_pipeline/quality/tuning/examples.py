"""What is learnt from: plain data, all of it masked text as it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.errors import NothingToLearn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


FEWEST_EXAMPLES = 50  # fewer say more about whoever asked than about the site


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` as it was embedded, with the document template; `vector`: its stored vector, (native dimension,)."""

    text: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """`query` with the model's query template."""

    query: str
    positive: Passage
    negatives: tuple[Passage, ...]


def require_enough(examples: Sequence[Example]) -> None:
    """Raises NothingToLearn where there are fewer than FEWEST_EXAMPLES."""
    if len(examples) < FEWEST_EXAMPLES:
        raise NothingToLearn(
            f"There are {len(examples)} examples to learn from and tuning needs {FEWEST_EXAMPLES}; collect more "
            "judgments or import more questions, then run kb mine."
        )


def examples_id(examples: Sequence[Example]) -> str:
    """16 hex digits over all that is learnt from, in its order."""
    digest = hashlib.sha256()
    for example in examples:
        for text in (example.query, example.positive.text, *(passage.text for passage in example.negatives)):
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
