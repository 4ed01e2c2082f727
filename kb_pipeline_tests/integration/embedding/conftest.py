"""Embedding servers, and clients that are closed after the test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline_tests.embedding_fixtures import cpu_embedding_url, instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.integration.embedding.texts import Connect

__all__ = ["connect", "cpu_embedding_url", "instant"]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(EmbeddingClient.connect(*args, **options))
