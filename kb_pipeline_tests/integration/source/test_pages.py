"""Web pages as a source, from a real server on this machine that misbehaves on request."""

from __future__ import annotations

import gzip
import socket
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import SourceUnavailable, UnreadableFile
from kb_pipeline.settings import SourceSettings
from kb_pipeline.source import pages, web
from kb_pipeline.source.listing import Listing, entry_of
from kb_pipeline.source.pages import Pages
from kb_pipeline.source.selection import EVERYTHING, Selection
from kb_pipeline_tests.web_server import Page, WebServer, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator

HTML = "<html><body><p>Text"


@pytest.fixture
def site() -> Iterator[WebServer]:
    with web_server() as found:
        yield found


def place(site: WebServer, start: str = "/sitemap.xml", **settings: Any) -> Pages:
    own = {"private_addresses": True, "per_second": 1000} | settings
    return Pages(site.url + start, SourceSettings(uri=site.url + start, **own))


def listed(source: Pages, known: Listing | None = None, selection: Selection = EVERYTHING) -> Listing:
    return source.list_files(selection, lambda: known.signatures if known else frozenset())


def paths(listing: Listing) -> set[str]:
    return {entry_of(line).path for line in listing.signatures}


def test_a_sitemap_names_documents_and_a_second_look_sends_nothing_again(site: WebServer) -> None:
    site.sitemap("/", "/hr/leave.aspx?id=3", "/hr/%E4%BC%91%E5%81%87", "/plan.pdf")
    site.put("/", HTML, etag='"one"')
    site.put("/hr/leave.aspx?id=3", HTML, last_modified="Mon, 02 Nov 2026 10:00:00 GMT")
    site.put("/hr/%E4%BC%91%E5%81%87", HTML)
    site.put("/plan.pdf", "%PDF-1.4", etag='W/"weak"')
    source = place(site)
    first = listed(source)
    assert paths(first) == {"index.html", "hr/leave.aspx?id=3.html", "hr/休假.html", "plan.pdf"}
    assert source.names("hr") == ["leave.aspx?id=3.html", "休假.html"]
    site.asked.clear()
    second = listed(source, first)
    assert second.signatures == first.signatures
    sent = dict(site.asked)
    assert sent["/"]["if-none-match"] == '"one"'
    assert sent["/plan.pdf"]["if-none-match"] == 'W/"weak"'
    assert sent["/hr/leave.aspx?id=3"]["if-modified-since"] == "Mon, 02 Nov 2026 10:00:00 GMT"
    assert "if-none-match" not in sent["/hr/%E4%BC%91%E5%81%87"]

    site.put("/", HTML + " anew", etag='"two"')
    site.put("/hr/%E4%BC%91%E5%81%87", HTML + " anew")
    third = listed(source, second)
    assert {entry_of(line).path for line in third.signatures - second.signatures} == {"index.html", "hr/休假.html"}


def test_what_was_fetched_to_list_it_is_not_fetched_again_to_be_read(site: WebServer) -> None:
    site.sitemap("/a", "/b")
    site.put("/a", HTML)
    site.put("/b", HTML)
    source = place(site)
    listed(source)
    site.paths()
    assert source.read("a.html") == HTML.encode()
    assert site.paths() == []
    assert source.read("a.html") == HTML.encode()
    assert site.paths() == ["/a"]
    assert place(site).read("b.html") == HTML.encode()  # as another process does, which listed nothing


def test_gone_pages_are_gone_and_those_that_fail_stay(site: WebServer) -> None:
    names = ("gone", "lost", "broken", "busy", "secret", "kept")
    site.sitemap(*(f"/{name}" for name in names))
    for name in names:
        site.put(f"/{name}", HTML)
    before = listed(place(site))
    for name, status in (("gone", 404), ("lost", 410), ("broken", 500), ("secret", 403)):
        site.pages[f"/{name}"] = Page(status=status)
    site.pages["/busy"] = Page(status=429, headers={"Retry-After": "0"})
    after = listed(place(site), before)
    assert paths(after) == {"kept.html"}
    assert {path: reason[-3:] for path, reason in after.unlisted.items()} == {
        "broken.html": "500",
        "busy.html": "429",
        "secret.html": "403",
    }


def test_a_server_that_is_slow_cuts_the_connection_or_sends_too_much_costs_one_page(
    site: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.3)
    site.sitemap("/slow", "/cut", "/large", "/bomb", "/film", "/odd", "/good")
    for name in ("slow", "good"):
        site.put(f"/{name}", HTML)
    site.pages["/slow"].hangs = True
    site.pages["/cut"] = Page(HTML.encode(), promised=100)
    site.put("/large", b"x" * (1 << 20) + b"x")
    site.put("/bomb", gzip.compress(bytes(8 << 20)), content_encoding="gzip")
    site.put("/film", b"x", content_type="video/mp4")
    site.put("/odd", b"x", content_encoding="br")
    found = listed(place(site, page_mb=1))
    assert paths(found) == {"good.html"}
    assert {path: reason.partition(" ")[2] for path, reason in found.unlisted.items()} == {
        "slow.html": "server does not answer within 0 s",
        "cut.html": "server cannot be reached, or ended the connection (RemoteProtocolError)",
        "large.html": "is larger than 1 MiB",
        "bomb.html": "is larger than 1 MiB",
        "film.html": "is of the type video/mp4, which holds no text",
        "odd.html": "comes in an encoding that was not asked for",
    }


def test_indexes_and_compressed_sitemaps_are_followed_and_one_that_fails_fails_all(site: WebServer) -> None:
    site.sitemap("/a", at="/one.xml")
    site.sitemap("/b", at="/two.xml")
    site.put("/two.xml.gz", gzip.compress(site.pages["/two.xml"].body))
    index = "".join(f"<sitemap><loc>{site.url}/{name}</loc></sitemap>" for name in ("one.xml", "two.xml.gz"))
    site.put("/index.xml", f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{index}</sitemapindex>')
    site.put("/a", HTML)
    site.put("/b", HTML)
    assert paths(listed(place(site, "/index.xml"))) == {"a.html", "b.html"}
    for broken in (Page(status=500), Page(b"<urlset><url>"), Page(gzip.compress(b"<urlset></urlset>")[:-9])):
        site.pages["/two.xml.gz"] = broken
        with pytest.raises(SourceUnavailable, match="cannot be listed"):
            listed(place(site, "/index.xml"))


def test_an_entity_of_a_sitemap_reads_no_file(site: WebServer) -> None:
    entity = '<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    site.put("/sitemap.xml", f"{entity}<urlset><url><loc>{site.url}/&x;</loc></url></urlset>")
    site.put("/", HTML)
    assert all("/etc" not in path for path in paths(listed(place(site))))
    assert all(path in ("/sitemap.xml", "/robots.txt", "/") for path in site.paths())


def test_lists_may_be_texts_settings_or_pages_of_links(site: WebServer) -> None:
    site.put("/list.txt", f"# ours\n{site.url}/a\n/b\n\n")
    site.put("/files/", '<a href="a.md">a</a> <a href="sub/">sub</a> <a href="../">up</a> <a href="?C=N">by name</a>')
    site.put("/files/sub/", '<a href="b.txt">b</a> <a href="http://elsewhere.example/c">c</a>')
    for path in ("/a", "/b", "/files/a.md", "/files/sub/b.txt"):
        site.put(path, HTML)
    assert paths(listed(place(site, "/list.txt"))) == {"a.html", "b.html"}
    assert paths(listed(place(site, "/", urls=(f"{site.url}/a",)))) == {"a.html"}
    assert paths(listed(place(site, "/files/"))) == {"files/a.md", "files/sub/b.txt"}
    assert not place(site, "/files/").is_empty()


def test_robots_txt_is_kept_to(site: WebServer) -> None:
    site.sitemap("/open", "/private/x")
    site.put("/open", HTML)
    site.put("/private/x", HTML)
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/\nCrawl-delay: 0.001\n")
    found = listed(place(site))
    assert (paths(found), found.ignored) == ({"open.html"}, 1)
    assert "/private/x" not in site.paths()
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n\nUser-agent: kb_pipeline\nDisallow:\n")
    assert paths(listed(place(site))) == {"open.html", "private/x.html"}
    site.pages["/robots.txt"] = Page(status=503)
    with pytest.raises(SourceUnavailable, match=r"robots\.txt is answered by 503"):
        listed(place(site))


def test_no_private_address_is_asked_unless_it_is_allowed(site: WebServer) -> None:
    with pytest.raises(SourceUnavailable, match="private address"):
        listed(place(site, private_addresses=False))
    assert site.asked == []


def test_a_name_that_leads_inward_a_moment_later_is_refused(site: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what was public when it was looked up first is private when it is connected to."""
    port = int(site.url.rpartition(":")[2])
    answers = iter(["93.184.216.34", "127.0.0.1"])
    real = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **named: Any) -> Any:
        return real(next(answers) if host == "rebinding.example" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    rebinding("rebinding.example", port)
    source = Pages("http://rebinding.example/", SourceSettings(uri=f"http://rebinding.example:{port}/"))
    with pytest.raises(SourceUnavailable, match="private address"):
        listed(source)
    assert site.asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "::"],
)
def test_addresses_of_inner_networks_are_private(address: str) -> None:
    assert not web.is_public(address)
    assert web.is_public("93.184.216.34")
    assert web.is_public("2606:2800:220:1::1")


def test_redirects_stay_with_the_hosts_that_are_allowed_and_send_them_no_key(
    site: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTRANET_KEY", "Bearer hunter2")
    with web_server() as other:
        other.put("/x", HTML)
        site.sitemap("/inside", "/outside", "/loop")
        site.put("/target", HTML)
        site.pages["/inside"] = Page(status=302, headers={"Location": "/target"})
        site.pages["/outside"] = Page(status=301, headers={"Location": f"{other.url}/x"})
        site.pages["/loop"] = Page(status=302, headers={"Location": "/loop"})
        secrets = {"authorization": "INTRANET_KEY"}
        found = listed(place(site, secrets=secrets))
        assert paths(found) == {"inside.html"}
        assert "not allowed" in found.unlisted["outside.html"]
        assert "redirects more than" in found.unlisted["loop.html"]
        assert other.asked == []
        found = listed(place(site, secrets=secrets, hosts=(other.url.removeprefix("http://"),)))
        assert paths(found) == {"inside.html", "outside.html"}
        assert all("authorization" not in headers for _, headers in other.asked)
        assert dict(site.asked)["/inside"]["authorization"] == "Bearer hunter2"
        secure = place(site, secrets=secrets)
        secure._web.scheme = "https"  # from there a redirect leads to http
        site.asked.clear()
        assert paths(listed(secure)) == {"inside.html"}
        assert all("authorization" not in headers for _, headers in site.asked)
    monkeypatch.delenv("INTRANET_KEY")
    with pytest.raises(SourceUnavailable, match="INTRANET_KEY, which is not set"):
        listed(place(site, secrets=secrets))


def test_pages_of_other_hosts_are_left_out(site: WebServer) -> None:
    site.put("/list.txt", f"{site.url}/a\nhttp://elsewhere.example/b\nfile:///etc/passwd\nhttp://u:p@h/x")
    site.put("/a", HTML)
    assert paths(listed(place(site, "/list.txt"))) == {"a.html"}
    site.put("/list.txt", "http://elsewhere.example/b")
    with pytest.raises(SourceUnavailable, match=r"of other hosts alone, such as elsewhere\.example"):
        listed(place(site, "/list.txt"))


def test_a_site_that_fails_again_and_again_is_left_alone(site: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_FAILURES", 3)
    site.sitemap(*(f"/{number}" for number in range(10)))
    for number in range(10):
        site.pages[f"/{number}"] = Page(status=500)
    with pytest.raises(SourceUnavailable, match="none of 3 pages in a row"):
        listed(place(site))
    assert len(site.paths()) == 5  # the sitemap, robots.txt, and three pages


def test_requests_keep_their_distance() -> None:
    waited: list[float] = []
    clock = iter(range(1000))
    found = web.Web(("h",), per_second=0.25, clock=lambda: float(next(clock)), sleep=waited.append)
    for _ in range(3):
        found._wait("h")
    assert waited == [0.0, 3.0, 6.0]
    found.slow_down("h", 100)
    found._wait("h")
    assert waited[-1] == pytest.approx(99.0)


def test_a_page_whose_encoding_only_its_header_says_is_read_in_it(site: WebServer) -> None:
    site.sitemap("/a")
    site.put("/a", "<html>休假".encode("gb18030"), content_type="text/html; charset=GB18030")
    source = place(site)
    listed(source)
    assert source.read("a.html").decode("utf-8-sig") == "<html>休假"


def test_a_page_that_cannot_be_read_says_why(site: WebServer) -> None:
    site.sitemap("/a")
    site.put("/a", HTML)
    source = place(site)
    listed(source)
    source._kept.clear()
    site.pages["/a"] = Page(status=500)
    with pytest.raises(UnreadableFile, match="answered by 500"):
        source.read("a.html")
    with pytest.raises(UnreadableFile, match="not named"):
        source.read("b.html")


def test_kinds_that_hold_no_text_and_what_is_excluded_are_not_asked_for(site: WebServer) -> None:
    site.sitemap("/a", "/film.mp4", "/old/b")
    site.put("/a", HTML)
    site.put("/old/b", HTML)
    found = listed(place(site), selection=Selection(exclude=("old/",), unreadable=frozenset({".mp4"})))
    assert (paths(found), found.skipped, found.ignored) == ({"a.html"}, {".mp4": 1}, 1)
    assert "/film.mp4" not in site.paths()
