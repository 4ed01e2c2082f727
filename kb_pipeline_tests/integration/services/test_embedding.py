"""The embedding server of a home, with the real server and the model that comes with it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.services.daemon import EMBEDDING, read_state, running, stop_all
from kb_pipeline.services.embedding import ensure_embedding_server
from kb_pipeline.system.process import end

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.integration.services.conftest import ProcessesOf


def test_a_killed_server_is_started_anew(home: Path, processes_of: ProcessesOf) -> None:
    first = ensure_embedding_server(home, model=None, idle_seconds=60)
    assert ensure_embedding_server(home, model=None, idle_seconds=60) == first
    state = read_state(home, EMBEDDING)
    assert state
    assert state.server
    assert end([state.server], [(signal.SIGKILL, 20.0)]) == []
    second = ensure_embedding_server(home, model=None, idle_seconds=60)
    answer = httpx.post(f"{second}/embeddings", json={"model": "any", "input": ["hello"]}, timeout=30)
    assert len(answer.json()["data"]) == 1
    assert stop_all(home) == [EMBEDDING]
    assert processes_of(home) == []


def test_a_model_that_is_not_there_is_an_error_with_a_reason(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty model").mkdir()
    with pytest.raises(EmbeddingServerUnavailable, match=r"did not start.*KB_EMBEDDING_URL"):
        ensure_embedding_server(home, model=str(tmp_path / "empty model"), idle_seconds=60)
    assert running(home) == []
