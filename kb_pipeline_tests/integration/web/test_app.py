"""The search server over real HTTP, with a real PostgreSQL behind it."""

from __future__ import annotations

import base64
import hashlib
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import uvicorn

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database
from kb_pipeline.web.app import create_app
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSAGES = [
    Passage("员工每年享有五天带薪年假。", "员工手册.pdf", "policies", 12, ("休假", "年假")),
    Passage("The supplier delivers the pump within thirty days.", "contract.pdf", "contracts", 3, ("Delivery",)),
    Passage("<img src=x onerror=alert(1)> is only text.", "odd.html", "contracts"),
]


@pytest.fixture
def embeddings() -> Iterator[InstantServer]:
    with instant_server(dimension=32) as server:
        yield server


@pytest.fixture
def filled(database_url: str, embeddings: InstantServer) -> str:
    database.migrate(database_url)
    with (
        database.connect(database_url, autocommit=True) as connection,
        EmbeddingClient.connect(embeddings.base_url) as client,
    ):
        fill(connection, make_generation(connection, client.identity), PASSAGES)
    return database_url


@contextmanager
def served(database_url: Callable[[], str], connect_embedder: Callable[[], EmbeddingClient]) -> Iterator[httpx.Client]:
    """A client of the application, which runs in a thread until the block ends."""
    app = create_app(
        database_url=database_url,
        connect_embedder=connect_embedder,
        mask=lambda text, collections: [text.replace("13812345678", "<M>")],
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


def test_a_search_by_url_and_by_body_give_the_same_hits(client: httpx.Client) -> None:
    by_url = client.get("/search", params={"q": "年假", "k": 2, "mode": "lexical"}).json()
    by_body = client.post("/search", json={"query": "年假", "k": 2, "mode": "lexical"}).json()
    assert by_url["hits"] == by_body["hits"]
    assert by_url["hits"][0]["source_file"] == "员工手册.pdf"
    assert by_url["mode"] == "lexical"
    assert by_body["event_id"] == by_url["event_id"] + 1


def test_prometheus_reads_how_long_query_vectors_took(client: httpx.Client, embeddings: InstantServer) -> None:
    client.get("/search", params={"q": "pump", "mode": "vector"})
    client.get("/search", params={"q": "pump", "mode": "lexical"})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "kb_query_embedding_seconds_count 1\n" in answer.text
    assert "kb_search_seconds_count 2\n" in answer.text
    assert 'kb_searches_total{mode="vector"} 1\n' in answer.text
    assert "pump" not in answer.text


def test_filters_narrow_a_search(client: httpx.Client) -> None:
    one = client.get("/search", params={"q": "pump", "collection": ["contracts"], "where": "page_number = 3"}).json()
    assert [hit["source_file"] for hit in one["hits"]] == ["contract.pdf"]
    assert one["mode"] == "hybrid"
    two = client.post("/search", json={"query": "pump", "collections": ["policies", "contracts"]}).json()
    assert len(two["hits"]) == 3
    assert client.get("/collections").json() == {"collections": ["contracts", "policies"]}


WRONG_BODIES: list[tuple[Any, str]] = [
    ({}, "The query is empty"),
    ({"query": "x", "k": 0}, "k is 0"),
    ({"query": "x", "k": "many"}, "not a whole number"),
    ({"query": "x", "k": True}, "not a whole number"),
    ({"query": 3}, "query is not a text"),
    ({"query": "x", "mode": "fuzzy"}, "The mode is unknown"),
    ({"query": "x", "where": "pages = 3"}, "The filter is wrong at character 1"),
    ({"query": "x", "collections": "a"}, "not a list of names"),
    ({"query": "x", "colection": ["a"]}, "The field colection is unknown"),
    ({"query": "x", "generation": "g9"}, "There is no generation g9"),
    ([], "not a JSON object"),
]


def test_a_wrong_request_is_400_and_one_sentence(client: httpx.Client) -> None:
    for body, sentence in WRONG_BODIES:
        answer = client.post("/search", json=body)
        assert answer.status_code == 400
        assert sentence in answer.json()["error"]


def test_other_mistakes_have_their_own_status(client: httpx.Client) -> None:
    assert client.post("/search", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert client.post("/search", content=b'{"query":"x"}', headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/search", json={"query": "x" * 70_000}).status_code == 413
    assert client.get("/nowhere").status_code == 404
    assert client.delete("/search").status_code == 405
    assert all(
        "error" in answer.json() for answer in (client.get("/nowhere"), client.delete("/search"), client.get("/search"))
    )


def test_a_foreign_host_name_is_refused(client: httpx.Client) -> None:
    answer = client.get("/search", params={"q": "年假"}, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "hits" not in answer.json()


def test_the_page_is_self_contained_and_its_policy_covers_its_script_and_style(client: httpx.Client) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    for element in ("script", "style"):
        (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\son\w+=", answer.text)


def test_searches_run_side_by_side(client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.get("/search", params={"q": f"pump {n}"}), range(48)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["event_id"] for answer in answers}) == 48


def test_the_server_survives_losing_its_database_connections(client: httpx.Client, filled: str) -> None:
    assert client.get("/search", params={"q": "pump"}).status_code == 200
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert client.get("/search", params={"q": "pump"}).status_code == 200
    assert client.get("/health").json() == {"status": "ok"}


def test_no_database_is_503_and_a_sentence(embeddings: InstantServer) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    with served(lambda: nowhere, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        answer = client.get("/health")
    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["error"]


def test_an_embedding_server_that_comes_back_elsewhere_is_found(filled: str, embeddings: InstantServer) -> None:
    address = ["http://127.0.0.1:9/v1"]
    with served(lambda: filled, lambda: EmbeddingClient.connect(address[0])) as client:
        missing = client.get("/search", params={"q": "pump"})
        assert missing.status_code == 503
        assert "embedding server" in missing.json()["error"].lower()
        assert client.get("/search", params={"q": "pump", "mode": "lexical"}).status_code == 200
        address[0] = embeddings.base_url
        assert client.get("/search", params={"q": "pump"}).json()["mode"] == "hybrid"


def test_an_empty_knowledge_base_answers_with_a_note(database_url: str, embeddings: InstantServer) -> None:
    with served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        answer = client.get("/search", params={"q": "年假"}).json()
        assert (answer["hits"], answer["note_code"], answer["event_id"]) == ([], "empty", None)
        assert client.get("/collections").json() == {"collections": []}


SERVE = """
import sys
from kb_pipeline.errors import KbError
from kb_pipeline.web.app import create_app
from kb_pipeline.web.serve import serve
app = create_app(database_url=lambda: sys.argv[1], connect_embedder=lambda: None, mask=lambda text, collections: [text])
try:
    code = serve(app, port=int(sys.argv[2]), announce=lambda url: print(url, flush=True))
except KbError as error:
    sys.exit(str(error))
print("closed", flush=True)
sys.exit(code)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(filled: str, signum: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVE, filled]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.get(f"{url}/search", params={"q": "secret words", "mode": "lexical"}, trust_env=False)
        assert answer.status_code == 200
        second = subprocess.run(
            [*command, url.rpartition(":")[2]], capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 1
        assert "set KB_SEARCH_PORT" in second.stderr
        process.send_signal(signum)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "closed\n")
    assert "secret" not in err
    assert "Traceback" not in err
