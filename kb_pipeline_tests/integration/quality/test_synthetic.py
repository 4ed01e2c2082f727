"""A chat server that misbehaves in every way costs questions, never wrong ones, and none of them decides anything."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import ChatUnavailable, SettingsError
from kb_pipeline.operations.synthetic import write
from kb_pipeline.quality import chat as chat_module
from kb_pipeline.quality.chat import Chat
from kb_pipeline.quality.synthetic import write_questions
from kb_pipeline.store.quality.questions import SampledChunk, questions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kb_pipeline_tests.sites import TestSite

FACT = "The fee for a large safe is 1,200 yuan a year, and the deposit is 300 yuan."
PASSAGE = SampledChunk(1, "fees.md", FACT)


@contextmanager
def chat_server(say: Callable[[str], Any]) -> Iterator[str]:
    """Base URL of a server whose answer to a prompt is what `say` returns: a text, a status, or a whole body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = say(request["messages"][0]["content"])
            status = said if isinstance(said, int) else 200
            body = {"choices": [{"message": {"role": "assistant", "content": said}}]} if isinstance(said, str) else said
            content = json.dumps({} if isinstance(said, int) else body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Tell nobody."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "RETRIES", 0)


def written(question: str, quote: str = "1,200 yuan a year") -> str:
    return json.dumps({"question": question, "quote": quote})


@pytest.mark.parametrize(
    ("says", "dropped"),
    [
        ("I would rather not.", "no JSON with question and quote"),
        ('{"question": 3, "quote": null}', "no JSON with question and quote"),
        ("{" * 5000, "no JSON with question and quote"),
        (written("大型保管箱每年多少钱", "1,300 yuan"), "quote is not in the passage"),
        (written("What does a large safe cost?"), "another language"),
        (written("文中的大型保管箱每年多少钱"), "speaks of a text"),
        (written("箱"), "too short or too long"),
        (500, "no answer"),
        ({"choices": []}, "no answer"),
        ({"nonsense": True}, "no answer"),
        ({"choices": [{"message": {"content": None}}]}, "no answer"),
    ],
)
def test_what_cannot_be_used_is_dropped_with_the_reason(says: Any, dropped: str) -> None:
    with chat_server(lambda _: says) as url:
        found = write_questions([PASSAGE], Chat(url, "any"))
    assert found.questions == ()
    assert found.dropped == {dropped: 1}


@pytest.mark.parametrize("score", ['{"score": 3}', '{"score": "5"}', "five", "[5]"])
def test_a_low_or_odd_score_drops_it(score: str) -> None:
    with chat_server(lambda prompt: score if "How well" in prompt else written("大型保管箱每年多少钱")) as url:
        assert write_questions([PASSAGE], Chat(url, "any")).dropped == {"judged too low": 1}


def test_a_good_question_in_a_fence_is_taken() -> None:
    said = f"Here it is:\n```json\n{written('大型保管箱每年多少钱')}\n```"
    with chat_server(lambda prompt: '{"score": 5}' if "How well" in prompt else said) as url:
        (question,) = write_questions([PASSAGE], Chat(url, "any")).questions
    assert (question.language, question.provenance, question.kind) == ("zh", "synthetic", "fact")
    assert question.answers[0].quote == "1,200 yuan a year"


def test_a_server_that_is_gone_is_given_up_soon() -> None:
    asked: list[str] = []

    def refuse(prompt: str) -> int:
        asked.append(prompt)
        return 503

    with chat_server(refuse) as url, pytest.raises(ChatUnavailable, match="503"):
        write_questions([PASSAGE] * 50, Chat(url, "any"))
    assert len(asked) == 5
    with pytest.raises(ChatUnavailable, match="gives no answer"):
        Chat("http://127.0.0.1:9/v1", "any")("hello")


def test_written_questions_are_marked_and_never_decide(kb: TestSite) -> None:
    for number in range(12):
        kb.write(
            f"fees/n{number}.md",
            f"# Fees\n\nBox number {number} costs {1000 + number} yuan a year. {'Terms apply. ' * 20}",
        )
    kb.refresh()
    with pytest.raises(SettingsError, match="chat_url"):
        write(kb.site, "written", 5)

    def say(prompt: str) -> str:
        if "How well" in prompt:
            return '{"score": 4.5}'
        cost = next(word for word in prompt.split("costs ")[1].split() if word.isdigit())
        return written(
            f"哪个箱子收 {cost}" if "Chinese" in prompt else f"Which box is for {cost}?", f"{cost} yuan a year"
        )

    with chat_server(say) as url:
        kb.reopen(quality={"chat_url": url, "chat_model": "any"})
        result = write(kb.site, "written", 12)
    assert result.imported is not None
    assert result.imported.new == 12
    questions = questions_of(kb.connection, "written")
    assert {question.provenance for question in questions} == {"synthetic"}
    assert {question.split for question in questions} <= {"tune", "dev"}
    assert {question.language for question in questions} == {"zh", "en"}
