"""Lists of web pages: sitemaps and their indexes, texts with an address per line, and pages of links to files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from kb_pipeline.errors import NotFetched
from kb_pipeline.source.web import Answer, unzipped

MOST_ADDRESSES = 200_000
MOST_LISTS = 5_000
MOST_BYTES = 64 << 20  # of one list; the protocol of sitemaps allows 50 MB
_GZIP = b"\x1f\x8b"


def addresses(start: str, get: Callable[[str], Answer]) -> list[str]:
    """All addresses that `start` leads to, each once and in order.

    A page of links gives those below its own folder; links to folders are lists in their turn. Raises NotFetched where
    any list cannot be had: a part of the pages is no list of them.
    """
    found: dict[str, None] = {}
    lists = [start]
    for place in lists:  # which grows meanwhile
        if len(lists) > MOST_LISTS or len(found) > MOST_ADDRESSES:
            raise NotFetched(f"it leads to over {MOST_LISTS:,} lists or {MOST_ADDRESSES:,} pages; name a part of it")
        answer = get(place)
        if answer.status != 200:
            raise NotFetched(f"the list {place} is answered by {answer.status}")
        body = answer.body
        if body.startswith(_GZIP):
            body = b"".join(unzipped([body], MOST_BYTES))
        pages, more = _read(body, answer.url, start)
        found |= dict.fromkeys(pages)
        known = set(lists)
        lists += [other for other in dict.fromkeys(more) if other not in known]
    return list(found)


def _read(body: bytes, url: str, start: str) -> tuple[list[str], list[str]]:
    """(pages, further lists) that a list names. Raises NotFetched."""
    begin = body[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<urlset" in begin or b"<sitemapindex" in begin:
        root = _tree(body)
        places = [urljoin(url, node.text.strip()) for node in root.iter("{*}loc") if _is_place(node)]
        return ([], places) if root.tag.rpartition("}")[2] == "sitemapindex" else (places, [])
    if begin.startswith(b"<"):
        return _links(body, url, start)
    lines = (line.strip() for line in body.decode("utf-8-sig", "replace").splitlines())
    return [urljoin(url, line) for line in lines if line and not line.startswith("#")], []


def _is_place(node: Any) -> bool:
    """Of a page or a list, and not of its pictures."""
    return bool(node.text and node.text.strip()) and node.getparent().tag.rpartition("}")[2] in ("url", "sitemap")


def _tree(body: bytes) -> Any:
    from lxml import etree

    try:
        return etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError:
        raise NotFetched("its sitemap is no XML, or ends early") from None


def _links(body: bytes, url: str, start: str) -> tuple[list[str], list[str]]:
    from lxml import html

    top = urljoin(start, ".")
    pages: list[str] = []
    lists: list[str] = []
    for link in html.document_fromstring(body).iter("a"):
        place = urldefrag(urljoin(url, (link.get("href") or "").strip())).url
        if place.startswith(top) and place != url and not urlsplit(place).query:
            (lists if place.endswith("/") else pages).append(place)
    return pages, lists
