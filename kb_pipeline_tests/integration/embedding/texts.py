"""Texts for a client, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.client import EmbeddedText, EmbeddingClient

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., EmbeddingClient]

DIMENSION = 64


def numbered(count: int, **replaced: str) -> list[tuple[bytes, str]]:
    """(key, text) pairs; `replaced` maps "tNN" to another text."""
    return [(f"t{i}".encode(), replaced.get(f"t{i}", f"text number {i} " + "x" * (i % 50))) for i in range(count)]


def embed_all(
    client: EmbeddingClient, texts: list[tuple[bytes, str]], *, average_long_texts: bool = True
) -> tuple[dict[bytes, np.ndarray], dict[bytes, str]]:
    """Vectors and rejections by key; fails when a key comes twice or not at all, or a vector is another text's."""
    vectors: dict[bytes, np.ndarray] = {}
    reasons: dict[bytes, str] = {}
    for result in client.embed(iter(texts), average_long_texts=average_long_texts):
        assert result.key not in vectors
        assert result.key not in reasons
        if isinstance(result, EmbeddedText):
            vectors[result.key] = result.vector
        else:
            reasons[result.key] = result.reason
    assert vectors.keys() | reasons.keys() == {key for key, _ in texts}
    return vectors, reasons
