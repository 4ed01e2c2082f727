"""A document that comes in over HTTP, through the pipeline as it is, until it is found; and out again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.access import keys
from kb_pipeline.defs.execute import run_job
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.operations.ingest import ingest
from kb_pipeline_tests.integration.web.serving import served
from kb_pipeline_tests.integration.web.test_access import key_for
from kb_pipeline_tests.sites import TestSite, embedding_server, kb, parsers

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from kb_pipeline_tests.instant_embedding_server import InstantServer

__all__ = ["embedding_server", "kb", "parsers"]

LEASE = b"# Lease\n\nThe rent of the quokka enclosure is due monthly.\n"


def found(client: httpx.Client) -> list[str]:
    answer = client.post("/v1/search", json={"query": "quokka enclosure", "mode": "lexical"})
    return [hit["source_file"] for hit in answer.json()["hits"]]


def test_what_is_sent_is_loaded_by_the_next_run_found_and_after_its_removal_gone(
    kb: TestSite, embedding_server: InstantServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(keys, "YOUNGEST", 0.0)  # a new key is known at once
    url = kb.site.database_url
    connect = partial(EmbeddingClient.connect, embedding_server.base_url)
    with served(lambda: url, connect, folder=tmp_path / "uploads", site=kb.site) as client:
        client.headers.update(key_for(url, rights=("search", "write")))
        sent = client.put("/v1/collections/contracts/documents/lease.md", content=LEASE)
        status = sent.headers["location"]
        assert (sent.status_code, client.get(status).json()["state"]) == (202, "waiting")
        assert found(client) == []

        first = ingest(kb.site, None, run=run_job)
        assert (first.new, first.failed, len(first.runs)) == (1, 0, 1)
        loaded = client.get(status).json()
        assert (loaded["state"], loaded["reason"]) == ("loaded", None)
        assert found(client) == ["contracts/lease.md"]

        assert client.delete(status).json()["state"] == "leaving"
        assert found(client) == ["contracts/lease.md"]  # until a run takes it out
        second = ingest(kb.site, None, run=run_job)
        assert second.deleted == 1
        assert client.get(status).status_code == 404
        assert found(client) == []
