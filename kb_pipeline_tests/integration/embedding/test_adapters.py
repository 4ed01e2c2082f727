"""Adapters on a running CPU server, through its protocol and through the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.embedding.models import QueryAdapter
from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline_tests.adapters import write_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERY = "How many days of leave are there?"


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "tuned")


@pytest.fixture
def root(cpu_embedding_url: str) -> Iterator[str]:
    """The server's, without these adapters before and after."""
    root = cpu_embedding_url.removesuffix("/v1")
    yield root
    for name in ("tuned", "other"):
        httpx.post(f"{root}/unload_lora_adapter", json={"lora_name": name}, timeout=60)


def load(root: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{root}/load_lora_adapter", json=body, timeout=60)


def test_an_adapter_is_loaded_once_and_unloaded(root: str, adapter: Path) -> None:
    answer = load(root, lora_name="tuned", lora_path=str(adapter))
    # The server is everybody's, and may hold adapters of others.
    assert (answer.status_code, answer.json()["loaded_adapters"]["tuned"]) == (200, str(adapter))
    again = load(root, lora_name="tuned", lora_path=str(adapter))
    assert (again.status_code, again.json()["success"]) == (400, False)
    assert httpx.post(f"{root}/unload_lora_adapter", json={"lora_name": "tuned"}, timeout=60).status_code == 200
    assert httpx.post(f"{root}/unload_lora_adapter", json={"lora_name": "tuned"}, timeout=60).status_code == 400


@pytest.mark.parametrize(
    "body", [{}, {"lora_name": "tuned"}, {"lora_name": "a:b", "lora_path": "/x"}, {"lora_name": "", "lora_path": "/x"}]
)
def test_what_is_no_adapter_is_refused(root: str, body: dict[str, str]) -> None:
    assert load(root, **body).status_code == 400


def test_a_folder_that_is_not_there_is_one_sentence(root: str, tmp_path: Path) -> None:
    answer = load(root, lora_name="other", lora_path=str(tmp_path / "nothing"))
    assert answer.status_code == 400
    assert "incomplete or damaged" in answer.json()["error_message"]


def test_a_query_goes_through_its_adapter_and_documents_do_not(
    root: str, cpu_embedding_url: str, adapter: Path
) -> None:
    with EmbeddingClient.connect(cpu_embedding_url) as client:
        plain = client.embed_query(QUERY, "")
        tuned = client.embed_query(QUERY, "", QueryAdapter("tuned", str(adapter)))  # loads it
        assert plain @ tuned < 0.999
        httpx.post(f"{root}/unload_lora_adapter", json={"lora_name": "tuned"}, timeout=60)  # as after a restart
        again = client.embed_query(f"{QUERY} ", "", QueryAdapter("tuned", str(adapter)))
        assert again @ tuned > 0.99
        np.testing.assert_array_equal(client.embed_query(QUERY, ""), plain)


def test_an_adapter_that_cannot_be_loaded_says_what_to_do(cpu_embedding_url: str, tmp_path: Path) -> None:
    missing = QueryAdapter("other", str(tmp_path / "missing"))
    with (
        EmbeddingClient.connect(cpu_embedding_url) as client,
        pytest.raises(EmbeddingServerUnavailable, match=r"cannot use the adapter other .*generations rollback"),
    ):
        client.embed_query(QUERY, "", missing)
