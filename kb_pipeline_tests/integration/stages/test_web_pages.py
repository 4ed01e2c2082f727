"""Web pages as documents, through the ledger and all stages; and which run looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.operations import sources
from kb_pipeline.operations.ingest import SEEN, ingest
from kb_pipeline.operations.jobs import REFRESH
from kb_pipeline.stages.planning import make_plan
from kb_pipeline_tests.web_server import Page, WebServer, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kb_pipeline.site import Site
    from kb_pipeline_tests.sites import TestSite

ALWAYS = 1e-6  # seconds between two looks


@pytest.fixture
def web(kb: TestSite) -> Iterator[WebServer]:
    with web_server() as found:
        follow(kb, found, every=ALWAYS)
        yield found


def follow(kb: TestSite, web: WebServer, **settings: Any) -> None:
    own = {"uri": f"{web.url}/sitemap.xml", "private_addresses": True, "per_second": 1000} | settings
    kb.reopen(sources=[own])
    sources.register_configured(kb.connection, kb.site.settings)


def looks(kb: TestSite) -> tuple[str, ...]:
    return make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names).looks


def page(text: str) -> str:
    menu = "<nav>Home Products Contact</nav>"
    return f"<html><head><title>Page</title></head><body>{menu}<main><h1>Heading</h1><p>{text}</p></main></body></html>"


def test_pages_come_change_and_go_and_only_their_main_text_is_kept(web: WebServer, kb: TestSite) -> None:
    web.sitemap("/hr/leave", "/hr/travel")
    web.put("/hr/leave", page("Five days of leave."), etag='"1"')
    web.put("/hr/travel", page("Trains before planes."))
    counts = kb.refresh()
    assert (counts["new"], counts["failed"]) == (2, 0)
    contents = kb.contents()
    assert "Five days of leave." in contents["hr/leave.html"]
    assert "Products" not in contents["hr/leave.html"]
    assert kb.rows("source_file = 'hr/leave.html'")[0]["section_title"] == "Heading"
    assert kb.refresh()["unchanged"] == 2

    web.put("/hr/leave", page("Six days of leave."), etag='"2"')
    web.pages["/hr/travel"] = Page(status=503)
    counts = kb.refresh()
    assert (counts["changed"], counts["deleted"], counts["unlisted"]) == (1, 0, 1)
    assert "Six days" in kb.contents()["hr/leave.html"]
    assert "Trains" in kb.contents()["hr/travel.html"]

    web.pages["/hr/travel"] = Page(status=410)
    assert kb.refresh()["deleted"] == 1
    assert set(kb.contents()) == {"hr/leave.html"}


def test_a_sitemap_that_is_away_deletes_nothing(web: WebServer, kb: TestSite) -> None:
    web.sitemap("/a")
    web.put("/a", page("Some text of this page."))
    kb.refresh()
    web.pages["/sitemap.xml"] = Page(status=500)
    counts = kb.refresh()
    assert (counts["sources_unavailable"], counts["deleted"]) == (1, 0)
    assert set(kb.contents()) == {"a.html"}


def test_a_plan_asks_for_a_look_when_it_is_due_and_asks_no_server(web: WebServer, kb: TestSite) -> None:
    web.sitemap("/a")
    web.put("/a", page("Some text of this page."))
    follow(kb, web)
    assert looks(kb) == (f"{web.url}/sitemap.xml",)
    assert web.paths() == []
    assert kb.refresh()["new"] == 1
    web.paths()
    assert looks(kb) == ()
    assert make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names).resting == 1
    assert kb.refresh()["scanned"] == 0  # looked at an hour later
    assert web.paths() == []
    assert set(kb.contents()) == {"a.html"}


def test_the_run_over_the_first_shard_looks_for_all_of_them(web: WebServer, kb: TestSite) -> None:
    names = [f"/{number}" for number in range(20)]
    web.sitemap(*names)
    for name in names:
        web.put(name, page(f"Some text of page {name}."))
    assert kb.refresh(["f"])["new"] == 0
    assert web.paths() == []
    assert kb.refresh(list("0123456789abcde"))["new"] == 20
    assert kb.dirty() == 20 - len(kb.contents())


def test_an_ingest_looks_whether_it_is_due_or_not_and_counts_what_it_found(web: WebServer, kb: TestSite) -> None:
    web.sitemap("/a")
    web.put("/a", page("Some text of this page."))
    follow(kb, web)
    kb.refresh()
    web.put("/a", page("Other text of this page."))

    def run(
        site: Site, job: str, shards: Sequence[str], **ops: dict[str, Any]
    ) -> tuple[str, Mapping[str, Mapping[str, int]]]:
        assert (site, job) == (kb.site, REFRESH)
        counts = kb.refresh(list(shards), prefix=ops["raw_documents"]["within"])
        return "run", {name: dict(counts) | {name: counts[name] for name in COUNTED} for name in STAGES}

    result = ingest(kb.site, None, run=run)
    assert (result.scanned, result.new, result.changed, result.deleted) == (1, 0, 1, 0)
    assert any("looked at by the run" in note for note in result.notes)
    assert "Other text" in kb.contents()["a.html"]


STAGES = ("raw_documents", "cleaned_elements", "chunks", "embeddings", "knowledge_chunks")
COUNTED = (*SEEN, "described", "texts_embedded", "texts_reused", "chunks_written")
