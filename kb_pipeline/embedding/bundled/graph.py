"""The encoder of XLM-RoBERTa as an ONNX graph: the tokens' embeddings of one text in, the text's vector out.

Each layer is attention and a network of two matrices, both added to what they were given and normalised (post-norm);
the vector is the mean of the tokens. A text is computed alone: nothing is padded, and its vector depends on it alone.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.bundled.onnx import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kb_pipeline.embedding.bundled.weights import Weights

INPUT, OUTPUT = "embedded", "vector"
_ONNXRUNTIME = "com.microsoft"  # the domain of the operators that onnxruntime adds


def encoder_graph(weights: Weights, changes: Mapping[str, NDArray[np.float32]] = MappingProxyType({})) -> bytes:
    """(1, tokens, hidden), the sums of word, position and type, -> (1, hidden), not normalised to length 1.

    `changes`: by the name of a matrix, what is added to it.
    """
    shape = weights.shape
    graph = Graph()
    parameters = _Parameters(graph, weights, changes)
    tokens = graph.node(
        "LayerNormalization", INPUT, parameters.vector("emb.ln.w"), parameters.vector("emb.ln.b"), epsilon=shape.epsilon
    )
    for number in range(shape.layers):
        layer = f"l{number}"
        projections = (f"{layer}.q", f"{layer}.k", f"{layer}.v")
        joined = parameters.product(tokens, *projections, columns=shape.hidden)
        query, key, value = (f"{layer}.{name}" for name in ("query", "key", "value"))
        graph.node("Split", joined, outputs=(query, key, value), axis=-1, num_outputs=3)
        bias = parameters.vector(*(f"{name}.b" for name in projections))
        attended = graph.node("MultiHeadAttention", query, key, value, bias, domain=_ONNXRUNTIME, num_heads=shape.heads)
        attended = parameters.product(attended, f"{layer}.ao", columns=shape.hidden)
        tokens = parameters.added(tokens, attended, f"{layer}.aln", bias=f"{layer}.ao")
        inner = parameters.product(tokens, f"{layer}.fi", columns=shape.hidden)
        inner = graph.node("BiasGelu", inner, parameters.vector(f"{layer}.fi.b"), domain=_ONNXRUNTIME)
        inner = parameters.product(inner, f"{layer}.fo", columns=shape.inner)
        tokens = parameters.added(tokens, inner, f"{layer}.oln", bias=f"{layer}.fo")
    graph.node("ReduceMean", tokens, graph.constant(np.array([1])), outputs=(OUTPUT,), keepdims=0)
    return graph.model({INPUT: (1, "tokens", shape.hidden)}, {OUTPUT: (1, shape.hidden)})


class _Parameters:
    """Puts what the model has learnt into the graph."""

    def __init__(self, graph: Graph, weights: Weights, changes: Mapping[str, NDArray[np.float32]]) -> None:
        self._graph = graph
        self._weights = weights
        self._changes = changes

    def vector(self, *names: str) -> str:
        return self._graph.constant(np.concatenate([self._weights.vector(name) for name in names]))

    def product(self, values: str, *names: str, columns: int) -> str:
        """`values` times the matrices side by side, without their biases."""
        return self._graph.node(
            "MatMul", values, self._graph.constant(np.concatenate([self._matrix(name, columns) for name in names]).T)
        )

    def _matrix(self, name: str, columns: int) -> NDArray[np.float32]:
        rows = self._weights.packed(f"{name}.w", columns).rows(slice(None))
        return rows + self._changes[name] if name in self._changes else rows

    def added(self, values: str, change: str, norm: str, *, bias: str) -> str:
        """The sum of `values`, `change` and its bias, normalised."""
        return self._graph.node(
            "SkipLayerNormalization",
            *(values, change, self.vector(f"{norm}.w"), self.vector(f"{norm}.b"), self.vector(f"{bias}.b")),
            domain=_ONNXRUNTIME,
            epsilon=self._weights.shape.epsilon,
        )
