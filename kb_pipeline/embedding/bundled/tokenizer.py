"""The tokenizer of the model that comes with the installation.

A Unigram model: of all ways to cut a text into pieces, the one whose scores add up to most. Before that, characters are
normalised, runs of spaces become one, and every space becomes a visible mark, with one in front of the text.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.embedding.bundled.weights import Vocabulary

_MARK = "▁"
_SPACES = re.compile("  +")


class BundledTokenizer:
    """Texts to token ids, never truncated."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer
        from tokenizers.models import Unigram

        self._vocabulary = vocabulary
        self._model = Tokenizer(Unigram(vocabulary.pieces, vocabulary.unknown))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text with those that stand around it. Neighbouring unknown characters are one token."""
        begin, end = self._vocabulary.begin, self._vocabulary.end
        encodings = self._model.encode_batch_fast([self._normalized(text) for text in texts])
        return [[begin, *encoding.ids, end] for encoding in encodings]

    def _normalized(self, text: str) -> str:
        spaced = _SPACES.sub(" ", text.translate(self._vocabulary.normalization))
        return (spaced if spaced.startswith(" ") else f" {spaced}").replace(" ", _MARK)
