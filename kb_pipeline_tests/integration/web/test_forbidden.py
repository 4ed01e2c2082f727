"""What a key may not read, it cannot reach, count or tell from what does not exist, by any route and parameter.

For each key there are two servers: one whose knowledge base also holds what the key may not read, and one that never
held it. Whatever is asked, both have to say the same, but for times, for scores, which are made of how often words
occur in everything, and for the order that follows from them. The routes come from the application itself and their
parameters from what it says of itself: a new one that nobody has thought of here fails.

ATTEMPTS=10000 in the environment, with pytest --timeout 0, tries as often as that.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from kb_pipeline.access.keys import create
from kb_pipeline.answers.answering import Answerer
from kb_pipeline.answers.chat import ChatServer
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database, field_columns
from kb_pipeline.store.generations import refresh_statistics
from kb_pipeline.web.admission import GatedRoute
from kb_pipeline_tests.chat_server import chat_server
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.integration.search.serving import Passage, make_generation
from kb_pipeline_tests.integration.web.serving import application, load, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fastapi import FastAPI

    from kb_pipeline_tests.instant_embedding_server import InstantServer

ATTEMPTS = int(os.environ.get("ATTEMPTS", "240"))
EACH = 8  # attempts at each route before chance chooses among them
EVERYONE = ("everyone",)
PASSAGES = [
    Passage("The canteen opens at noon.", "canteen.md", "public", 1, ("Opening",), document_id=1),
    Passage("食堂十二点开门。", "食堂.md", "public", 2, document_id=2),
    Passage("The canteen of the second house opens at one.", "second.md", "public", document_id=3),
    Passage("Leave is granted by the team at noon.", "leave.md", "public", document_id=4, groups=("hr",)),
    Passage("The canteen opens at noon.", "copy.md", "public", 3, document_id=5, groups=("council",)),
    Passage("The merger with Zephyr closes.", "merger.md", "board", 1, ("Merger",), {"a": "Zhao"}, document_id=6),
    Passage("与西风公司的合并。", "合并.md", "board", 2, document_id=7, groups=("legal",)),
    Passage("The canteen opens at noon.", "nobody.md", "board", document_id=8, groups=()),
    Passage("Wages rise by three percent.", "wages.md", "public", document_id=9, groups=("hr", "legal")),
    Passage("The council met at noon.", "council.md", "public", 1, document_id=10, groups=("council",)),
    Passage("It decided on the canteen.", "council.md", "public", 2, document_id=10, groups=("council",), ordinal=1),
    Passage("A budget of 12 for Zephyr.", "budget.md", "finance", document_id=11),
]
# It leaves out what scores too little, and scores are made of everything: only what it gives can be held against.
CUT_BY_SCORE = {"/v1/vector_stores/{vector_store_id}/search"}
RIGHTS = ("search", "read", "original", "feedback", "review", "write")


@dataclass(frozen=True)
class Holder:
    """Whom a key is of."""

    groups: tuple[str, ...]
    collections: tuple[str, ...]

    def may_read(self, passage: Passage) -> bool:
        granted = not self.collections or passage.collection in self.collections
        return granted and bool({*EVERYONE, *self.groups} & set(passage.groups))


HOLDERS = {
    "by collection": Holder((), ("public", "planned")),
    "by group": Holder(("hr",), ()),
    "by both": Holder(("hr", "legal"), ("public", "board")),
}
# What is for those who may know of everything, and signing in, which these keys need not.
REFUSED = {("GET", path) for path in ("/metrics", "/v1/overview", "/v1/searches/unanswered")} | {
    ("POST", "/v1/session")
}

WORDS = ["canteen", "merger Zephyr", "noon", "合并", "食堂", "12", "The canteen opens at noon.", "西风公司", "zzz", ""]
WORDS += ['"closes at noon"', '"The council met"', "canteen -noon", "leave budget", "wages council"]
FLAGS = ["true", "false"]
COLLECTIONS = ["public", "board", "finance", "planned", "no such", "BOARD", "board' OR '1'='1"]
NAMES = [*{passage.source_file for passage in PASSAGES}, "none.md", "MERGER.md", "../merger.md", "new.md"]
KEYS = [sha256(f"{one.content}{one.ordinal or ''}".encode()).hexdigest()[:32] for one in PASSAGES] + ["0" * 32]
IDS = [*range(13), 99, 2**62]
PASSAGE_KEYS = [{"document_id": id_, "chunk_key": key} for id_, key in zip(IDS, KEYS, strict=False)]
WHERES = [
    "collection = 'board'",
    "not collection = 'public'",
    "collection in ('board', 'finance') or page_number >= 0",
    "source_file like '%m%' or metadata.a = 'Zhao'",
    "page_number >= 1 or not page_number >= 1",
    "author = 'Zhao' or author is null",
    "not (author = 'Zhao')",
    "author <> 'Li'",
    "collection = 'board') or (1 = 1",
]
POOLS: dict[str, Sequence[Any]] = {
    "q": WORDS,
    "query": WORDS,
    "k": [50, 200],
    "mode": ["hybrid", "vector", "lexical"],
    "where": WHERES,
    "generation": ["g1", "nowhere"],
    "fusion": ["convex", "rrf"],
    "per_document": [2, 5],
    **dict.fromkeys(("merge", "fold", "rerank", "explain", "helpful", "stream"), FLAGS),
    **dict.fromkeys(("collection", "collections"), COLLECTIONS),
    "field": ["collection", "language", "source_file", "author", "groups", "nothing"],
    "name": NAMES,
    "limit": [1, 2, 100],
    "cursor": IDS,
    "document_id": IDS,
    "around": KEYS,
    "first": IDS,
    "last": IDS,
    "event_id": range(1, 40),
    "rank": range(12),
    "session": ["one", "two"],
    "reason": ["outdated", "not_found", "wrong_document"],
    "right_passage": PASSAGE_KEYS,
    **{name: [[], *([passage] for passage in PASSAGE_KEYS)] for name in ("right", "wrong", "undecided")},
    "closed": FLAGS,
    "order": ["asc", "desc"],
    **dict.fromkeys(("after", "before", "vector_store_id"), COLLECTIONS),
    "filters": [{"type": "eq", "key": "collection", "value": name} for name in COLLECTIONS],
    "max_num_results": [50],
    "ranking_options": [{}],
    "rewrite_query": ["false"],
    "input": WORDS,
    "model": ["instant"],
    "dimensions": [16, 32],
    "encoding_format": ["float", "base64"],
    "input_type": ["query", "document"],
    "user": ["one"],
    "key": ["kb_wrong", "kb_" + "a" * 50],
    "jsonrpc": ["2.0"],
    "id": [1],
    "method": ["tools/call"],
    "params": [
        {"name": "list_collections"},
        *({"name": "fetch", "arguments": {"document_id": id_}} for id_ in IDS),
        *({"name": "search", "arguments": {"query": words, "k": 200}} for words in WORDS),
        *({"name": "search", "arguments": {"query": "noon", "k": 200, "where": where}} for where in WHERES),
        *({"name": "search", "arguments": {"query": "noon", "k": 200, "collections": [one]}} for one in COLLECTIONS),
    ],
}
# What the bodies hold of routes that the description leaves out.
UNDESCRIBED = {"/mcp": ("jsonrpc", "id", "method", "params")}
VOLATILE = {
    "timings_ms",
    "request_id",
    "changed_at",
    "loaded_at",
    "score",
    "rank",
    "explanation",
    "first_at",
    "created_at",
    "starts_line",
    "citations",  # ranks
    "last_at",
}
UNORDERED = {"hits", "data", "passages", "sentences"}
HEADERS = ("content-type", "content-disposition", "location", "etag", "allow", "www-authenticate")


@dataclass(frozen=True)
class Operation:
    """A route as the application describes it."""

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    fields: tuple[str, ...]
    takes_file: bool

    def attempt(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        """A path, and what else `httpx.Client.request` takes."""
        path, query = self.path, dict[str, Any]()
        for name, place in self.parameters:
            value = chance.choice(POOLS[name])
            if place == "path":
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            elif name in NEEDED or chance.random() < 0.4:
                query[name] = value
        more: dict[str, Any] = {"params": query}
        body = {name: chance.choice(POOLS[name]) for name in self.fields if name in NEEDED or chance.random() < 0.4}
        if self.fields:
            more["json"] = {name: _typed(name, value) for name, value in body.items()}
        elif self.takes_file:
            more["content"] = chance.choice(WORDS).encode()
        return path, more


NEEDED = {"q", "query", "input", "model", "event_id", "helpful", "key", *UNDESCRIBED["/mcp"]}


def _typed(name: str, value: Any) -> Any:
    if value in FLAGS:
        return value == "true"
    return [value] if name == "collections" else value


def operations(app: FastAPI) -> list[Operation]:
    """Of every route, also of one that the description leaves out."""
    described = app.openapi()
    found = []
    for route in app.routes:
        assert isinstance(route, GatedRoute), route
        for method in route.methods or ():
            about = described["paths"].get(route.path, {}).get(method.lower(), {})
            parameters = tuple((given["name"], given["in"]) for given in about.get("parameters", ()))
            content = about.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
            fields = tuple(described["components"]["schemas"][schema]["properties"]) if schema else ()
            fields = fields or UNDESCRIBED.get(route.path, ())
            found.append(Operation(method, route.path, parameters, fields, bool(content) and not schema))
    return found


@contextmanager
def serving(
    postgres_url: str,
    embeddings: InstantServer,
    holder: Holder,
    passages: Sequence[Passage],
    folder: Path,
    answerer: Answerer,
) -> Iterator[tuple[httpx.Client, FastAPI]]:
    """A server over `passages`, some of whose words are in postings, and a client with the holder's key."""
    with new_database(postgres_url) as url:
        database.migrate(url)
        with (
            database.connect(url, autocommit=True) as connection,
            EmbeddingClient.connect(embeddings.base_url) as client,
        ):
            field_columns.declare(connection, {"author": "text"})
            generation = make_generation(connection, client.identity)
            load(connection, generation, [passage for passage in passages if passage.document_id < 8])  # type: ignore[operator]
            refresh_statistics(connection, generation)
            load(connection, generation, [passage for passage in passages if passage.document_id >= 8])  # type: ignore[operator]
            connection.execute(
                "INSERT INTO document_fields (document_id, author) "
                "SELECT id, (ARRAY['Li', 'Zhao', 'Han'])[1 + id % 3] FROM documents WHERE id % 4 > 0"
            )
            connection.execute("UPDATE documents SET created_at = '2024-01-01'")
            rights = {"groups": holder.groups, "collections": holder.collections, "rights": RIGHTS}
            key, _ = create(connection, "reader", expires="1d", **rights)
        app = application(
            lambda: url, lambda: EmbeddingClient.connect(embeddings.base_url), folder=folder, answerer=answerer
        )
        with running(app) as client:
            client.headers["authorization"] = f"Bearer {key}"
            yield client, app


def told(answer: httpx.Response) -> Any:
    """All that an answer says but for what may differ."""
    headers = {name: answer.headers.get(name) for name in HEADERS}
    text = answer.text
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "text/event-stream":
        data = [json.loads(line.partition(": ")[2]) for line in text.splitlines() if line.startswith("data: ")]
        return answer.status_code, headers, sorted(map(_steady, data), key=str)
    return answer.status_code, headers, _steady(json.loads(text)) if text and kind.endswith("json") else text


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        steady = {name: _steady(inner) for name, inner in value.items() if name not in VOLATILE}
        if "sentences" in steady:
            del steady["text"]  # the same once more, in the order of ranks
        if "structuredContent" in steady:
            del steady["content"]  # the same once more, as one text
        return {
            name: sorted(inner, key=str) if name in UNORDERED and isinstance(inner, list) else inner
            for name, inner in steady.items()
        }
    return [_steady(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", HOLDERS)
def test_no_route_tells_that_there_is_anything_out_of_reach(
    name: str, postgres_url: str, embeddings: InstantServer, tmp_path: Path
) -> None:
    holder = HOLDERS[name]
    readable = [passage for passage in PASSAGES if holder.may_read(passage)]
    assert 0 < len(readable) < len(PASSAGES)
    with ExitStack() as stack:
        chat = stack.enter_context(chat_server())
        answerer = Answerer(ChatServer(chat.url, "m"), passages=50)
        where = (postgres_url, embeddings, holder)
        whole, app = stack.enter_context(serving(*where, PASSAGES, tmp_path / "whole", answerer))
        bare, _ = stack.enter_context(serving(*where, readable, tmp_path / "bare", answerer))
        asked = operations(app)
        answered: Counter[tuple[str, str]] = Counter()
        chance = random.Random(name)
        first = asked * EACH
        for operation in first + chance.choices(asked, k=max(ATTEMPTS // len(HOLDERS) - len(first), 0)):
            path, more = operation.attempt(chance)
            one, other = (client.request(operation.method, path, **more) for client in (whole, bare))
            if operation.path in CUT_BY_SCORE and one.status_code == other.status_code == 200:
                found = {int(file["file_id"]) for file in one.json()["data"]}
                assert found <= {passage.document_id for passage in readable}, f"{path} {more}"
            else:
                assert told(one) == told(other), f"{operation.method} {path} {more}"
            answered[operation.method, operation.path] += one.status_code < 400 or one.status_code in {404, 409}
        hits = whole.post("/v1/search", json={"query": "canteen", "k": 200, "mode": "vector"}).json()["hits"]
        everything = {"query": "canteen", "k": 200, "mode": "vector", "fold": False, "stream": False}
        assert whole.post("/v1/answer", json=everything).status_code == 200
        out_of_reach = {passage.content for passage in PASSAGES} - {passage.content for passage in readable}
        sent = " ".join(message["content"] for request in chat.requests for message in request["messages"])
        assert all(passage.content in sent for passage in readable)
        assert not any(content in sent for content in out_of_reach)
    shown = {place["document_id"] for hit in hits for place in (hit, *hit["also_in"])}
    assert shown == {passage.document_id for passage in readable}
    never = {(each.method, each.path) for each in asked} - {route for route, times in answered.items() if times}
    assert never <= REFUSED
