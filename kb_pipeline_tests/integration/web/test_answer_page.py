"""Answers on the page, in a real browser, by a stand-in for a chat server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from kb_pipeline.answers.answering import Answerer
from kb_pipeline.answers.chat import ChatServer
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline_tests.browser import find_chromium
from kb_pipeline_tests.chat_server import ChatServer as StandIn
from kb_pipeline_tests.chat_server import chat_server
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.integration.web.serving import filled_database, served
from kb_pipeline_tests.integration.web.test_page import AXE_RUN, ask, axe, chromium, click, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.browser import Browser, Page
    from kb_pipeline_tests.instant_embedding_server import InstantServer

__all__ = ["axe", "chromium"]

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")

ENDED = "document.querySelector('.answer .thumb')"
QUESTION = "When does the supplier deliver the pump?"


@pytest.fixture(scope="module")
def chat() -> Iterator[StandIn]:
    with chat_server() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres_url: str, embeddings: InstantServer) -> Iterator[str]:
    with new_database(postgres_url) as url:
        filled_database(url, embeddings)
        yield url


@pytest.fixture(scope="module")
def address(database: str, embeddings: InstantServer, chat: StandIn) -> Iterator[str]:
    answerer = Answerer(ChatServer(chat.url, "m"))
    with served(lambda: database, lambda: EmbeddingClient.connect(embeddings.base_url), answerer=answerer) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium: Browser, address: str, chat: StandIn) -> Iterator[Page]:
    with chromium.page(f"{address}/") as page:
        page.wait_for("document.querySelector('.filters .check')")
        yield page
        chat.hold.set()
        chat.says.clear()
        chat.faults.clear()
        page.evaluate("localStorage.clear()")
        assert page.problems == []


def test_an_answer_stands_above_the_hits_and_its_citations_lead_to_them(page: Page) -> None:
    ask(page, QUESTION)
    page.wait_for(ENDED)
    assert texts(page, ".answer .text") == ["The supplier delivers the pump within thirty days. 1 "]
    assert page.evaluate("document.querySelector('.answer').nextElementSibling.textContent") == "Results"
    assert page.evaluate("document.querySelector('.sentences').ariaLive") == "polite"
    assert page.evaluate("document.querySelector('.cite').ariaLabel") == "Source 1: contract.pdf p. 3"
    click(page, ".cite")
    assert page.evaluate("document.activeElement.querySelector('.file').textContent") == "contract.pdf"
    assert "check what it cites" in texts(page, ".answer .soft")[0]


def test_sentences_are_shown_as_they_come_and_writing_can_be_stopped(page: Page, chat: StandIn) -> None:
    chat.left.clear()
    chat.faults.append("stall")
    chat.says.append("Yes [1]. So it is [1].")
    ask(page, QUESTION)
    page.wait_for("document.querySelector('.cite')")
    assert texts(page, ".sentences") == ["Yes. 1 "]
    assert texts(page, ".writing") == ["Writing…"]
    assert texts(page, ".file") == ["contract.pdf"]
    page.evaluate("document.querySelector('.writing + button').focus()")
    click(page, ".answer button", "Stop")
    page.wait_for(ENDED)
    assert page.evaluate("document.activeElement.ariaLabel") == "Helpful"
    assert "Stopped before it was complete." in texts(page, ".answer .soft")
    assert chat.left.wait(60)


def test_an_answer_is_judged_and_comes_back_without_being_written_again(
    page: Page, chat: StandIn, database: str
) -> None:
    ask(page, QUESTION)
    page.wait_for(ENDED)
    assert page.evaluate("document.querySelectorAll('#results > .judging').length") == 0
    click(page, ".answer [aria-label='Not helpful']")
    page.wait_for("document.querySelector('.answer .choice')")
    click(page, ".answer .choice", "outdated")
    page.wait_for("document.querySelector('.answer .choice[aria-pressed=true]')")
    with psycopg.connect(database) as connection:
        (said,) = connection.execute("SELECT f.rank, f.reason, a.state FROM feedback f JOIN answers a USING (event_id)")
        assert said == (0, "outdated", "answered")
    asked = len(chat.requests)
    click(page, "#language")
    assert texts(page, ".answer h2") == ["回答"]
    assert texts(page, ".answer .choice[aria-pressed=true]") == ["内容过时"]
    assert len(chat.requests) == asked


def test_what_a_model_says_is_text(page: Page, chat: StandIn) -> None:
    page.evaluate("window.alert = (said) => { window.ran = said; }")
    said = "<img src=x onerror=alert(1)><a href=//evil.example>Click</a> [it](javascript:alert(2))"
    chat.says.append(f"{said} [1]. Visit http://evil.example [9].")
    ask(page, QUESTION)
    page.wait_for(ENDED)
    assert texts(page, ".answer .text") == [f"{said}. 1 "]
    assert page.evaluate("document.querySelectorAll('.answer :is(img, a)').length") == 0
    assert page.evaluate("window.ran") is None
    assert "One sentence without a source was left out." in texts(page, ".answer .soft")


def test_what_is_not_known_and_what_fails_is_said_above_the_hits(page: Page, chat: StandIn) -> None:
    chat.says.append("NO_ANSWER")
    ask(page, QUESTION)
    page.wait_for(ENDED)
    assert texts(page, ".answer .text") == ["The passages that were found do not answer this question."]
    chat.faults.append("500")
    click(page, ".go")
    page.wait_for("document.querySelector('.answer .message')")
    assert texts(page, ".answer .message") == ["The chat server failed; ask again, or look at its log."]
    click(page, "#language")
    assert texts(page, ".answer .message") == ["对话服务出错，请再问一次，或查看它的日志。"]
    assert texts(page, ".file") == ["contract.pdf"]
    asked = len(chat.requests)
    ask(page, "zyxwv")
    assert texts(page, ".message") == ["没有找到。换个说法，或减少筛选条件。"]
    assert texts(page, ".answer") == []
    assert len(chat.requests) <= asked + 1  # choosing the mode asks the question before once more


def test_one_can_do_without(page: Page, chat: StandIn) -> None:
    click(page, "#answers")
    asked = len(chat.requests)
    ask(page, QUESTION)
    assert texts(page, ".file") == ["contract.pdf"]
    page.call("Page.reload")
    page.wait_for("document.querySelector('.hit')")
    assert not page.evaluate("document.getElementById('answers').checked")
    assert page.evaluate("document.querySelectorAll('.answer').length") == 0
    assert len(chat.requests) == asked


def test_it_is_usable_on_a_phone_in_the_dark_and_with_a_screen_reader(page: Page, chat: StandIn, axe: str) -> None:
    page.resize(360, 740)
    chat.says.append(f"{'Long' * 60} [1]. It is so [1]. Perhaps not.")
    chat.faults.append("length")
    ask(page, QUESTION)
    page.wait_for(ENDED)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for dark in (False, True):
        page.resize(1280, 900, dark=dark)
        page.evaluate("document.body.offsetWidth")
        assert page.evaluate(f"{axe}; {AXE_RUN}") == []
