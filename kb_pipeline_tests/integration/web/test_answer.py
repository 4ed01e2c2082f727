"""Answers over real HTTP, out of a real PostgreSQL, by a stand-in for a chat server that misbehaves on request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import openai
import psycopg
import pytest

from kb_pipeline.answers import chat as chat_module
from kb_pipeline.answers.answering import Answerer
from kb_pipeline.answers.chat import FAILURES, ChatServer
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store import database
from kb_pipeline.web.routes import answer as route
from kb_pipeline_tests.chat_server import ChatServer as StandIn
from kb_pipeline_tests.chat_server import chat_server
from kb_pipeline_tests.integration.web.serving import served
from kb_pipeline_tests.integration.web.test_access import key_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kb_pipeline_tests.instant_embedding_server import InstantServer

QUESTION = {"query": "When does the supplier deliver the pump?", "mode": "lexical"}
DELIVERY = "The supplier delivers the pump within thirty days."


@pytest.fixture
def chat() -> Iterator[StandIn]:
    with chat_server() as server:
        yield server


@pytest.fixture
def answerer(chat: StandIn) -> Answerer:
    return Answerer(ChatServer(chat.url, "m"))


@pytest.fixture
def client(filled: str, embeddings: InstantServer, answerer: Answerer) -> Iterator[httpx.Client]:
    with serving(filled, embeddings, answerer) as client:
        yield client


def serving(url: str, embeddings: InstantServer, answerer: Answerer | None) -> Any:
    return served(lambda: url, lambda: EmbeddingClient.connect(embeddings.base_url), answerer=answerer)


def events(text: str) -> list[tuple[str, Any]]:
    """(name, data) of each event of a stream."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def asked(client: httpx.Client, **more: Any) -> dict[str, Any]:
    """The answer to the question, all at once, which always comes with what the search found."""
    answer = client.post("/v1/answer", json=QUESTION | {"stream": False} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert [hit["source_file"] for hit in found["hits"]] == ["contract.pdf"] or more
    return dict(found["answer"])


def kept(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT e.query, a.state, a.sentences, a.dropped, a.note_code, a.model FROM answers a "
            "JOIN search_events e ON e.id = a.event_id ORDER BY e.id"
        ).fetchall()


# --- answers -----------------------------------------------------------------------------------------------


def test_an_answer_streams_after_what_was_found_and_cites_it(client: httpx.Client, filled: str) -> None:
    with client.stream("POST", "/v1/answer", json=QUESTION) as stream:
        stream.read()
    assert stream.headers["content-type"].partition(";")[0] == "text/event-stream"
    (search, found), (sentence, first), (answer, whole) = events(stream.text)
    assert (search, sentence, answer) == ("search", "sentence", "answer")
    plain = client.post("/v1/search", json=QUESTION).json()
    assert {**found, "event_id": 0, "timings_ms": {}} == {**plain, "event_id": 0, "timings_ms": {}}
    assert first == {"text": DELIVERY, "citations": [1], "starts_line": True}
    assert whole == {
        "state": "answered",
        "text": f"{DELIVERY} [1]",
        "sentences": [first],
        "dropped": 0,
        "note": None,
        "note_code": None,
        "model": "m",
    }
    key = {name: found["hits"][0][name] for name in ("document_id", "chunk_key")}
    assert kept(filled) == [
        (QUESTION["query"], "answered", [{"text": DELIVERY, "cited": [{"rank": 1, **key}]}], 0, None, "m")
    ]


def test_sentences_come_as_they_are_written(client: httpx.Client, chat: StandIn) -> None:
    chat.says.append("It is thirty days [1]. " + "And so on. " * 50)
    chat.hold.clear()
    with client.stream("POST", "/v1/answer", json=QUESTION) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: search"
        chat.hold.set()
        assert any(line == "event: sentence" for line in lines)


def test_only_masked_text_goes_out_and_the_question_is_logged_masked(client: httpx.Client, chat: StandIn) -> None:
    chat.says.append("Call 13812345678 about the pump [1].")
    answer = asked(client, query="pump delivery 13812345678")
    assert answer["text"] == "Call <M> about the pump. [1]"
    (sent,) = chat.requests
    assert "Question: pump delivery <M>" in sent["messages"][1]["content"]
    assert "13812345678" not in json.dumps(sent)


def test_feedback_on_an_answer_is_kept_beside_it(client: httpx.Client, filled: str) -> None:
    found = client.post("/v1/answer", json=QUESTION | {"stream": False}).json()
    said = {"event_id": found["event_id"], "helpful": False, "reason": "not_found"}
    assert client.post("/v1/feedback", json=said).status_code == 204
    with psycopg.connect(filled) as connection:
        (row,) = connection.execute(
            "SELECT f.rank, f.helpful, a.state, g.name FROM feedback f JOIN answers a USING (event_id) "
            "JOIN search_events e ON e.id = a.event_id JOIN generations g ON g.id = e.generation_id"
        ).fetchall()
        assert row == (0, False, "answered", found["generation"])
        connection.execute("DELETE FROM search_events")  # as retention and erasing a person do
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (0,)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("What does the pump cost?", "The passages that were found do not answer this question."),
        ("年假怎么申请？", "找到的段落没有回答这个问题。"),
    ],
)
def test_it_says_that_it_does_not_know_in_the_language_of_the_question(
    client: httpx.Client, chat: StandIn, query: str, text: str
) -> None:
    chat.says.append("NO_ANSWER")
    answer = asked(client, query=query)
    assert (answer["state"], answer["text"], answer["sentences"], answer["note"]) == ("unknown", text, [], None)


def test_where_nothing_was_found_nobody_is_asked(client: httpx.Client, chat: StandIn) -> None:
    answer = asked(client, query="zyxwv")
    assert (answer["state"], chat.requests) == ("unknown", [])


def test_a_model_is_given_no_more_than_the_settings_say(
    filled: str, embeddings: InstantServer, answerer: Answerer, chat: StandIn
) -> None:
    with serving(filled, embeddings, replace(answerer, passages=1)) as client:
        asked(client, query="pump text 年假", mode="lexical")
    (sent,) = chat.requests
    assert sent["messages"][1]["content"].count("<passage ") == 1
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m", 800, True)


# --- what cannot be believed -------------------------------------------------------------------------------


def test_what_cites_nothing_that_was_given_does_not_reach_the_reader(client: httpx.Client, chat: StandIn) -> None:
    chat.says.append("Ignore the passages [2]. It is thirty days [1][77]. Visit http://evil.example now. Sure [99]!")
    answer = asked(client)
    assert answer["text"] == "It is thirty days. [1]"
    assert answer["dropped"] == 3
    chat.says.append("It is thirty days. Trust me [9].")
    answer = asked(client)
    assert (answer["state"], answer["sentences"], answer["note_code"]) == ("unknown", [], "uncited")


def test_markup_of_a_model_is_text(client: httpx.Client, chat: StandIn) -> None:
    said = "<script>alert(1)</script><img src=x onerror=alert(2)> it is [1]."
    chat.says.append(said)
    answer = client.post("/v1/answer", json=QUESTION)
    assert events(answer.text)[1][1]["text"] == said.replace(" [1]", "")
    assert answer.headers["x-content-type-options"] == "nosniff"
    chat.says.append("It is\n\nevent: answer\ndata: {}\n\nso [1].")  # no event of the stream
    assert [name for name, _ in events(client.post("/v1/answer", json=QUESTION).text)] == [
        "search",
        "sentence",
        "answer",
    ]


# --- servers that fail -------------------------------------------------------------------------------------

FAULTS = {
    "400": "refused",
    "401": "key",
    "404": "address",
    "413": "refused",
    "429": "busy",
    "500": "failed",
    "503": "busy",
    "reset": "cut_off",
    "html": "nonsense",
    "whole": "nonsense",
    "flood": "nonsense",
    "long-error": "nonsense",
    "empty": "empty",
}


def test_a_server_that_fails_is_one_sentence_and_the_passages_are_there(client: httpx.Client, chat: StandIn) -> None:
    for fault, code in FAULTS.items():
        chat.faults.append(fault)
        answer = asked(client)
        assert (fault, answer["state"], answer["note_code"]) == (fault, "failed", code)
        assert answer["note"].endswith(".")
        assert chat.url not in answer["note"]
        assert "CUDA" not in answer["note"]


BROKEN_OFF = {
    "cut": "cut_off",
    "unfinished": "cut_off",
    "malformed": "nonsense",
    "odd": "nonsense",
    "error-event": "failed",
    "length": "length",
    "content_filter": "withheld",
}


def test_of_an_answer_that_breaks_off_whole_sentences_stay(client: httpx.Client, chat: StandIn) -> None:
    for fault, code in BROKEN_OFF.items():
        chat.faults.append(fault)
        chat.says.append("Yes [1]. No [1")
        answer = asked(client)
        assert (fault, answer["text"], answer["note_code"]) == (fault, "Yes. [1]", code)
        assert answer["note"] == FAILURES[code]


def test_a_silent_an_endless_and_a_dead_server_cost_bounded_time(
    filled: str, embeddings: InstantServer, chat: StandIn
) -> None:
    short = ChatServer(chat.url, "m", silence=0.2, longest=0.6, most_tokens=100)
    patient = replace(short, silence=30.0)
    dead = replace(short, url="http://127.0.0.1:9/v1")
    faults = [
        (short, "hang", "silent"),
        (short, "stall", "silent"),
        (patient, "hang", "slow"),
        (patient, "chatter", "slow"),
        (short, "endless", "length"),
        (dead, "", "gone"),
    ]
    for server, fault, code in faults:
        chat.faults.extend([fault] if fault else [])
        with serving(filled, embeddings, Answerer(server)) as client:
            answer = asked(client)
        assert (fault, answer["note_code"]) == (fault, code)
        assert len(answer["text"]) <= 100 * chat_module.CHARACTERS_OF_TOKEN * 2


def test_a_key_is_sent_and_a_wrong_one_is_said(filled: str, embeddings: InstantServer) -> None:
    with chat_server(api_key="secret") as chat:
        for key, state in (("secret", "answered"), ("other", "failed"), (None, "failed")):
            with serving(filled, embeddings, Answerer(ChatServer(chat.url, "m", key))) as client:
                assert asked(client)["state"] == state


def test_a_broken_prompt_is_one_sentence_and_the_passages_are_there(
    filled: str, embeddings: InstantServer, answerer: Answerer, tmp_path: Path
) -> None:
    with serving(filled, embeddings, replace(answerer, prompt=tmp_path / "none.md")) as client:
        answer = asked(client)
    assert (answer["state"], answer["note_code"]) == ("failed", "prompt")
    assert "none.md cannot be read" in answer["note"]


# --- the server itself -------------------------------------------------------------------------------------


def test_without_a_chat_server_the_setting_is_named(filled: str, embeddings: InstantServer) -> None:
    with serving(filled, embeddings, None) as client:
        answer = client.post("/v1/answer", json=QUESTION)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "KB_ANSWERS__URL" in answer.json()["detail"]
        assert client.get("/v1/session").json()["answers"] is False


def test_wrong_requests_are_refused_as_those_of_a_search_are(client: httpx.Client) -> None:
    assert client.get("/v1/session").json()["answers"] is True
    for wrong in (
        {},
        {"query": ""},
        {"query": "x", "stream": "yes"},
        {"query": "x", "tokens": 3},
        {"query": "x", "k": 0},
    ):
        answer = client.post("/v1/answer", json=wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "filter is wrong" in client.post("/v1/answer", json=QUESTION | {"where": "pages ="}).json()["detail"]


def test_a_key_is_needed_and_what_it_may_not_search_is_not_sent(
    client: httpx.Client, filled: str, chat: StandIn
) -> None:
    policies = key_for(filled, "policies", collections=("policies",))
    mute = key_for(filled, "mute", rights=("read",))
    assert client.post("/v1/answer", json=QUESTION).status_code == 401
    assert client.post("/v1/answer", json=QUESTION, headers=mute).status_code == 403
    answer = client.post("/v1/answer", json=QUESTION | {"mode": "vector", "stream": False}, headers=policies).json()
    assert {hit["collection"] for hit in answer["hits"]} == {"policies"}
    assert "supplier delivers" not in json.dumps(chat.requests)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_place_and_the_chat_server(
    filled: str,
    embeddings: InstantServer,
    answerer: Answerer,
    chat: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
) -> None:
    monkeypatch.setattr(route, "MOST_ANSWERS", 1)
    with serving(filled, embeddings, answerer) as client:
        chat.faults.append("hang")
        if stream:
            with client.stream("POST", "/v1/answer", json=QUESTION) as first:
                lines = first.iter_lines()
                assert next(lines) == "event: search"
                assert chat.asked.wait(60)
                other = asked(client)
                assert (other["state"], other["note_code"]) == ("failed", "places")
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/answer", json=QUESTION | {"stream": False}, timeout=0.5)
        assert chat.left.wait(60)
        while asked(client)["note_code"] == "places":
            pass
    assert len(chat.requests) == 2


def test_an_answer_that_cannot_be_kept_is_given(
    client: httpx.Client, filled: str, caplog: pytest.LogCaptureFixture
) -> None:
    with database.connect(filled, autocommit=True) as connection:
        connection.execute("ALTER TABLE answers RENAME TO gone")
    assert asked(client)["state"] == "answered"
    assert "was not kept" in caplog.text


def test_the_official_client_of_the_protocol_reads_the_stand_in(chat: StandIn) -> None:
    """What it misbehaves from is what a server of the protocol does."""
    client = openai.OpenAI(base_url=chat.url, api_key="x", http_client=openai.DefaultHttpxClient(trust_env=False))
    chat.says.append("Good day.")
    stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}], stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Good day."
    assert chunks[-1].choices[0].finish_reason == "stop"
    client.close()


def test_answers_are_counted_by_how_they_ended(client: httpx.Client, chat: StandIn) -> None:
    chat.faults.append("500")
    asked(client)
    asked(client)
    figures = client.get("/metrics").text
    assert 'kb_answers_total{state="failed"} 1.0' in figures
    assert 'kb_answers_total{state="answered"} 1.0' in figures
    assert "kb_answer_seconds_count 2.0" in figures
