"""The model that comes with the installation, on onnxruntime.

The graph is made from the 4-bit file whenever the model is loaded, which takes less than reading the vocabulary: there
is no file that could be half written. Matrices are float32 in memory. In int8 they are up to twice as fast, but find
less (nDCG@10 on XQuAD .004 to .010 lower), and vectors would differ from processor to processor. The embeddings of
words, 384 MB of which a text needs a few rows, stay in the file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.bundled.graph import INPUT, OUTPUT, encoder_graph
from kb_pipeline.embedding.bundled.tokenizer import BundledTokenizer
from kb_pipeline.embedding.bundled.weights import SHA256, Weights, read_weights, weights_file
from kb_pipeline.embedding.truncation import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnxruntime
    from numpy.typing import NDArray

    from kb_pipeline.embedding.encoder import TokenIds


class BundledEncoder:
    """An `embedding.encoder.Encoder`; a text is computed by the thread that asks, and several threads may ask."""

    dtype = "float32"
    is_matryoshka = False
    batch_tokens = 1  # a text at a time: batches would be padded, and are slower
    weight_version = SHA256[:16]
    location = None  # there is no tokenizer.json; texts are short enough for the estimate

    def __init__(self, workers: int) -> None:
        """Raises SettingsError when the weights are missing or damaged."""
        weights = read_weights(weights_file())
        self.workers = workers
        self.dimension = weights.shape.hidden
        self.context_length = weights.shape.positions
        self.vocabulary_size = len(weights.vocabulary.pieces)
        self._tokenizer = BundledTokenizer(weights.vocabulary)
        self._words = weights.packed("emb.word", self.dimension)
        self._places = weights.vector("emb.pos").reshape(-1, self.dimension)
        self._places = self._places + weights.vector("emb.type")[: self.dimension]
        self._session = _session(weights)

    def tokenize(self, texts: list[str]) -> Sequence[TokenIds]:
        return self._tokenizer.tokenize(texts)

    def encode(self, batch: Sequence[TokenIds]) -> NDArray[np.float32]:
        return normalized(np.concatenate([self._vector(ids) for ids in batch]))

    def _vector(self, ids: TokenIds) -> NDArray[np.float32]:
        """(1, dimension)"""
        embedded = self._words.rows(np.array(ids)) + self._places[: len(ids)]
        (vector,) = self._session.run([OUTPUT], {INPUT: embedded[np.newaxis]})
        return vector


def _session(weights: Weights) -> onnxruntime.InferenceSession:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # every length would leave a plan behind
    return onnxruntime.InferenceSession(encoder_graph(weights), options, providers=["CPUExecutionProvider"])
