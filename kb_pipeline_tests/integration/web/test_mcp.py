"""The tools over MCP, asked by the client of the protocol's SDK: in process, over HTTP, and of the command `kb mcp`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import psycopg
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.cli.app import app, run_command
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.glossary import NO_GLOSSARY
from kb_pipeline.store import database
from kb_pipeline.store.generations import active_generations
from kb_pipeline.web.backend import Backend
from kb_pipeline.web.mcp import server_for
from kb_pipeline_tests.integration.search.serving import Passage
from kb_pipeline_tests.integration.web.serving import load, served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    import httpx

    from kb_pipeline_tests.instant_embedding_server import InstantServer

    Talk = Callable[[Client], Awaitable[Any]]

ERAS = ("legacy", "auto")  # with the handshake `initialize`, and without it as of 2026


@pytest.fixture
def backend(filled: str, embeddings: InstantServer) -> Iterator[Backend]:
    made = Backend(
        database_url=lambda: filled,
        connect_embedder=lambda: EmbeddingClient.connect(embeddings.base_url),
        mask=lambda text, collections: [text],
        fusion_weight=lambda collections: 0.5,
        reranker=None,
        glossary=lambda: NO_GLOSSARY,
        own_embedder=None,
    )
    made.connections.open()
    yield made
    made.close()


def talk(connect: Any, what: Talk, mode: str = "legacy") -> Any:
    async def talked() -> Any:
        async with Client(connect, mode=mode) as client:
            return await what(client)

    return anyio.run(talked)


def call(backend: Backend, name: str, principal: Principal = ANYONE, **arguments: Any) -> CallToolResult:
    async def called(client: Client) -> CallToolResult:
        return await client.call_tool(name, arguments)

    result = talk(server_for(backend, principal), called)
    assert isinstance(result, CallToolResult)
    return result


def sentence(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert content.text.endswith(".")
    assert "\n" not in content.text
    return content.text


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_is_told_what_tools_there_are(backend: Backend, mode: str) -> None:
    async def asked(client: Client) -> Any:
        assert client.server_info is not None
        assert client.server_info.name == "kb_pipeline"
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(server_for(backend, ANYONE), asked, mode)}
    assert set(tools) == {"search", "fetch", "list_collections"}
    assert set(tools["search"].input_schema["properties"]) == {"query", "k", "collections", "where"}
    assert tools["search"].input_schema["required"] == ["query"]


def test_a_passage_comes_with_its_citation_and_is_read_where_it_stands(backend: Backend) -> None:
    found = call(backend, "search", query="带薪年假", k=1)
    assert found.structured_content["note"] is None
    (passage,) = found.structured_content["passages"]
    assert passage == {
        "text": "员工每年享有五天带薪年假。",
        "citation": {
            "file": "员工手册.pdf",
            "page": 12,
            "last_page": 12,
            "section": ["休假", "年假"],
            "collection": "policies",
            "document_id": 1,
        },
    }
    (text,) = found.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == found.structured_content
    read = call(backend, "fetch", document_id=passage["citation"]["document_id"]).structured_content
    assert read == {
        "file": "员工手册.pdf",
        "collection": "policies",
        "document_id": 1,
        "pages": [{"page_number": 12, "text": "员工每年享有五天带薪年假。"}],
        "next_cursor": None,
    }


def test_collections_and_conditions_narrow_a_search(backend: Backend) -> None:
    def files(**arguments: Any) -> list[str]:
        found = call(backend, "search", query="pump", **arguments).structured_content["passages"]
        return [passage["citation"]["file"] for passage in found]

    assert set(files(collections=["contracts"])) == {"contract.pdf", "odd.html"}
    assert files(where="page_number = 3") == ["contract.pdf"]
    counted = call(backend, "list_collections").structured_content["collections"]
    assert [one["name"] for one in counted] == ["contracts", "policies"]


def test_a_long_document_is_read_in_parts(filled: str, backend: Backend) -> None:
    pages = [Passage(f"Page {n}.", "long.pdf", "manuals", n, document_id=50, ordinal=n) for n in range(1, 46)]
    with database.connect(filled, autocommit=True) as connection:
        (generation,) = active_generations(connection)
        load(connection, generation, pages)
    read: list[int] = []
    cursor: int | None = 0
    while cursor is not None:
        part = call(backend, "fetch", document_id=50, first_page=3, cursor=cursor).structured_content
        read += [page["page_number"] for page in part["pages"]]
        cursor = part["next_cursor"]
    assert read == list(range(3, 46))


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search", {}, "needs the argument query"),
        ("search", {"query": "pump", "k": 0}, "argument k is wrong"),
        ("search", {"query": "pump", "rows": 3}, "it takes query, k, collections, where"),
        ("search", {"query": "pump", "where": "no_such_column = 1"}, "no_such_column"),
        ("search", {"query": "pump\0"}, "argument query is wrong"),
        ("fetch", {"document_id": 4711}, "no document of this id"),
        ("fetch", {"document_id": "1"}, "argument document_id is wrong"),
        ("list_collections", {"all": True}, "it takes none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(backend: Backend, tool: str, arguments: Any, words: str) -> None:
    assert words in sentence(call(backend, tool, **arguments))


def test_what_the_database_refuses_is_told_without_its_words(
    filled: str, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("ALTER TABLE documents RENAME TO moved")
    told = sentence(call(backend, "fetch", document_id=1))
    assert "kb doctor" in told
    assert "relation" not in told + caplog.text


def test_a_principal_finds_and_reads_what_it_may_and_no_more(backend: Backend) -> None:
    contracts = Principal("bot", groups=(), collections=("contracts",), rights=frozenset({"search", "read"}))
    found = call(backend, "search", contracts, query="带薪年假", collections=["policies"]).structured_content
    assert found["passages"] == []
    counted = call(backend, "list_collections", contracts).structured_content["collections"]
    assert [one["name"] for one in counted] == ["contracts"]
    hidden = sentence(call(backend, "fetch", contracts, document_id=1))
    assert hidden == sentence(call(backend, "fetch", contracts, document_id=4711))
    searcher = Principal("searcher", groups=(), rights=frozenset({"search"}))
    assert "needs the right read" in sentence(call(backend, "fetch", searcher, document_id=2))


# --- over HTTP -------------------------------------------------------------------------------------


@contextmanager
def serving(url: str, embeddings: InstantServer) -> Iterator[httpx.Client]:
    with served(lambda: url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client:
        yield client


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_speaks_with_the_server_by_its_key(filled: str, embeddings: InstantServer, mode: str) -> None:
    header = key_for(filled, collections=("contracts",))

    async def asked(address: str) -> tuple[Any, Any]:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=header, trust_env=False, timeout=30))
            client = await stack.enter_async_context(
                Client(streamable_http_client(address, http_client=http), mode=mode)
            )
            found = await client.call_tool("search", {"query": "带薪年假 pump"})
            return found, await client.call_tool("fetch", {"document_id": 2})

    with serving(filled, embeddings) as client:
        found, refused = anyio.run(asked, str(client.base_url.join("/mcp")))
    files = {passage["citation"]["file"] for passage in found.structured_content["passages"]}
    assert files == {"contract.pdf", "odd.html"}
    assert "needs the right read" in sentence(refused)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ({"id": 1, "method": "resources/list"}, 200, -32601),  # not among the capabilities
        ({"id": 1, "method": "no/such"}, 200, -32601),
        ({"id": 1, "method": "tools/call", "params": {}}, 200, -32602),
        ({"id": 1, "method": "tools/call", "params": {"name": "destroy"}}, 200, -32602),
        ({"id": "x", "method": "ping"}, 200, None),
        ({"method": "notifications/initialized"}, 202, None),
    ],
)
def test_messages_are_answered_as_json_rpc_has_it(
    filled: str, embeddings: InstantServer, message: dict[str, Any], status: int, code: int | None
) -> None:
    with serving(filled, embeddings) as client:
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
        answer = client.post("/mcp", json={"jsonrpc": "2.0", **message}, headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.json().get("error", {}).get("code") == code
        assert answer.json()["id"] == message["id"]


def test_nobody_speaks_mcp_without_a_key_or_from_another_site(
    filled: str, embeddings: InstantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = key_for(filled)
    reader = key_for(filled, "pages", rights=("read",))
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"accept": "application/json, text/event-stream"}
    with serving(filled, embeddings) as client:
        assert client.post("/mcp", json=ping, headers=accept).status_code == 401
        assert client.post("/mcp", json=ping, headers=accept | reader).status_code == 403
        assert (
            client.post("/mcp", json=ping, headers=accept | header | {"sec-fetch-site": "cross-site"}).status_code
            == 403
        )
        assert client.post("/mcp", json=ping, headers=accept | header | {"host": "elsewhere"}).status_code == 400
        for origin in ("https://evil.example", "null", "http://[", "http://localhost.evil.example"):
            foreign = client.post("/mcp", json=ping, headers=accept | header | {"origin": origin})
            assert foreign.status_code == 403, origin
        local = client.post("/mcp", json=ping, headers=accept | header | {"origin": "http://localhost:6274"})
        assert local.status_code == 200
        assert client.post("/mcp", content="{}", headers=accept | header).status_code == 415
        assert client.post("/mcp", json={"a": "b" * 70_000}, headers=accept | header).status_code == 413
        assert client.get("/mcp", headers=header).status_code == 405
        answered = client.post("/mcp", json=ping, headers=accept | header)
        assert (answered.status_code, answered.json()["result"]) == (200, {})
        monkeypatch.setattr("kb_pipeline.web.routes.mcp.find_spec", lambda name: None)
        missing = client.post("/mcp", json=ping, headers=accept | header)
        assert missing.status_code == 404
        assert "kb_pipeline[mcp]" in missing.json()["detail"]


# --- the command -----------------------------------------------------------------------------------


def test_the_command_says_nothing_but_the_protocol_on_stdout(
    filled: str, embeddings: InstantServer, home: Path, tmp_path: Path
) -> None:
    environment = {"KB_HOME": str(home), "KB_DATABASE_URL": filled, "KB_EMBEDDING_URL": embeddings.base_url}
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "kb_pipeline.cli.entry", "mcp"],
        env=dict(os.environ) | environment,
        cwd=tmp_path,
    )
    said: list[Any] = []

    async def heard(message: Any) -> None:
        said.append(message)  # what is no message of the protocol comes here, too, as an exception

    async def asked() -> Any:
        async with Client(stdio_client(command), mode="legacy", message_handler=heard) as client:
            return await client.call_tool("search", {"query": "pump", "collections": ["contracts"], "k": 1})

    found = anyio.run(asked)
    (passage,) = found.structured_content["passages"]
    assert passage["citation"]["document_id"] in {2, 3}
    assert said == []


def test_the_command_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kb_pipeline.cli.mcp.find_spec", lambda name: None)
    assert run_command(lambda: app(["mcp"], standalone_mode=False)) == 2
    printed = capsys.readouterr()
    assert printed.err == "kb: The SDK of MCP is not installed; install kb_pipeline[mcp].\n"
    assert printed.out == ""
