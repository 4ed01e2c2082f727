"""The model that comes with the installation, on onnxruntime.

The graph is made from the 4-bit file whenever the model is loaded, which takes less than reading the vocabulary: there
is no file that could be half written. Matrices are float32 in memory. In int8 they are up to twice as fast, but find
less (nDCG@10 on XQuAD .004 to .010 lower), and vectors would differ from processor to processor. The embeddings of
words, 384 MB of which a text needs a few rows, stay in the file.

An adapter, what tuning made, is added to the matrices when the graph is made.
"""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.bundled.adapter import read_adapter
from kb_pipeline.embedding.bundled.graph import INPUT, OUTPUT, encoder_graph
from kb_pipeline.embedding.bundled.tokenizer import BundledTokenizer
from kb_pipeline.embedding.bundled.weights import SHA256, read_weights, weights_file
from kb_pipeline.embedding.truncation import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnxruntime
    from numpy.typing import NDArray

    from kb_pipeline.embedding.encoder import TokenIds


class BundledEncoder:
    """An `embedding.encoder.Encoder`; a text is computed by the thread that asks, and several threads may ask."""

    dtype = "float32"
    is_matryoshka = False
    batch_tokens = 1  # a text at a time: batches would be padded, and are slower
    location = None  # there is no tokenizer.json; texts are short enough for the estimate

    def __init__(self, workers: int) -> None:
        """Raises SettingsError when the weights are missing or damaged."""
        weights = read_weights(weights_file())
        self.weight_version = SHA256[:16]
        self.workers = workers
        self.dimension = weights.shape.hidden
        self.context_length = weights.shape.positions
        self.vocabulary_size = len(weights.vocabulary.pieces)
        self._tokenizer = BundledTokenizer(weights.vocabulary)
        self._words = weights.packed("emb.word", self.dimension)
        self._places = weights.vector("emb.pos").reshape(-1, self.dimension)
        self._places = self._places + weights.vector("emb.type")[: self.dimension]
        self._weights = weights
        self._session = _session(encoder_graph(weights))

    def adapted(self, folder: Path) -> BundledEncoder:
        """The same model with the adapter in `folder`; the two share what is not tuned, and this one stays as it is.

        Raises SettingsError when the adapter is damaged or for another model.
        """
        adapter = read_adapter(folder, self._weights.shape)
        tuned = copy(self)
        tuned.weight_version = adapter.version
        tuned._session = _session(encoder_graph(self._weights, adapter.changes))  # noqa: SLF001 - of the same class
        return tuned

    def tokenize(self, texts: list[str]) -> Sequence[TokenIds]:
        return self._tokenizer.tokenize(texts)

    def encode(self, batch: Sequence[TokenIds]) -> NDArray[np.float32]:
        return normalized(np.concatenate([self._vector(ids) for ids in batch]))

    def _vector(self, ids: TokenIds) -> NDArray[np.float32]:
        """(1, dimension)"""
        embedded = self._words.rows(np.array(ids)) + self._places[: len(ids)]
        vector: NDArray[np.float32]
        (vector,) = self._session.run([OUTPUT], {INPUT: embedded[np.newaxis]})
        return vector


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # every length would leave a plan behind
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
