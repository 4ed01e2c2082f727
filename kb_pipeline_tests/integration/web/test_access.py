"""Who gets in, and what stays out of reach, over real HTTP."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_pipeline.access import keys
from kb_pipeline.access.keys import create
from kb_pipeline.access.proxy import Proxies
from kb_pipeline.access.tokens import new_token
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import ServerSettings, load_settings
from kb_pipeline.store import database
from kb_pipeline.web.admission import Admission, GatedRoute
from kb_pipeline.web.site import admission_of, serve_site
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.instant_embedding_server import InstantServer
from kb_pipeline_tests.integration.search.serving import Passage, make_generation
from kb_pipeline_tests.integration.web.serving import application, load, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN_PASSAGES = [
    Passage("The canteen opens at noon.", "canteen.md", "public", 1, ("Opening",)),
    Passage("食堂十二点开门。", "食堂.md", "public", 2),
    Passage("The canteen of the second house opens at one.", "second.md", "public"),
]
SECRET_PASSAGES = [
    Passage("The merger with Zephyr closes at noon.", "merger.md", "board", 1, ("Merger",), {"author": "Zhao"}),
    Passage("与西风公司的合并。", "合并.md", "board", 2),
    Passage("The canteen opens at noon.", "copy.md", "board", 3),
]
SECRETS = ("board", "merger", "Zephyr", "西风", "Zhao", "copy.md", "合并")


def key_for(url: str, name: str = "reader", **choice: Any) -> dict[str, str]:
    """The header of a new key."""
    with database.connect(url, autocommit=True) as connection:
        rights = {"groups": (), "collections": (), "rights": ("search",), "expires": "1d"}
        text, _ = create(connection, name, **(rights | choice))
    return {"authorization": f"Bearer {text}"}


@contextmanager
def serving(url: str, embeddings: InstantServer, admission: Admission | None = None) -> Iterator[httpx.Client]:
    with served(lambda: url, lambda: EmbeddingClient.connect(embeddings.base_url), admission or Admission()) as client:
        yield client


@pytest.fixture
def client(filled: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with serving(filled, embeddings) as client:
        yield client


# --- keys ------------------------------------------------------------------------------------------

ASKED = [("GET", "/v1/search?q=pump"), ("POST", "/v1/search"), ("GET", "/v1/collections"), ("GET", "/metrics")]


def test_the_first_key_closes_an_open_server(
    client: httpx.Client, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/v1/collections").status_code == 200
    monkeypatch.setattr(keys, "OLDEST", 0.0)
    header = key_for(filled, rights=("search", "admin"))
    for method, path in ASKED:
        refused = client.request(method, path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["detail"].startswith("This server asks for a key")
        body = {"query": "pump"} if method == "POST" else None
        assert client.request(method, path, headers=header, json=body).status_code == 200
    assert client.get("/readyz").status_code == client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200  # where one signs in; it holds nothing


def test_a_server_that_must_ask_does_so_before_there_is_a_key(filled: str, embeddings: InstantServer) -> None:
    with serving(filled, embeddings, Admission(asks=True)) as client:
        assert client.get("/v1/collections").status_code == 401


def test_a_right_that_a_key_lacks_is_403_and_named(client: httpx.Client, filled: str) -> None:
    header = key_for(filled)
    assert client.get("/v1/search", params={"q": "pump"}, headers=header).status_code == 200
    refused = client.get("/metrics", headers=header)
    assert refused.status_code == 403
    assert "needs the right admin" in refused.json()["detail"]


def test_a_revoked_key_stops_and_a_wrong_one_never_worked(
    client: httpx.Client, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = key_for(filled)
    assert client.get("/v1/collections", headers=header).status_code == 200
    monkeypatch.setattr(keys, "OLDEST", 0.0)
    with database.connect(filled, autocommit=True) as connection:
        keys.revoke(connection, "reader")
    refusals = {
        header["authorization"]: "was revoked",
        header["authorization"][:-1]: "no key of this server",
        header["authorization"][:-1] + "!": "no key of this server",
        f"Bearer {new_token()}": "not known",
        "Bearer": "asks for a key",
        "Basic YTpi": "asks for a key",
    }
    for value, sentence in refusals.items():
        refused = client.get("/v1/collections", headers={"authorization": value})
        assert refused.status_code == 401
        assert sentence in refused.json()["detail"]
        assert len(value) < len("Bearer kb_") or value.removeprefix("Bearer ") not in refused.text
    twice = client.get("/v1/collections", headers=[("authorization", "Bearer a"), ("authorization", "Bearer b")])
    assert "two Authorization headers" in twice.json()["detail"]


def test_use_of_a_key_is_noted(client: httpx.Client, filled: str) -> None:
    header = key_for(filled)
    client.get("/v1/collections", headers=header)
    with psycopg.connect(filled) as connection:
        (used,) = connection.execute("SELECT last_used_at FROM api_keys").fetchone() or (None,)
    assert used is not None


def test_signing_in_sets_a_cookie_that_no_script_reads_and_no_other_site_sends(
    client: httpx.Client, filled: str
) -> None:
    key = key_for(filled, collections=("contracts",))["authorization"].removeprefix("Bearer ")
    assert client.get("/v1/session").status_code == 401
    assert client.post("/v1/session", json={"key": key[:-1]}).status_code == 401
    assert client.post("/v1/session", json={"kee": key}).status_code == 400
    assert client.post("/v1/session", content=f'{{"key": "{key}"}}').status_code == 415
    signed_in = client.post("/v1/session", json={"key": key})
    assert signed_in.json() == {
        "principal": "key:reader",
        "groups": [],
        "collections": ["contracts"],
        "rights": ["search"],
        "answers": False,
    }
    attributes = {part.strip().lower() for part in signed_in.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict"} <= attributes
    assert "secure" not in attributes
    (found,) = client.get("/v1/collections").json()["collections"]  # the cookie goes with it
    assert found["name"] == "contracts"
    behind_tls = client.post("/v1/session", json={"key": key}, headers={"x-forwarded-proto": "https"})
    assert "; secure" in behind_tls.headers["set-cookie"].lower()
    client.delete("/v1/session")
    assert client.get("/v1/collections").status_code == 401


# --- proxies ---------------------------------------------------------------------------------------

LOGIN = {"x-forwarded-user": "li.lei", "x-forwarded-groups": "hr, legal,,hr"}


def behind(*addresses: str) -> Admission:
    return admission_of(ServerSettings(proxies=addresses))


def test_a_trusted_proxy_says_who_signed_in(filled: str, embeddings: InstantServer) -> None:
    with serving(filled, embeddings, behind("127.0.0.0/8")) as client:
        assert client.get("/v1/collections").status_code == 401
        who = client.get("/v1/session", headers=LOGIN).json()
        assert (who["principal"], who["groups"]) == ("user:li.lei", ["hr", "legal"])
        assert client.get("/v1/search", params={"q": "pump"}, headers=LOGIN).status_code == 200
        assert client.get("/metrics", headers=LOGIN).status_code == 403
        chinese = client.get("/v1/session", headers={b"x-forwarded-user": "李雷".encode()})
        assert chinese.json()["principal"] == "user:李雷"


def test_headers_from_elsewhere_count_for_nothing(filled: str, embeddings: InstantServer) -> None:
    with serving(filled, embeddings, behind("10.1.2.3", "fd00::/8")) as client:
        assert client.get("/v1/collections", headers=LOGIN).status_code == 401
        forged = {**LOGIN, "x-forwarded-for": "10.1.2.3", "forwarded": "for=10.1.2.3", "x-real-ip": "10.1.2.3"}
        assert client.get("/v1/collections", headers=forged).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-user", "li.lei"), ("x-forwarded-user", "admin")],
        [("x-forwarded-user", "li.lei"), ("x-forwarded-groups", "hr"), ("x-forwarded-groups", "board")],
        [("x-forwarded-user", "x" * 201)],
        [(b"x-forwarded-user", b"\xff\xfe")],
        [(b"x-forwarded-user", "a\u202eb".encode())],
    ],
)
def test_headers_that_no_sound_proxy_sends_are_refused(
    filled: str, embeddings: InstantServer, headers: list[tuple[Any, Any]]
) -> None:
    with serving(filled, embeddings, behind("127.0.0.1")) as client:
        assert client.get("/v1/collections", headers=headers).status_code == 401
        smuggled = {"x_forwarded_user": "li.lei", "x-forwarded-user": ""}
        assert client.get("/v1/collections", headers=smuggled).status_code == 401


def test_only_the_named_header_of_an_exact_address_counts() -> None:
    proxies = Proxies(("10.0.0.0/24", "::1"), "x-user", "x-groups")
    sent = {"x-user": ["a"], "x-groups": ["g"]}
    found = {peer: proxies.principal(peer, lambda name: sent.get(name, [])) for peer in PEERS}
    assert {peer for peer, principal in found.items() if principal} == {"10.0.0.7", "::1", "::ffff:10.0.0.7"}


PEERS = ("10.0.0.7", "::1", "::ffff:10.0.0.7", "10.0.1.7", "127.0.0.1", "", "unix", "::2")


# --- where it listens ------------------------------------------------------------------------------


def test_beyond_this_machine_only_with_a_key(
    database_url: str, home: Path, embeddings: InstantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = load_settings(
        home=home,
        database_url=database_url,
        embedding_url=embeddings.base_url,
        server={"host": "0.0.0.0"},  # noqa: S104
    )
    with pytest.raises(SettingsError, match="kb keys create"):
        serve_site(site, lambda url: None)
    key_for(database_url)
    served_at: list[str] = []

    def serve(app: object, *, host: str, **_: object) -> int:
        served_at.append(host)
        return 0

    monkeypatch.setattr("kb_pipeline.web.site.serve", serve)
    assert serve_site(site, lambda url: None) == 0
    assert served_at == ["0.0.0.0"]  # noqa: S104


def test_a_server_that_others_reach_always_asks() -> None:
    assert not admission_of(ServerSettings()).asks
    assert not admission_of(ServerSettings(host="::1")).asks
    assert admission_of(ServerSettings(host="10.0.0.5")).asks
    assert admission_of(ServerSettings(host="kb.internal")).asks
    assert admission_of(ServerSettings(names=("KB.example.com",))).hosts >= {"127.0.0.1", "kb.example.com"}


def test_another_host_name_is_answered_once_it_is_named(filled: str, embeddings: InstantServer) -> None:
    with serving(filled, embeddings, admission_of(ServerSettings(names=("kb.example.com",)))) as client:
        for host, status in {"kb.example.com": 200, "KB.example.com:443": 200, "evil.example": 400, "": 400}.items():
            assert client.get("/v1/collections", headers={"host": host}).status_code == status


# --- out of reach ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twins(postgres_url: str, embeddings: InstantServer) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two servers for a key of the collection `public`: one also holds what is out of its reach, one does not."""
    with new_database(postgres_url) as whole, new_database(postgres_url) as bare:
        for url, passages in ((whole, OPEN_PASSAGES + SECRET_PASSAGES), (bare, OPEN_PASSAGES)):
            database.migrate(url)
            with (
                database.connect(url, autocommit=True) as connection,
                EmbeddingClient.connect(embeddings.base_url) as client,
            ):
                load(connection, make_generation(connection, client.identity), passages)
        with serving(whole, embeddings) as one, serving(bare, embeddings) as other:
            may: dict[str, Any] = {
                "collections": ("public", "planned"),
                "rights": ("search", "read", "original", "write"),
            }
            one.headers.update(key_for(whole, **may))
            other.headers.update(key_for(bare, **may))
            yield one, other


WORDS = st.sampled_from(
    [
        "canteen",
        "merger Zephyr",
        "noon",
        "合并",
        "食堂",
        "board",
        "12",
        "The canteen opens at noon.",
        "西风公司",
        '"closes at noon"',
        "canteen -noon",
    ]
)
NAMES = st.lists(st.sampled_from(["public", "board", "planned", "no such", "BOARD", "board' OR '1'='1"]), max_size=3)
WHERES = st.sampled_from(
    [
        "",
        "collection = 'board'",
        "collection <> 'public'",
        "not collection = 'public'",
        "collection = 'public' or collection = 'board'",
        "collection in ('board', 'public')",
        "collection like 'b%'",
        "collection is not null or page_number >= 0",
        "source_file like '%merger%' or metadata.author = 'Zhao'",
        "page_number >= 1 or not page_number >= 1",
        "section_title is null or section_title = 'Merger'",
        "collection = 'board') or (1 = 1",
    ]
)
REQUESTS = st.fixed_dictionaries(
    {"query": WORDS, "k": st.sampled_from([3, 10, 200]), "mode": st.sampled_from(["hybrid", "vector", "lexical"])},
    optional={
        "collections": NAMES,
        "where": WHERES,
        "fusion": st.sampled_from(["convex", "rrf"]),
        "per_document": st.sampled_from([1, 2]),
        "merge": st.booleans(),
        "fold": st.booleans(),
        "explain": st.booleans(),
        "generation": st.sampled_from(["nowhere", "g1"]),
    },
)


def told(answer: httpx.Response) -> Any:
    """All that an answer says but for times, counters and scores, which word statistics of the whole table move."""
    body = answer.json()
    if "hits" not in body:
        return answer.status_code, {name: value for name, value in body.items() if name != "request_id"}
    shown = ("source_file", "content", "collection", "document_id", "chunk_key", "also_in", "highlights", "metadata")
    hits = sorted(([hit[name] for name in shown] for hit in body["hits"]), key=str)
    return answer.status_code, body["query"], body["mode"], body["note"], body["note_code"], hits


@settings(max_examples=120, deadline=None)
@given(request=REQUESTS, by_url=st.booleans())
def test_no_search_tells_that_there_is_anything_out_of_reach(
    twins: tuple[httpx.Client, httpx.Client], request: dict[str, Any], by_url: bool
) -> None:
    def ask(client: httpx.Client) -> httpx.Response:
        if not by_url:
            return client.post("/v1/search", json=request)
        rest = {name: value for name, value in request.items() if name not in {"query", "collections"}}
        return client.get(
            "/v1/search", params={**rest, "q": request["query"], "collection": request.get("collections", [])}
        )

    whole, bare = map(ask, twins)
    assert told(whole) == told(bare)
    for hit in whole.json().get("hits", ()):
        assert not any(secret in str(hit) for secret in SECRETS)


def test_no_other_address_tells_it_either(twins: tuple[httpx.Client, httpx.Client]) -> None:
    whole, bare = twins
    paths = [
        "/v1/collections",
        "/metrics",
        "/v1/session",
        "/healthz",
        "/readyz",
        "/nowhere",
        "/v1/openapi.json",
        "/v1/documents",
        "/v1/documents?collection=board",
        "/v1/documents?name=merger.md",
        "/v1/documents?name=canteen.md&limit=1",
        "/v1/documents?cursor=3",
        *(
            f"/v1/documents/{document}{rest}"
            for document in range(1, 8)
            for rest in ("", "/chunks", "/pages", "/original")
        ),
        "/v1/facets",
        "/v1/vector_stores",
        "/v1/vector_stores/board",
        "/v1/vector_stores/public",
        "/v1/facets?field=collection&where=collection = 'board'",
        "/v1/collections/board/documents/merger.md",
        "/v1/collections/public/documents/canteen.md",
    ]
    for path in paths:
        one, other = whole.get(path), bare.get(path)
        assert (one.status_code, plain(one)) == (other.status_code, plain(other)), path
    assert len(whole.get("/v1/documents").json()["documents"]) == 3
    assert whole.get("/metrics").status_code == 403


def plain(answer: httpx.Response) -> Any:
    """All that an answer says but for its moments and the id of its request."""
    return re.sub(r'"(request_id|changed_at|loaded_at|first_at)":"[^"]*"|"created_at":[0-9]+', "", answer.text)


def test_every_route_says_what_it_takes(filled: str, embeddings: InstantServer) -> None:
    app = application(lambda: filled, lambda: EmbeddingClient.connect(embeddings.base_url))
    gated = [route for route in app.routes if isinstance(route, GatedRoute)]
    assert len(gated) == len(app.routes)
    open_to_all = {route.path for route in gated if route.right is None}
    assert open_to_all == {"/", "/static/{name}", "/healthz", "/readyz", "/v1/openapi.json", "/v1/session"}
