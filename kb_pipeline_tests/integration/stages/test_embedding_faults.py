"""The embedding stage against a server that misbehaves as SGLang does, with what the ledger holds afterwards.

A fault that passes ends with every good text embedded exactly once and the bad ones named; one that stays ends with
one sentence, what was embedded until then is kept, and the next run does only the rest.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.operations.audit import audit
from kb_pipeline.stages import chunks, cleaned_elements, embeddings, knowledge_chunks
from kb_pipeline_tests.instant_embedding_server import (
    NAN_MARKER,
    POISON_MARKER,
    REJECT_MARKER,
    InstantServer,
    instant_server,
    instant_vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

DIMENSION = 64
DOCUMENTS, SECTIONS = 3, 64

PASSING = {
    "503 for a while": ["503"] * 12,
    "429": ["429"] * 3,
    "500": ["500"] * 3,
    "a hang": ["hang"],
    "a slow trickle": ["trickle"],
    "resets": ["reset"] * 3,
    "resets in mid-body": ["reset-mid-body"] * 3,
    "truncated JSON": ["truncated-json"] * 3,
    "a wrong count": ["wrong-count"] * 3,
    "shuffled indexes": ["shuffled"] * 3,
    "repeated indexes": ["wrong-index"] * 3,
    "a wrong dimension": ["wrong-dimension"] * 3,
    "NaN": ["nan"] * 3,
    "zeros": ["zeros"] * 3,
    "everything at once": ["503", "reset", "nan", "wrong-count", "truncated-json", "shuffled", "429", "zeros", "500"],
}
STAYING = {
    "503": "503",
    "500": "500",
    "a hang": "no answer in time",
    "resets": "connection failed",
    "NaN": "unusable",
    "401": "KB_EMBEDDING_API_KEY",
    "another model": "now serves another instead of instant",
}
FAULTS = {"a hang": "hang", "resets": "reset", "NaN": "nan", "another model": "other-model"}


@pytest.fixture
def server() -> Iterator[InstantServer]:
    with instant_server(DIMENSION) as server:
        yield server


@pytest.fixture
def written(kb: TestSite, server: InstantServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestSite]:
    """Documents that are parsed and chunked; the client waits a second where it would wait minutes."""
    monkeypatch.setattr("kb_pipeline.embedding.client.CONNECT_TIMEOUT", 0.3)
    kb.reopen(embedding_url=server.base_url)
    for document in range(DOCUMENTS):
        kb.write(f"{document}.md", "".join(section(document, number) for number in range(SECTIONS)))
    kb.scan()
    cleaned_elements.run(kb.site, None)
    chunks.run(kb.site, None)
    with EmbeddingClient.connect(server.base_url, timeout=0.3, patience=1.0) as client:
        kb.site.__dict__["embedding"] = client
        yield kb


def section(document: int, number: int, text: str = "") -> str:
    return f"# Section {document}.{number}\n\n{text or f'Rule {number} of document {document}.'}\n\n"


def embed(kb: TestSite) -> int:
    report = embeddings.run(kb.site, None)
    knowledge_chunks.run(kb.site, None)
    return report.counts["texts_embedded"]


def assert_own_vectors(kb: TestSite, rows: int) -> None:
    """Every row of the view holds the vector of its own text, and of no other."""
    found = kb.rows()
    assert len(found) == rows
    for row in found:
        own = instant_vector(f"{row['section_title']}\n{row['content']}", DIMENSION)
        assert np.allclose(row["embedding"].to_list(), own, atol=2e-3), row["content"]


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING.keys())
def test_a_passing_fault_loses_nothing(written: TestSite, server: InstantServer, faults: list[str]) -> None:
    server.inject(*faults)
    assert embed(written) == DOCUMENTS * SECTIONS
    assert server.seen()["faults_left"] == 0
    assert written.count("embeddings") == DOCUMENTS * SECTIONS
    assert_own_vectors(written, DOCUMENTS * SECTIONS)
    assert audit(written.site).findings == ()


def test_a_full_queue_slows_down_and_loses_nothing(written: TestSite, server: InstantServer) -> None:
    server.set(max_queued=5, delay=0.002)
    assert embed(written) == DOCUMENTS * SECTIONS
    assert_own_vectors(written, DOCUMENTS * SECTIONS)


@pytest.mark.parametrize("staying", STAYING)
def test_a_fault_that_stays_is_one_sentence_and_the_next_run_does_the_rest(
    written: TestSite, server: InstantServer, staying: str
) -> None:
    server.inject("none", *[FAULTS.get(staying, staying)] * 2000)
    with pytest.raises(EmbeddingServerUnavailable, match=STAYING[staying]) as caught:
        embed(written)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    kept = written.count("embeddings")
    assert 0 < kept < DOCUMENTS * SECTIONS
    assert written.failures() == {}
    server.clear()
    assert embed(written) == DOCUMENTS * SECTIONS - kept
    assert_own_vectors(written, DOCUMENTS * SECTIONS)


@pytest.mark.parametrize("marker", [REJECT_MARKER, POISON_MARKER, NAN_MARKER])
def test_one_bad_text_of_many_fails_its_document_and_no_other(
    written: TestSite, server: InstantServer, marker: str
) -> None:
    bad = "".join(section(9, number, f"secret {marker}" if number == 17 else "") for number in range(SECTIONS))
    written.write("bad.md", bad)
    written.refresh()
    failures = written.failures()
    assert set(failures) == {"bad.md"}
    assert failures["bad.md"].error == "TextRejected"
    assert "secret" not in failures["bad.md"].reason
    assert set(written.contents()) == {f"{document}.md" for document in range(DOCUMENTS)}


def test_a_server_that_is_killed_and_restarted_amid_a_run_loses_nothing(
    written: TestSite, server: InstantServer
) -> None:
    server.set(delay=0.02)
    killed = threading.Event()

    def kill_and_restart() -> None:
        server.wait_for_requests(3)
        server.kill()
        killed.set()
        server.start()

    restarting = threading.Thread(target=kill_and_restart)
    restarting.start()
    assert embed(written) == DOCUMENTS * SECTIONS
    restarting.join()
    assert killed.is_set()
    assert_own_vectors(written, DOCUMENTS * SECTIONS)
