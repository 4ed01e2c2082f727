"""The page as a person uses it, in a real browser, over documents that the real stages have ingested."""

from __future__ import annotations

from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from kb_pipeline.access.keys import create
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.store.database import connect
from kb_pipeline_tests.browser import Browser, Page, browser, find_chromium
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.integration.web import page_site
from kb_pipeline_tests.integration.web.serving import filled_database, served
from kb_pipeline_tests.sites import TestSite, embedding_server, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.access.principal import Right
    from kb_pipeline.parsing.sandbox import ParserPool
    from kb_pipeline_tests.instant_embedding_server import InstantServer

__all__ = ["embedding_server", "parsers"]

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")

AXE_RUN = "axe.run().then(found => found.violations.map(one => [one.id, ...one.nodes.map(node => node.html)]))"
IDLE = "!document.body.classList.contains('busy')"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def kb(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, embedding_server: InstantServer, parsers: ParserPool
) -> Iterator[TestSite]:
    folder = tmp_path_factory.mktemp("page")
    with new_database(postgres_url) as url:
        settings = {
            "home": folder / "home",
            "database_url": url,
            "embedding_url": embedding_server.base_url,
            "parser_processes": 1,
        }
        site = TestSite(folder / "documents", settings, parsers)
        page_site.fill(site)
        yield site
        site.close()


@pytest.fixture(scope="module")
def address(kb: TestSite, embedding_server: InstantServer) -> Iterator[str]:
    connect = partial(EmbeddingClient.connect, embedding_server.base_url, patience=0.1)
    with served(lambda: kb.site.database_url, connect, site=kb.site) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def axe() -> str:
    """What finds where a page cannot be used with a screen reader or bad eyes."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with chromium.page(f"{address}/") as page:
        page.wait_for("document.querySelector('.filters .check')")
        yield page
        page.evaluate("localStorage.clear()")
        assert page.problems == []


def ask(page: Page, question: str, mode: str = "lexical") -> None:
    """By words, unless `mode` says otherwise: the vectors of the embedding server mean nothing."""
    page.evaluate(f"document.getElementById('mode').value = '{mode}'")
    page.evaluate("document.getElementById('mode').dispatchEvent(new Event('change'))")
    page.wait_for(IDLE)
    page.evaluate("document.getElementById('query').select()")
    page.type(question)
    page.press("Enter")
    page.wait_for(f"{IDLE} && document.querySelector('.echo, .message.bad')")


def open_first_hit(page: Page) -> None:
    page.press("ArrowDown")
    page.press("Enter")
    page.wait_for("document.querySelector('.passage')")


def texts(page: Page, selector: str) -> list[str]:
    found: list[Any] = page.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => e.textContent)")
    return [str(text) for text in found]


def click(page: Page, selector: str, text: str = "") -> None:
    """The first one that is so and says that."""
    page.evaluate(f"[...document.querySelectorAll({selector!r})].find(e => e.textContent.includes({text!r})).click()")


def said(kb: TestSite) -> list[Any]:
    """What was said last: rank, helpful, reason, and the passage that would have been right."""
    with psycopg.connect(kb.site.database_url) as connection:
        return connection.execute(
            "SELECT rank, helpful, reason, right_passage FROM feedback "
            "WHERE event_id = (SELECT max(id) FROM search_events) ORDER BY rank"
        ).fetchall()


# --- searching ---------------------------------------------------------------------------------------------


def test_a_question_is_answered_with_where_it_stands_and_its_words_marked(page: Page) -> None:
    ask(page, "pump delivers")
    assert texts(page, ".file")[0] == "contracts/pump.pdf"
    assert texts(page, ".hit:first-child .where .tag") == ["pp. 1–3", "contracts"]
    assert {"pump", "delivers"} <= set(texts(page, ".hit:first-child mark"))
    assert "tag: procurement" in texts(page, ".hit:first-child .tags li")
    ask(page, "年假有几天")
    assert texts(page, ".hit:first-child .section") == ["休假 › 年假"]
    assert "年假" in texts(page, ".hit:first-child mark")


def test_a_question_is_in_no_address_and_comes_back(page: Page) -> None:
    ask(page, "pump 13812345678")
    assert texts(page, ".echo q") == ["pump <M>"]
    assert texts(page, ".echo .chip") == ["personal data masked"]
    click(page, ".filters label", "contracts")
    page.wait_for(f"location.hash.includes('collection=contracts') && {IDLE}")
    ask(page, "valve")
    assert "pump" not in page.evaluate("location.href")
    page.evaluate("history.back()")
    page.wait_for("document.getElementById('query').value === 'pump 13812345678' && document.querySelector('.hit')")
    assert page.evaluate("document.querySelector('.filters input:checked').parentElement.textContent").startswith(
        "contr"
    )
    page.call("Page.reload")
    page.wait_for("document.querySelector('.hit')")
    assert page.evaluate("document.getElementById('query').value") == "pump 13812345678"


def test_collections_and_fields_filter_with_their_counts(page: Page) -> None:
    ask(page, "pump valve")
    counts = dict(zip(texts(page, ".filters .value"), texts(page, ".filters .count"), strict=True))
    assert (counts["contracts"], counts["procurement"], counts["12.5"]) == ("2", "1", "1")
    assert set(texts(page, ".file")) == {"contracts/pump.pdf", "contracts/long.md"}
    for value in ("procurement", "12.5"):
        click(page, ".filters label", value)
        page.wait_for(f"location.hash.includes('{value}') && {IDLE}")
        assert set(texts(page, ".file")) == {"contracts/pump.pdf"}
    click(page, ".clear")
    page.wait_for(f"!location.hash.includes('field') && {IDLE}")
    assert "contracts/long.md" in texts(page, ".file")
    page.evaluate("history.back()")
    page.wait_for("document.querySelectorAll('.filters input:checked').length === 2")
    page.wait_for("document.querySelectorAll('.hit').length === 1")


def test_a_hit_says_why_it_stands_where_it_does(page: Page) -> None:
    ask(page, "pump")
    assert page.evaluate("document.querySelector('.explanation').hidden")
    click(page, ".hit .actions button", "Why here")
    assert not page.evaluate("document.querySelector('.explanation').hidden")
    assert texts(page, ".hit:first-child .explanation tbody tr:last-child td")[0] == "1"


def test_nothing_found_wrong_filters_and_missing_servers_are_said_with_what_to_do(
    page: Page, embedding_server: InstantServer
) -> None:
    ask(page, "zyxwv")
    assert "Try other words" in texts(page, ".message")[0]
    page.evaluate("document.getElementById('where').value = 'pages = 3'")
    ask(page, "pump")
    assert "The filter is wrong at character 1" in texts(page, ".message.bad")[0]
    click(page, "#language")
    page.evaluate("document.getElementById('where').value = ''")
    assert page.evaluate("[document.title, document.documentElement.lang]") == ["知识库", "zh-CN"]
    page.problems.clear()  # the browser notes that an answer was 400
    embedding_server.kill()
    try:
        ask(page, "pump", mode="hybrid")
    finally:
        embedding_server.start()
    assert "只按关键词" in texts(page, ".message")[0]
    assert texts(page, ".file")[0] == "contracts/pump.pdf"


def test_a_slow_search_can_be_cancelled_and_a_lost_server_tried_again(page: Page) -> None:
    ask(page, "pump")
    page.call("Network.enable")
    network(page, latency=600_000)
    click(page, ".go")
    page.wait_for("document.querySelector('#status button')")
    assert "longer than usual" in texts(page, "#status")[0]
    click(page, "#status button")
    assert page.evaluate(IDLE)
    assert texts(page, "#status") == [""]
    network(page, offline=True)
    ask(page, "valve")
    assert texts(page, ".message.bad") == ["The search server cannot be reached; start it and try again."]
    network(page)
    page.problems.clear()  # the browser notes that it was offline
    click(page, "#results button", "Try again")
    page.wait_for("document.querySelector('.hit')")


def network(page: Page, *, offline: bool = False, latency: int = 0) -> None:
    throughput = {"downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=offline, latency=latency, **throughput)


# --- judging -----------------------------------------------------------------------------------------------


def test_hits_and_answers_are_judged_with_reasons_and_corrected_and_it_can_be_undone(page: Page, kb: TestSite) -> None:
    ask(page, "valve")
    click(page, ".hit:nth-child(2) [aria-label='Not helpful']")
    page.wait_for("document.querySelector('.hit:nth-child(2) .choice')")
    click(page, ".hit:nth-child(2) .choice", "outdated")
    page.wait_for("document.querySelector('.choice[aria-pressed=true]')")
    assert said(kb) == [(2, False, "outdated", None)]
    click(page, "#results > .judging [aria-label='Helpful']")
    page.wait_for("document.querySelector('#results > .judging .undo')")
    click(page, ".hit:nth-child(3) .right")
    page.wait_for("document.querySelector('.hit:nth-child(3) .right[aria-pressed=true]')")
    whole, second = said(kb)
    assert whole[:3] == (0, True, None)
    assert second == (2, False, "outdated", None)
    third = page.evaluate("document.querySelector('.hit:nth-child(3) a.file').hash")
    assert f"/{whole[3]['document_id']}?passage={whole[3]['chunk_key']}" in third
    click(page, "#language")  # what was said stays on the page
    assert texts(page, ".hit:nth-child(3) .right") == ["✓ 已标为正确段落"]
    click(page, ".hit:nth-child(2) .undo")
    page.wait_for("!document.querySelector('.hit:nth-child(2) .undo')")
    click(page, "#results > .judging .undo")
    page.wait_for("!document.querySelector('#results > .judging .undo')")
    assert said(kb) == []


# --- documents ---------------------------------------------------------------------------------------------


def test_a_document_opens_at_the_cited_passage_with_its_neighbours(page: Page, kb: TestSite) -> None:
    ask(page, '"Clause 30.7"')
    open_first_hit(page)
    assert texts(page, "h1") == ["contracts/long.md"]
    assert "Clause 30.7" in texts(page, ".cited .text")[0]
    assert "30.7" in "".join(texts(page, ".cited mark"))
    assert page.evaluate("document.activeElement.className") == "passage stop cited"
    box = page.evaluate("(({top, bottom}) => [top, bottom])(document.querySelector('.cited').getBoundingClientRect())")
    assert box[0] < page.evaluate("innerHeight")
    assert box[1] > 0
    before = len(texts(page, ".passage"))
    click(page, ".more", "before")
    page.wait_for(f"document.querySelectorAll('.passage').length > {before}")
    sections = texts(page, ".passage .section")
    assert sections == sorted(sections, key=lambda text: int(text.split()[-1]))
    page.evaluate("document.querySelector('.cited').focus()")
    page.press("j")
    assert page.evaluate("document.activeElement.previousElementSibling.classList.contains('cited')")
    page.evaluate("document.activeElement.querySelector('.right').click()")
    page.wait_for("document.querySelector('.right[aria-pressed=true]')")
    ((rank, helpful, reason, right),) = said(kb)
    assert (rank, helpful, reason) == (1, False, "wrong_place")
    (after,) = kb.rows(f"chunk_key = '{right['chunk_key']}'")
    assert after["source_file"] == "contracts/long.md"
    page.press("Escape")
    page.wait_for("document.querySelector('.hit')")
    assert page.evaluate("document.activeElement.className") == "hit stop"


def test_a_document_is_read_page_by_page(page: Page) -> None:
    ask(page, "pump")
    open_first_hit(page)
    facts = dict(zip(texts(page, ".about dt"), texts(page, ".about dd"), strict=True))
    assert (facts["pages"], facts["Collection"], facts["amount"]) == ("3", "contracts", "12.5")
    assert texts(page, ".original") == []  # who has no key has no right to it
    click(page, ".tab", "Pages")
    page.wait_for("document.querySelector('.tab:nth-child(2)[aria-current]')")
    assert "pump" in texts(page, ".cited .text")[0]
    assert "Payment is due." in texts(page, ".cited + .passage .text")[0]
    assert texts(page, ".passage .tag:last-child") == ["p. 1", "p. 2", "p. 3"]


# --- the overview ------------------------------------------------------------------------------------------


def test_the_overview_shows_the_corpus_what_failed_and_what_found_nothing(page: Page) -> None:
    ask(page, "qqqqq")
    click(page, "nav a", "Overview")
    page.wait_for("document.querySelector('.tiles')")
    tiles = dict(zip(texts(page, ".tile dt"), texts(page, ".tile dd"), strict=True))
    assert (tiles["documents"], tiles["failed"]) == ("5", "1")
    by_name = {row.split("\t")[0]: row.split("\t")[1:] for row in rows(page, "Collections")}
    assert by_name["contracts"][0] == "2"
    assert {row.split("\t")[0] for row in rows(page, "Formats")} == {"md", "pdf", "html"}
    (failure,) = rows(page, "What failed (1)")
    assert failure.split("\t")[2] == "parsing"
    assert "pdf" in failure.split("\t")[3].lower()
    assert any(row.startswith("qqqqq\t1\t") for row in rows(page, "Recent searches that found nothing"))
    assert [row.split("\t")[0] for row in rows(page, "Servers")] == ["postgres (your own)", "embedding (your own)"]


def rows(page: Page, section: str) -> list[str]:
    """The rows of a section's table, cells by tab."""
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll('[aria-label=\"{section}\"] tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent).join('\\t'))"
    )
    return found


# --- for everyone ------------------------------------------------------------------------------------------


def test_nothing_that_documents_or_people_say_is_markup(page: Page, kb: TestSite) -> None:
    page.evaluate("window.alert = (said) => { window.ran = said; }")
    hostile = f"{page_site.HOSTILE_COLLECTION}/{page_site.HOSTILE_FILE}"
    ask(page, "unicorn")
    assert texts(page, ".file") == [hostile]
    assert texts(page, ".hit .chip") == [page_site.HOSTILE_COLLECTION]
    assert page_site.HOSTILE_HEADING in texts(page, ".hit .section")[0]
    assert page_site.HOSTILE_TEXT in texts(page, ".hit .text")[0]
    assert texts(page, ".hit .tags li") == [f"tag: {page_site.HOSTILE_FIELD}"]
    assert page_site.HOSTILE_COLLECTION in texts(page, ".filters .value")
    only_text(page)
    open_first_hit(page)
    assert texts(page, "h1") == [hostile]
    assert page_site.HOSTILE_FIELD in texts(page, ".about dd")
    assert page_site.HOSTILE_TEXT in texts(page, ".cited .text")[0]
    only_text(page)
    click(page, ".tab", "Pages")
    page.wait_for("document.querySelector('.tab:nth-child(2)[aria-current]')")
    assert page_site.HOSTILE_TEXT in texts(page, ".passage .text")[0]
    only_text(page)
    page.press("/")
    ask(page, page_site.HOSTILE_QUERY)
    assert texts(page, ".echo q") == [page_site.HOSTILE_QUERY]
    only_text(page)
    click(page, "nav a", "Overview")
    page.wait_for("document.querySelector('.tiles')")
    assert any(page_site.HOSTILE_FAILURE in row for row in rows(page, "What failed (1)"))
    only_text(page)


def only_text(page: Page) -> None:
    assert page.evaluate("document.querySelectorAll('img, iframe, svg[onload], script:not([src]), u, b').length") == 0
    assert page.evaluate("window.ran") is None


def test_it_is_used_by_keys_alone(page: Page) -> None:
    ask(page, "valve")
    page.press("ArrowDown")
    page.press("j")
    assert page.evaluate("[...document.querySelectorAll('.hit')].indexOf(document.activeElement)") == 1
    page.press("k")
    page.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "query"
    page.press("ArrowDown")
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.press("ArrowDown")
    page.press("Escape")
    assert page.evaluate("document.activeElement.id") == "query"
    page.type("j")
    assert page.evaluate("document.getElementById('query').value").endswith("j")


def test_language_and_colours_are_the_browser_s_until_one_chooses(page: Page) -> None:
    def paper() -> Any:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.resize(1000, 800, dark=True)
    dark = paper()
    page.resize(1000, 800)
    light = paper()
    assert dark != light
    click(page, "#theme", "Dark")
    click(page, "#language", "中文")
    assert paper() == dark
    page.call("Page.reload")
    page.wait_for("document.querySelector('.filters .check') && document.title === '知识库'")
    assert paper() == dark
    assert texts(page, "#theme") == ["浅色"]


VIEWS = ("welcome", "hits", "document", "pages", "overview")


def visit(page: Page, view: str) -> None:
    """The view with all that can be unfolded in it."""
    if view in {"hits", "document", "pages"}:
        ask(page, "pump OR valve OR unicorn")
    if view == "hits":
        click(page, ".hit .actions button", "Why here")
        click(page, ".hit [aria-label='Not helpful']")
        page.wait_for("document.querySelector('.choice')")
    if view in {"document", "pages"}:
        open_first_hit(page)
    if view == "pages":
        click(page, ".tab", "Pages")
        page.wait_for("document.querySelector('.tab:nth-child(2)[aria-current]')")
    if view == "overview":
        click(page, "nav a", "Overview")
        page.wait_for("document.querySelector('.tiles')")


@pytest.mark.parametrize("view", VIEWS)
def test_axe_has_nothing_to_say(page: Page, view: str, axe: str) -> None:
    visit(page, view)
    for dark in (False, True):
        page.resize(1280, 900, dark=dark)
        page.evaluate("document.body.offsetWidth")
        assert page.evaluate(f"{axe}; {AXE_RUN}") == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(page: Page, view: str) -> None:
    page.resize(360, 740)
    visit(page, view)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_person_signs_in_with_a_key_and_sees_what_it_may(
    chromium: Browser, database_url: str, embeddings: InstantServer
) -> None:
    filled_database(database_url, embeddings)
    with connect(database_url, autocommit=True) as connection:
        key, _ = create(connection, "finder", groups=(), collections=("contracts",), rights=("search",), expires="1d")
        rights: tuple[Right, ...] = ("search", "read", "original")
        other, _ = create(
            connection, "reader", groups=(), collections=("contracts", "policies"), rights=rights, expires="1d"
        )
    with (
        served(lambda: database_url, lambda: EmbeddingClient.connect(embeddings.base_url)) as client,
        chromium.page(f"{client.base_url}/") as page,
    ):
        page.wait_for("document.getElementById('sign-in')")
        page.type(key[:-1])
        page.press("Enter")
        page.wait_for("document.querySelector('.message.bad')")
        page.evaluate("document.getElementById('key').select()")
        page.type(key)
        page.press("Enter")
        page.wait_for("document.querySelectorAll('.filters .value').length === 1")
        assert page.evaluate("document.cookie") == ""
        ask(page, "pump delivery")
        assert texts(page, ".file") == ["contract.pdf"]
        assert page.evaluate("document.querySelectorAll('a.file, .thumb, .right, nav').length") == 0
        click(page, "#sign-out")
        page.wait_for("document.getElementById('sign-in')")
        assert texts(page, ".file") == []
        page.type(other)
        page.press("Enter")
        page.wait_for("document.querySelectorAll('.filters .value').length === 2")
        ask(page, "pump delivery")
        open_first_hit(page)
        document = page.evaluate("location.hash.slice(1).split('?')[0]")
        assert page.evaluate("document.querySelector('.original').pathname") == f"/v1{document}/original"
