"""The search server over real HTTP, with a real PostgreSQL behind it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, cast

import httpx
import psycopg
import pytest

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.web import bodies, serve
from kb_pipeline.web.admission import Admission, GatedRoute
from kb_pipeline.web.backend import MOST_CONNECTIONS
from kb_pipeline_tests.instant_embedding_server import InstantServer
from kb_pipeline_tests.integration.web.serving import application, running, served

if TYPE_CHECKING:
    from collections.abc import Iterator


def no_embedder() -> EmbeddingClient:
    raise AssertionError("the embedding server was asked")


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with served(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


def test_a_search_by_url_and_by_body_give_the_same_hits(client: httpx.Client) -> None:
    by_url = client.get("/v1/search", params={"q": "年假", "k": 2, "mode": "lexical"}).json()
    by_body = client.post("/v1/search", json={"query": "年假", "k": 2, "mode": "lexical"}).json()
    assert by_url["hits"] == by_body["hits"]
    assert by_url["hits"][0]["source_file"] == "员工手册.pdf"
    assert by_url["mode"] == "lexical"
    assert by_body["event_id"] == by_url["event_id"] + 1


def test_what_a_hit_shows_can_be_chosen_by_url_and_by_body(client: httpx.Client) -> None:
    options: dict[str, Any] = {
        "mode": "lexical",
        "per_document": 1,
        "fusion": "rrf",
        "merge": True,
        "fold": False,
        "explain": True,
    }
    by_url = client.get("/v1/search", params={"q": "年假"} | options).json()["hits"]
    assert by_url == client.post("/v1/search", json={"query": "年假"} | options).json()["hits"]
    assert by_url[0]["explanation"]["words"]["rank"] == 1
    assert [by_url[0]["content"][start:end] for start, end in by_url[0]["highlights"]] == ["年假"]


def test_prometheus_reads_how_long_query_vectors_took(client: httpx.Client, embeddings: InstantServer) -> None:
    client.get("/v1/search", params={"q": "pump", "mode": "vector"})
    client.get("/v1/search", params={"q": "pump", "mode": "lexical"})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "kb_query_embedding_seconds_count 1.0\n" in answer.text
    assert "kb_search_seconds_count 2.0\n" in answer.text
    assert 'kb_searches_total{mode="vector"} 1.0\n' in answer.text
    assert "pump" not in answer.text


def test_filters_narrow_a_search(client: httpx.Client) -> None:
    one = client.get("/v1/search", params={"q": "pump", "collection": ["contracts"], "where": "page_number = 3"}).json()
    assert [hit["source_file"] for hit in one["hits"]] == ["contract.pdf"]
    assert one["mode"] == "hybrid"
    two = client.post("/v1/search", json={"query": "pump", "collections": ["policies", "contracts"]}).json()
    assert len(two["hits"]) == 3
    counts = client.get("/v1/collections").json()["collections"]
    assert [(count["name"], count["documents"], count["passages"], count["bytes"]) for count in counts] == [
        ("contracts", 2, 2, 2000),
        ("policies", 1, 1, 1000),
    ]


WRONG_BODIES: list[tuple[Any, str]] = [
    ({}, "The field query is missing; send it in the body."),
    ({"query": ""}, "query is wrong"),
    ({"query": " "}, "The query is empty"),
    ({"query": "x", "k": 0}, "k is wrong: input should be greater than or equal to 1."),
    ({"query": "x", "k": "many"}, "k is wrong: input should be a valid integer."),
    ({"query": "x", "k": True}, "k is wrong"),
    ({"query": 3}, "query is wrong: input should be a valid string."),
    ({"query": "x", "mode": "fuzzy"}, "mode is wrong: input should be 'hybrid', 'vector' or 'lexical'."),
    ({"query": "x", "where": "pages = 3"}, "The filter is wrong at character 1"),
    ({"query": "x", "collections": "a"}, "collections is wrong"),
    ({"query": "x", "collections": [1]}, "collections.0 is wrong"),
    ({"query": "x", "colection": ["a"]}, "There is no field colection"),
    ({"query": "x", "generation": "g9"}, "There is no generation g9"),
    ([], "not a JSON object"),
    ({"query": "x", "collections": ["a\0b"]}, "collections.0 is wrong"),
    ({"query": "x", "generation": "\0"}, "generation is wrong"),
    ({"query": "x", "k": 10**40}, "k is wrong"),
    ({"query": "x", "fusion": "sum"}, "fusion is wrong"),
    ({"query": "x", "per_document": 0}, "per_document is wrong"),
    ({"query": "x", "merge": "perhaps"}, "merge is wrong"),
]
# What no JSON library writes, but a client may send.
HOSTILE_BODIES = [
    b"{",
    b"[" * 30_000,
    b'{"query":' + b"[" * 30_000,
    b'{"query":' * 5_000,
    b'{"query":"\\ud800"}',
    b'{"query":"x","collections":["\\udfff"]}',
    b'{"query":"\xff"}',
    b'{"query":"x","k":' + b"9" * 5_000 + b"}",
    b'{"query":"x","k":NaN}',
    b"",
]
JSON = {"content-type": "application/json"}


def test_a_wrong_request_is_400_and_one_sentence(client: httpx.Client) -> None:
    for body, sentence in WRONG_BODIES:
        answer = client.post("/v1/search", json=body)
        assert answer.status_code == 400
        assert sentence in answer.json()["detail"]


PROBLEM = {"type", "title", "status", "detail", "message", "request_id"}


def test_other_mistakes_have_their_own_status(client: httpx.Client) -> None:
    for body in HOSTILE_BODIES:
        answer = client.post("/v1/search", content=body, headers=JSON)
        assert (answer.status_code, set(answer.json())) == (400, PROBLEM)
    as_text = client.post("/v1/search", content=b'{"query":"x"}', headers={"content-type": "text/plain"})
    assert as_text.status_code == 415
    assert client.post("/v1/search", json={"query": "x" * 70_000}).status_code == 413
    assert client.get("/nowhere").status_code == 404
    other = client.delete("/v1/search")
    assert (other.status_code, other.headers["allow"]) == (405, "GET, POST")
    assert client.get("/v1/search", params={"q": "x", "colour": "red"}).status_code == 400


def test_an_error_is_problem_details_with_the_id_of_its_request(client: httpx.Client) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/v1/search", 405), ("GET", "/v1/search", 400)):
        answer = client.request(method, path, headers={"x-request-id": "proxy-17.a"})
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert set(problem) == PROBLEM
        assert (problem["status"], problem["request_id"]) == (status, "proxy-17.a")
        assert problem["detail"].endswith(".")
        assert answer.headers["x-request-id"] == "proxy-17.a"
    foreign = client.get("/healthz", headers={"host": "evil.example", "x-request-id": "a b"})
    assert foreign.json()["request_id"] == foreign.headers["x-request-id"] != "a b"


def test_the_api_describes_itself_and_its_rights(client: httpx.Client) -> None:
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    search = described["paths"]["/v1/search"]["post"]
    assert search["security"] == [{"key": ["search"]}, {"cookie": ["search"]}]
    assert "application/problem+json" in search["responses"]["default"]["content"]
    schema = described["components"]["schemas"]["SearchByBody"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["k"]["maximum"] == 200


def test_a_foreign_host_name_is_refused(client: httpx.Client) -> None:
    answer = client.get("/v1/search", params={"q": "年假"}, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "hits" not in answer.json()


def test_what_another_site_asks_for_is_refused_and_not_logged(client: httpx.Client, filled: str) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site}
        assert client.get("/v1/search", params={"q": "年假"}, headers=headers).status_code == 403
        assert client.post("/v1/search", json={"query": "年假"}, headers=headers).status_code == 403
        assert client.get("/", headers=headers).status_code == 200  # a link to the page
    with psycopg.connect(filled) as connection:
        assert connection.execute("SELECT count(*) FROM search_events").fetchone() == (0,)
    plain = {"origin": "http://evil.example"}  # all that a browser says to a server without TLS under a name
    assert client.post("/v1/search", json={"query": "年假"}, headers=plain).status_code == 403
    through_a_proxy = {"origin": "https://kb.example.com", "sec-fetch-site": "same-origin"}
    assert client.post("/v1/feedback", json={}, headers=through_a_proxy).status_code == 400
    for site in ("same-origin", "none"):
        asked = client.get("/v1/search", params={"q": "年假", "mode": "lexical"}, headers={"sec-fetch-site": site})
        assert asked.status_code == 200


def test_words_that_grow_when_they_are_normalised_are_no_error(client: httpx.Client) -> None:
    for text in ("ß" * 2000, "ﬁ" * 2000, "ﷺ" * 2000, "\u0958" * 2000, "İ" * 2000, "x" * 2000):
        for mode in ("hybrid", "lexical"):
            assert client.post("/v1/search", json={"query": text, "mode": mode}).status_code == 200


def test_the_page_asks_no_other_server_and_makes_no_markup_of_text(client: httpx.Client) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    loaded: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        answer = client.get(f"/{name}")
        assert answer.status_code == 200, name
        loaded[name] = answer.text
        wanted += {f"static/{one}" for one in re.findall(r'from "\./([^"]+)"', answer.text)} - loaded.keys()
    assert {"static/main.js", "static/document.js", "static/style.css", "static/icon.svg"} <= loaded.keys()
    for text in (page.text, *loaded.values()):
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/static/..%2fapp.py").status_code == 404
    assert client.get("/static/index.html").status_code == 404


def test_searches_run_side_by_side(client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.get("/v1/search", params={"q": f"pump {n}"}), range(48)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["event_id"] for answer in answers}) == 48


def test_the_server_survives_losing_its_database_connections(client: httpx.Client, filled: str) -> None:
    assert client.get("/v1/search", params={"q": "pump"}).status_code == 200
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert client.get("/v1/search", params={"q": "pump"}).status_code == 200
    assert client.get("/readyz").json() == {"status": "ok"}


def test_no_database_is_503_and_a_sentence(embeddings: InstantServer) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    with served(lambda: nowhere, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        answer = client.get("/readyz")
        assert client.get("/healthz").json() == {"status": "ok"}
    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["detail"]


def test_without_its_embedding_server_hybrid_answers_by_words_until_one_is_found_elsewhere(
    filled: str, embeddings: InstantServer
) -> None:
    address = ["http://127.0.0.1:9/v1"]
    with served(lambda: filled, lambda: EmbeddingClient.connect(address[0], patience=0.1)) as client:
        words = client.get("/v1/search", params={"q": "pump"})
        assert words.status_code == 200
        assert (words.json()["mode"], words.json()["note_code"]) == ("lexical", "embedding_server")
        assert words.json()["hits"][0]["source_file"] == "contract.pdf"
        vectors = client.get("/v1/search", params={"q": "pump", "mode": "vector"})
        assert vectors.status_code == 503
        assert "embedding server" in vectors.json()["detail"].lower()
        assert "kb_query_embedding_failures_total 2" in client.get("/metrics").text
        address[0] = embeddings.base_url
        assert client.get("/v1/search", params={"q": "pump"}).json()["mode"] == "hybrid"


class HeldUp:
    """A client of an embedding server that takes as long as the test likes."""

    def __init__(self, client: EmbeddingClient) -> None:
        self.identity = client.identity
        self.client = client
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()

    def embed_query(self, text: str, instruction: str, adapter: Any = None) -> Any:
        self.asked.release()
        assert self.released.wait(60)
        return self.client.embed_query(text, instruction, adapter)

    def close(self) -> None:
        pass


def test_slow_query_vectors_hold_up_nobody_else(filled: str, embeddings: InstantServer) -> None:
    searches = MOST_CONNECTIONS + 4
    with EmbeddingClient.connect(embeddings.base_url) as embedder, ThreadPoolExecutor(searches) as pool:
        slow = HeldUp(embedder)
        with served(lambda: filled, lambda: cast("EmbeddingClient", slow)) as client:
            try:
                waiting = [pool.submit(client.get, "/v1/search", params={"q": f"pump {n}"}) for n in range(searches)]
                for _ in range(searches):
                    assert slow.asked.acquire(timeout=60)
                assert client.get("/readyz").status_code == 200
                assert client.get("/v1/collections").status_code == 200
                words = client.get("/v1/search", params={"q": "pump", "mode": "lexical"})
                assert words.json()["hits"][0]["source_file"] == "contract.pdf"
                assert not any(search.done() for search in waiting)
            finally:
                slow.released.set()
            assert {search.result().json()["mode"] for search in waiting} == {"hybrid"}


def test_what_is_in_work_is_answered_when_the_server_stops(filled: str, embeddings: InstantServer) -> None:
    with EmbeddingClient.connect(embeddings.base_url) as embedder, ThreadPoolExecutor(2) as pool:
        slow = HeldUp(embedder)
        stack = ExitStack()
        client = stack.enter_context(served(lambda: filled, lambda: cast("EmbeddingClient", slow)))
        # A client of its own: leaving closes the other before the server is told to stop.
        asked = pool.submit(
            httpx.get, f"{client.base_url}/v1/search", params={"q": "pump"}, timeout=60, trust_env=False
        )
        assert slow.asked.acquire(timeout=60)
        stopped = pool.submit(stack.close)
        address = (client.base_url.host, client.base_url.port or 80)
        while accepts(address):
            pass
        slow.released.set()
        assert asked.result().json()["mode"] == "hybrid"
        stopped.result()


def accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=60).close()
    except ConnectionError:
        return False
    return True


def test_too_many_at_once_and_too_many_of_one_are_refused(filled: str, embeddings: InstantServer) -> None:
    with EmbeddingClient.connect(embeddings.base_url) as embedder, ThreadPoolExecutor(2) as pool:
        slow = HeldUp(embedder)
        app = application(lambda: filled, lambda: cast("EmbeddingClient", slow), Admission(rate=0.4))
        (route,) = {route.gate: route for route in app.routes if isinstance(route, GatedRoute)}.values()
        route.gate.places.most = 1
        with running(app) as client:
            asked = pool.submit(client.get, "/v1/search", params={"q": "pump"})
            assert slow.asked.acquire(timeout=60)
            refused = client.get("/v1/search", params={"q": "pump"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert client.get("/healthz").status_code == 200
            slow.released.set()
            assert asked.result().status_code == 200
            answers = [client.get("/v1/collections") for _ in range(4)]  # a bucket holds four, and one is gone
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert int(answers[-1].headers["retry-after"]) in {1, 2, 3}


# --- connections -------------------------------------------------------------------------------------


def connected(client: httpx.Client, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60)
    connection.sendall(sent)
    return connection


def is_hung_up(connection: socket.socket) -> bool:
    """Waits until the server hangs up, or fails."""
    with connection:
        try:
            while connection.recv(65_536):
                pass
        except ConnectionResetError:
            pass
    return True


BEGUN = b"POST /v1/search HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 50\r\n"
WHOLE = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def test_a_client_that_hangs_up_leaves_nothing_in_the_log(filled: str, capfd: pytest.CaptureFixture[str]) -> None:
    with served(lambda: filled, no_embedder) as client:
        for sent in (b"", BEGUN, BEGUN + b'\r\n{"query":', WHOLE) * 5:
            connected(client, sent).close()
        assert client.get("/readyz").status_code == 200
    assert capfd.readouterr().err == ""


def test_a_connection_without_a_request_is_hung_up(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(serve, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "JSON", bodies.Bounds(bodies.JSON.largest, 0.2))
    with served(lambda: filled, no_embedder) as client:
        for sent in (b"", BEGUN, WHOLE + BEGUN):
            assert is_hung_up(connected(client, sent))
        with connected(client, BEGUN + b"\r\n{") as slow:
            assert b" 408 " in slow.recv(200)


def first_line(client: httpx.Client, sent: bytes) -> bytes:
    with connected(client) as connection:
        with suppress(ConnectionError):  # it may have said enough before everything was sent
            connection.sendall(sent)
        return connection.recv(65_536).partition(b"\r\n")[0]


ASKED = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"
SMUGGLED = [
    ASKED + b"host: evil.example\r\n\r\n",
    ASKED + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ASKED + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ASKED + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ASKED + b"x: a\0b\r\n\r\n",
    ASKED + b" x: folded\r\n\r\n",
]


def test_headers_that_two_servers_may_read_differently_are_refused(filled: str) -> None:
    with served(lambda: filled, no_embedder) as client:
        for sent in SMUGGLED:
            assert b" 400 " in first_line(client, sent), sent
        assert b" 200 " in first_line(client, ASKED + b"\r\n")


def test_headers_without_end_are_refused(filled: str) -> None:
    with served(lambda: filled, no_embedder) as client:
        large = b"x: " + b"a" * 1000 + b"\r\n"
        assert b" 431 " in first_line(client, ASKED + large * 40 + b"\r\n")
        assert b" 431 " in first_line(client, ASKED + large * 2_000)
        assert client.get("/healthz").status_code == 200


def test_connections_are_limited(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "MOST_CLIENTS", 3)
    with served(lambda: filled, no_embedder) as client:
        held = [connected(client, WHOLE) for _ in range(3)]
        for connection in held:
            assert connection.recv(100)
        assert is_hung_up(connected(client, WHOLE))
        for connection in held:
            connection.close()


def test_an_empty_knowledge_base_answers_with_a_note(database_url: str, embeddings: InstantServer) -> None:
    with served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        answer = client.get("/v1/search", params={"q": "年假"}).json()
        assert (answer["hits"], answer["note_code"], answer["event_id"]) == ([], "empty", None)
        assert client.get("/v1/collections").json() == {"collections": []}


SERVE = """
import sys
from kb_pipeline.errors import KbError
from kb_pipeline.web.serve import serve
from kb_pipeline_tests.integration.web.serving import application
app = application(lambda: sys.argv[1], lambda: None)
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
        answer = httpx.get(f"{url}/v1/search", params={"q": "secret words", "mode": "lexical"}, trust_env=False)
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
