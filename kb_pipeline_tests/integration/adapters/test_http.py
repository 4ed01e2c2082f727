"""One search over HTTP, against the real server."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.adapters.http import CITED, SearchCall
from kb_pipeline.errors import Forbidden, SearchServerUnavailable, SettingsError, Unauthenticated

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.adapters.conftest import Served


@pytest.fixture
def call(server: Served) -> SearchCall:
    return SearchCall(server.url, server.key)


def test_passages_come_with_their_citations(call: SearchCall) -> None:
    passages = call.search("pump")
    assert [passage.citation["rank"] for passage in passages] == [1, 2]  # the key sees contracts, and no policy
    found = next(passage for passage in passages if passage.citation["source_file"] == "contract.pdf")
    assert found.content == "The supplier delivers the pump within thirty days."
    assert set(found.citation) == {*CITED, "event_id"}
    assert (found.citation["page_number"], found.citation["section_title"]) == (3, "Delivery")
    assert found.id == f"{found.citation['document_id']}/{found.citation['chunk_key']}"
    assert found.citation["event_id"] is not None
    again = asyncio.run(call.asearch("pump"))
    assert [passage.id for passage in again] == [passage.id for passage in passages]


def test_options_reach_the_server(call: SearchCall, caplog: pytest.LogCaptureFixture) -> None:
    assert len(replace(call, k=1).search("pump")) == 1
    assert [hit.citation["source_file"] for hit in replace(call, where="page_number = 3").search("text")] == [
        "contract.pdf"
    ]
    assert len(replace(call, mode="lexical").search("pump")) == 1
    with caplog.at_level(logging.WARNING, logger="kb_pipeline.adapters.http"):
        assert replace(call, collections=["policies"]).search("pump") == []
    assert "policies" in caplog.text


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"k": 0}, SettingsError, "The field k is wrong"),
        ({"mode": "guess"}, SettingsError, "The field mode is wrong"),
        ({"collections": "contracts"}, SettingsError, "The field collections is wrong"),
        ({"where": "nothing = 1"}, SettingsError, "nothing"),
        ({"key": None}, Unauthenticated, "key"),
        ({"key": "kb_wrong"}, Unauthenticated, "key"),
        ({"key": ""}, Unauthenticated, "The key is empty or holds characters"),
        ({"key": "kb_…"}, Unauthenticated, "The key is empty or holds characters"),
    ],
)
def test_what_the_server_refuses_is_one_sentence(
    call: SearchCall, change: dict[str, object], kind: type[Exception], says: str
) -> None:
    refused = replace(call, **change)  # type: ignore[arg-type]
    with pytest.raises(kind, match=says) as caught:
        refused.search("pump")
    assert str(caught.value).endswith(".")
    with pytest.raises(kind, match=says):
        asyncio.run(refused.asearch("pump"))


def test_a_key_without_the_right_is_told_so(server: Served) -> None:
    with pytest.raises(Forbidden, match="search"):
        SearchCall(server.url, server.reader).search("pump")


def test_an_address_below_the_server_is_named(server: Served) -> None:
    with pytest.raises(SearchServerUnavailable, match="without /v1"):
        SearchCall(f"{server.url}/v1", server.key).search("pump")
