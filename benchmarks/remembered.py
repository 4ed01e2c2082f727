"""Vectors that a benchmark embedded before, in a file: embedding is most of its time, and the same texts come again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.stream import EmbeddedText

if TYPE_CHECKING:
    from kb_pipeline.embedding.client import EmbeddingClient, ModelIdentity, Result

COMMIT_TEXTS = 64


class Remembered:
    """An `EmbeddingClient` that asks its server only for what `folder` does not hold, in single precision."""

    def __init__(self, client: EmbeddingClient, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._client = client
        self._file = sqlite3.connect(folder / f"{client.identity.fingerprint}.sqlite")
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")

    @property
    def identity(self) -> ModelIdentity:
        return self._client.identity

    def embed_query(self, text: str, instruction: str, adapter: object = None) -> np.ndarray:  # noqa: ARG002
        key = _key(f"query\0{instruction}\0{text}")
        vector = self._held(key)
        if vector is None:
            vector = self._client.embed_query(text, instruction)
            self._keep(key, vector)
            self._file.commit()
        return vector

    def embed(self, texts: Iterable[tuple[bytes, str]]) -> Iterator[Result]:
        asked: dict[bytes, bytes] = {}
        missing: list[tuple[bytes, str]] = []
        for key, text in texts:
            asked[key] = _key(text)
            vector = self._held(asked[key])
            if vector is None:
                missing.append((key, text))
            else:
                yield EmbeddedText(key, vector)
        for number, result in enumerate(self._client.embed(missing)):
            if isinstance(result, EmbeddedText):
                self._keep(asked[result.key], result.vector)
            if number % COMMIT_TEXTS == 0:
                self._file.commit()
            yield result
        self._file.commit()

    def _held(self, key: bytes) -> np.ndarray | None:
        row = self._file.execute("SELECT vector FROM vectors WHERE key = ?", [key]).fetchone()
        return np.frombuffer(row[0], np.float32) if row else None

    def _keep(self, key: bytes, vector: np.ndarray) -> None:
        self._file.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", [key, vector.astype(np.float32).tobytes()])


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
