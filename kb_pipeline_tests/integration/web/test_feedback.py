"""Feedback over real HTTP, and a PostgreSQL that comes and goes."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.services.daemon import POSTGRES, read_state
from kb_pipeline.services.postgres import ensure_postgres
from kb_pipeline.store import database
from kb_pipeline.store.feedback import Judgment
from kb_pipeline.web import feedback
from kb_pipeline.web.feedback import FeedbackWriter
from kb_pipeline_tests.instant_embedding_server import InstantServer
from kb_pipeline_tests.integration.web.serving import filled_database, served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import httpx

    from kb_pipeline.store.database import Connection

PEOPLE = 8
CLICKS = 400


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


def stored(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        said = connection.execute("SELECT rank, voter, helpful, reason, right_passage FROM feedback ORDER BY 1, 2")
        return said.fetchall()


def searched(client: httpx.Client, **headers: str) -> int:
    return int(client.get("/v1/search", params={"q": "pump", "mode": "lexical"}, headers=headers).json()["event_id"])


def test_the_last_word_on_a_hit_counts_and_can_be_taken_back(client: httpx.Client, filled: str) -> None:
    event = searched(client)
    right = {"document_id": 1, "chunk_key": "0a1b"}
    said = {"event_id": event, "rank": 1, "helpful": False, "reason": "outdated", "right_passage": right}
    for body in (said | {"helpful": True, "reason": None}, said, said):
        assert client.post("/v1/feedback", json=body).status_code == 204
    assert client.post("/v1/feedback", json={"event_id": event, "helpful": True, "session": "s-1"}).status_code == 204
    assert stored(filled) == [
        (0, "anyone/s-1", True, None, None),
        (1, "anyone", False, "outdated", right),
    ]
    assert client.delete(f"/v1/feedback/{event}/1").status_code == 204
    assert client.delete(f"/v1/feedback/{event}/1").status_code == 204
    assert client.delete(f"/v1/feedback/{event}/0", params={"session": "s-1"}).status_code == 204
    assert stored(filled) == []


def test_another_ones_search_and_no_search_are_the_same(client: httpx.Client, filled: str) -> None:
    rights = ("search", "feedback")
    one, other = key_for(filled, "one", rights=rights), key_for(filled, "other", rights=rights)
    mute = key_for(filled)
    event = searched(client, **one)
    answers = [
        client.post("/v1/feedback", json={"event_id": number, "rank": rank, "helpful": True}, headers=other)
        for number, rank in ((event, 1), (event + 1000, 1), (event, 200))
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    said = {"event_id": event, "rank": 1, "helpful": True}
    assert client.post("/v1/feedback", json=said, headers=one).status_code == 204
    assert client.post("/v1/feedback", json=said, headers=mute).status_code == 403
    assert [row[1] for row in stored(filled)] == ["key:one"]


WRONG: list[tuple[Any, str]] = [
    ({}, "event_id is missing"),
    ([], "not a JSON object"),
    ({"event_id": 0, "helpful": True}, "event_id is wrong"),
    ({"event_id": 2**63, "helpful": True}, "event_id is wrong"),
    ({"event_id": 1, "rank": -1, "helpful": True}, "rank is wrong"),
    ({"event_id": 1, "helpful": "yes"}, "helpful is wrong"),
    ({"event_id": 1, "helpful": False, "reason": "boring"}, "reason is wrong"),
    ({"event_id": 1, "helpful": False, "right_passage": {"document_id": 1}}, "right_passage.chunk_key is missing"),
    ({"event_id": 1, "helpful": False, "session": "a b"}, "session is wrong"),
    ({"event_id": 1, "helpful": True, "comment": "x"}, "no field comment"),
]


def test_wrong_feedback_is_400_and_one_sentence(client: httpx.Client, filled: str) -> None:
    for body, sentence in WRONG:
        answer = client.post("/v1/feedback", json=body)
        assert answer.status_code == 400
        assert sentence in answer.json()["detail"]
    assert stored(filled) == []


def test_what_was_acknowledged_is_there_after_postgresql_was_gone(
    filled: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PAUSE", 0.01)
    event = searched(client)
    gone = threading.Event()
    gone.set()

    @contextmanager
    def connect() -> Iterator[Connection]:
        if gone.is_set():
            raise DatabaseUnavailable("gone")
        with database.connect(filled, autocommit=True) as connection:
            yield connection

    writer = FeedbackWriter(connect)
    writer.start()
    waiting = [writer.submit(Judgment(event, 1, "anyone", f"voter {n}")) for n in range(1_200)]
    assert not any(done.done() for done in waiting)
    gone.clear()
    assert all(done.result(timeout=60) for done in waiting)
    writer.close()
    assert len(stored(filled)) == 1_200


def test_a_full_queue_and_a_long_wait_are_refused_and_never_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MOST_WAITING", 3)
    monkeypatch.setattr(feedback, "PATIENCE", 0.0)
    monkeypatch.setattr(feedback, "PAUSE", 0.0)

    def connect() -> AbstractContextManager[Connection]:
        raise DatabaseUnavailable("gone")

    writer = FeedbackWriter(connect)
    waiting = [writer.submit(Judgment(1, 0, "anyone", f"voter {n}")) for n in range(3)]
    with pytest.raises(DatabaseUnavailable, match="send it again"):
        writer.submit(Judgment(1, 0, "anyone", "voter 4"))
    writer.start()
    for done in waiting:
        with pytest.raises(DatabaseUnavailable, match="send it again"):
            done.result(timeout=60)
    writer.close()
    with pytest.raises(DatabaseUnavailable):
        writer.submit(Judgment(1, 0, "anyone", "too late"))


def test_nothing_acknowledged_is_lost_when_postgresql_is_killed_and_comes_back(
    home: Path, embeddings: InstantServer
) -> None:
    """Over HTTP, with a server of its own that syncs to disk; who is told 503 sends it again."""
    filled_database(ensure_postgres(home, idle_seconds=60), embeddings)
    said: set[str] = set()
    half, killed = threading.Event(), threading.Event()

    def click(client: httpx.Client, event: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            body = {"event_id": event, "rank": 1, "helpful": False, "session": f"s{number}"}
            while (status := client.post("/v1/feedback", json=body).status_code) != 204:
                assert status == 503
                killed.wait(timeout=60)
            said.add(f"anyone/s{number}")
            if len(said) >= CLICKS // 2:
                half.set()

    with served(
        lambda: ensure_postgres(home, idle_seconds=60), lambda: EmbeddingClient.connect(embeddings.base_url)
    ) as client:
        event = searched(client)
        shares = [range(first, CLICKS, PEOPLE) for first in range(PEOPLE)]
        with ThreadPoolExecutor(PEOPLE) as people:
            clicking = [people.submit(click, client, event, share) for share in shares]
            assert half.wait(timeout=60)
            state = read_state(home, POSTGRES)
            assert state is not None
            assert state.server is not None
            os.kill(state.server.pid, signal.SIGKILL)
            killed.set()
            for each in clicking:
                each.result()
    said_by = {row[1] for row in stored(ensure_postgres(home, idle_seconds=60))}
    assert said_by == said
    assert len(said) == CLICKS
