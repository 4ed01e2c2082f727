"""The review queue as a person uses it, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from kb_pipeline_tests.browser import find_chromium
from kb_pipeline_tests.integration.web.test_page import (
    AXE_RUN,
    address,
    axe,
    chromium,
    click,
    embedding_server,
    kb,
    only_text,
    page,
    parsers,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.browser import Page
    from kb_pipeline_tests.sites import TestSite

__all__ = ["address", "axe", "chromium", "embedding_server", "kb", "page", "parsers"]

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")

NOWHERE = "<u>zyxwvq"  # is in no document, and would be markup
FOCUSED = "document.activeElement"


@pytest.fixture(autouse=True)
def cases(kb: TestSite, address: str) -> Iterator[None]:
    """Three of them: contradicted, with a correction, and found nothing; one of the questions is hostile."""
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:

        def ask(query: str) -> dict[str, Any]:
            found: dict[str, Any] = client.post("/v1/search", json={"query": query, "mode": "lexical"}).json()
            return found

        def say(answer: dict[str, Any], session: str, rank: int, **what: Any) -> None:
            said = {"event_id": answer["event_id"], "session": session, "rank": rank, **what}
            assert client.post("/v1/feedback", json=said).status_code == 204

        pump, valve = ask("pump supplier"), ask("valve")
        named = {name: valve["hits"][0][name] for name in ("document_id", "chunk_key")}
        for session in ("ann", "bob", "cho"):
            say(pump, session, 1, helpful=session == "ann", reason=None if session == "ann" else "outdated")
        say(pump, "dee", 0, helpful=False, right_passage=named)
        ask(NOWHERE)
    yield
    kb.connection.execute("TRUNCATE feedback, search_events, judgments, closed_cases CASCADE")


def review(page: Page) -> None:
    click(page, "nav a", "Review")
    page.wait_for("document.querySelector('.case')")


def judged(kb: TestSite) -> set[tuple[str, bool]]:
    with psycopg.connect(kb.site.database_url) as connection:
        rows = connection.execute("SELECT d.path, is_right FROM judgments j JOIN documents d ON d.id = document_id")
        return set(rows.fetchall())


def test_a_case_shows_what_was_asked_shown_said_and_named(page: Page) -> None:
    review(page)
    assert texts(page, ".case h2") == ["pump supplier", NOWHERE]
    assert texts(page, ".case:first-child > .where .tag") == ["people disagree"]
    assert "3 people" in texts(page, ".case:first-child .score")[0]
    assert texts(page, ".case:first-child > .section") == ["outdated"]
    named, shown = texts(page, ".case:first-child .passage .where")[:2]
    assert "contracts/long.md" in named
    assert "somebody named it as the right one" in named
    assert "contracts/pump.pdf" in shown
    assert "shown as no. 1" in shown
    assert "contradictory, left out until you decide" in shown
    assert "found nothing" in texts(page, ".case:last-child .where")[0]
    only_text(page)


def test_the_right_one_is_chosen_with_a_click_and_closes_the_case(page: Page, kb: TestSite) -> None:
    review(page)
    click(page, ".case:first-child .passage:first-child .choice", "This is the right one")
    page.wait_for("document.querySelector('.case:first-child [data-action=reopen]')")
    assert judged(kb) == {("contracts/long.md", True), ("contracts/pump.pdf", False)}
    page.call("Page.reload")
    page.wait_for("document.querySelectorAll('.case').length === 1")


def test_it_is_decided_by_keys_alone_and_taken_back(page: Page, kb: TestSite) -> None:
    review(page)
    page.press("j")
    assert page.evaluate(f"{FOCUSED}.matches('.case:first-child')")
    page.press("j")
    page.press("r")
    page.wait_for("document.querySelector('.passage:first-child [data-action=relevant][aria-pressed=true]')")
    page.wait_for(f"{FOCUSED}.matches('.candidate')")
    page.press("j")
    page.press("n")
    page.wait_for("document.querySelector('.passage:nth-child(2) [data-action=irrelevant][aria-pressed=true]')")
    assert judged(kb) == {("contracts/long.md", True), ("contracts/pump.pdf", False)}
    page.press("n")
    page.wait_for("document.querySelector('.passage:nth-child(2) [data-action=irrelevant][aria-pressed=false]')")
    assert judged(kb) == {("contracts/long.md", True)}
    page.press("d")
    page.wait_for("document.querySelector('.case:first-child [data-action=reopen]')")
    click(page, ".case:first-child .choice", "Undo")
    page.wait_for("document.querySelector('.case:first-child [data-action=dismiss]')")


def test_where_nothing_was_shown_the_right_passage_is_looked_for(page: Page, kb: TestSite) -> None:
    review(page)
    page.evaluate("document.querySelector('.case:last-child .find input').select()")
    page.evaluate("document.querySelector('.case:last-child .find input').focus()")
    page.type("unicorn")
    page.press("Enter")
    page.wait_for("document.querySelector('.case:last-child .candidate')")
    click(page, ".case:last-child .candidate .choice", "Relevant")
    page.wait_for("document.querySelector('.case:last-child [data-action=relevant][aria-pressed=true]')")
    assert len(judged(kb)) == 1
    only_text(page)


def test_it_speaks_chinese(page: Page) -> None:
    review(page)
    click(page, "#language", "中文")
    page.wait_for("document.querySelector('.case')")
    assert texts(page, "h1") == ["审阅"]
    assert "意见不一" in texts(page, ".case:first-child .where")[0]


def test_axe_has_nothing_to_say(page: Page, axe: str) -> None:
    review(page)
    page.press("j")
    page.press("j")
    page.press("r")
    page.wait_for("document.querySelector('[data-action=relevant][aria-pressed=true]')")
    for dark in (False, True):
        page.resize(1280, 900, dark=dark)
        page.evaluate("document.body.offsetWidth")
        assert page.evaluate(f"{axe}; {AXE_RUN}") == []


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.resize(360, 740)
    review(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
