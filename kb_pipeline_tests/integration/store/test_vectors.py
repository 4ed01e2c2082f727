"""Vectors go into PostgreSQL as they are, in half precision."""

from __future__ import annotations

import hashlib

import numpy as np
from pgvector import HalfVector

from kb_pipeline.store import database, ledger


def test_a_batch_of_vectors_comes_back_as_it_went_in(database_url: str) -> None:
    database.migrate(database_url)
    vectors = np.random.default_rng(1).standard_normal((600, 33)).astype(np.float32)
    hashes = [hashlib.sha256(str(number).encode()).digest() for number in range(len(vectors))]
    with database.connect(database_url, autocommit=True) as connection:
        database.register_types(connection)
        ledger.insert_embeddings(connection, "model-模型", hashes, vectors)
        stored: dict[bytes, HalfVector] = dict(
            connection.execute("SELECT text_hash, embedding FROM embeddings WHERE model_fingerprint = 'model-模型'")
        )
    assert set(stored) == set(hashes)
    for text_hash, vector in zip(hashes, vectors, strict=True):
        np.testing.assert_array_equal(stored[text_hash].to_numpy(), vector.astype(np.float16))
