"""The search page as a person uses it, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access.keys import create
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store.database import connect
from kb_pipeline_tests.browser import Browser, Page, browser, find_chromium
from kb_pipeline_tests.instant_embedding_server import InstantServer
from kb_pipeline_tests.integration.web.serving import filled_database, served

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def address(database_url: str, embeddings: InstantServer) -> Iterator[str]:
    filled_database(database_url, embeddings)
    with served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url, patience=0.1)) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with chromium.page(f"{address}/") as page:
        page.wait_for("document.activeElement.id === 'query'")  # else the browser notes that it came too late for that
        yield page
        assert page.problems == []


def ask(page: Page, question: str, mode: str = "lexical") -> None:
    """By words, unless `mode` says otherwise: the vectors of the embedding server mean nothing."""
    page.evaluate(f"document.getElementById('mode').value = '{mode}'; document.getElementById('query').select()")
    page.type(question)
    page.press("Enter")
    page.wait_for("!document.body.classList.contains('busy') && document.querySelector('.hit, .message:not([hidden])')")


def texts(page: Page, selector: str) -> list[str]:
    found: list[Any] = page.evaluate(f"[...document.querySelectorAll('{selector}')].map(e => e.textContent)")
    return [str(text) for text in found]


def test_a_question_is_answered_and_its_words_are_marked(page: Page) -> None:
    ask(page, "pump delivery")
    assert texts(page, ".file")[0] == "contract.pdf"
    assert "pump" in texts(page, ".hit:first-child mark")
    assert texts(page, ".hit:first-child .section") == ["Delivery"]
    assert page.evaluate("document.getElementById('status').textContent").startswith("1 passage in ")
    ask(page, "年假有几天")
    assert texts(page, ".file")[0] == "员工手册.pdf"
    assert texts(page, ".hit:first-child mark") == ["年假"]
    assert "p. 12" in texts(page, ".hit:first-child .tag")


def test_a_hit_says_why_it_stands_where_it_does(page: Page) -> None:
    ask(page, "pump")
    assert page.evaluate("document.querySelector('.reasons').hidden")
    page.evaluate("document.querySelector('.hit .actions button:last-child').click()")
    assert not page.evaluate("document.querySelector('.reasons').hidden")
    assert texts(page, ".hit:first-child .why tr:last-child td")[0] == "1"


def test_what_a_passage_says_is_never_markup(page: Page) -> None:
    ask(page, "only text")
    assert texts(page, ".file")[0] == "odd.html"
    assert "<img src=x onerror=alert(1)>" in texts(page, ".hit:first-child .text")[0]
    assert page.evaluate("document.querySelectorAll('img').length") == 0


def test_an_address_brings_its_question_back(page: Page, address: str) -> None:
    page.open(f"{address}/#q=pump&mode=lexical&collection=contracts&where=page_number+%3E%3D+3")
    page.call("Page.reload")
    page.wait_for("document.querySelector('.hit')")
    assert texts(page, ".file") == ["contract.pdf"]
    values = page.evaluate("['query', 'mode', 'collection', 'filter'].map(id => document.getElementById(id).value)")
    assert values == ["pump", "lexical", "contracts", "page_number >= 3"]
    page.wait_for("document.getElementById('collection').options.length === 3")
    assert texts(page, "#collection option") == ["all", "contracts", "policies"]


def test_a_wrong_filter_and_a_missing_server_are_said_in_the_language_of_the_page(
    page: Page, embeddings: InstantServer
) -> None:
    page.evaluate("document.getElementById('toggle').click()")
    page.type("pages = 3")
    ask(page, "pump")
    assert "The filter is wrong at character 1" in texts(page, "#message")[0]
    page.evaluate("document.getElementById('filter').value = ''")
    page.evaluate("document.getElementById('language').click()")
    assert page.evaluate("[document.title, document.documentElement.lang]") == ["知识库", "zh-CN"]
    page.problems.clear()  # the browser notes that an answer was 400
    embeddings.kill()
    try:
        ask(page, "pump", mode="hybrid")
    finally:
        embeddings.start()
    assert "只按关键词" in texts(page, "#message")[0]
    assert texts(page, ".file")[0] == "contract.pdf"


def test_hits_can_be_walked_through_by_keys(page: Page) -> None:
    ask(page, "pump", mode="vector")
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('.hit')].indexOf(document.activeElement)") == 1
    page.press("ArrowUp")
    page.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "query"
    page.press("ArrowDown")
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "query"


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.resize(360, 740)
    ask(page, "pump")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_person_signs_in_with_a_key(chromium: Browser, database_url: str, embeddings: InstantServer) -> None:
    filled_database(database_url, embeddings)
    with connect(database_url, autocommit=True) as connection:
        key, _ = create(connection, "reader", groups=(), collections=("contracts",), rights=("search",), expires="1d")
    with (
        served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client,
        chromium.page(f"{client.base_url}/") as page,
    ):
        page.wait_for("!document.getElementById('sign-in').hidden")
        page.evaluate("document.getElementById('key').focus()")
        page.type(key[:-1])
        page.press("Enter")
        page.wait_for("!document.getElementById('message').hidden")
        page.evaluate("document.getElementById('key').select()")
        page.type(key)
        page.press("Enter")
        page.wait_for("document.getElementById('sign-in').hidden && document.getElementById('collection').length === 2")
        assert page.evaluate("document.cookie") == ""
        ask(page, "pump delivery")
        assert texts(page, ".file") == ["contract.pdf"]
