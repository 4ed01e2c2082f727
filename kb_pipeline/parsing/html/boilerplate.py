"""Which parts of an HTML page are not its content: navigation, page header and footer, cookie notices, menus.

One pass over the tree measures each container and marks what is boilerplate with the reason, as an attribute;
the reader then lists the text of a marked node instead of reading it. What a tag or a role says is believed;
what only a class or an id says must also look like it: a small share of the page, and for menus mostly links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

DROPPED_BECAUSE = "data-dropped-because"

_TAGS = {"nav": "HTML navigation", "footer": "HTML footer", "aside": "HTML aside", "header": "HTML header"}
_CONTROLS = frozenset({"button", "select", "datalist", "dialog"})
_ROLES = {
    "navigation": "HTML navigation",
    "banner": "HTML header",
    "contentinfo": "HTML footer",
    "complementary": "HTML aside",
    "search": "HTML form control",
    "dialog": "HTML dialog",
    "alertdialog": "HTML dialog",
    "menu": "HTML navigation",
    "menubar": "HTML navigation",
}
_SECTIONING = frozenset({"article", "main", "section"})
_CONTAINERS = frozenset({"div", "section", "ul", "ol", "table", "p", "span", "form", "dl", "td"})
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_MENU_NAMES = frozenset(
    {"nav", "navbar", "navigation", "menu", "submenu", "topmenu", "sidebar", "breadcrumb", "breadcrumbs", "crumbs"}
    | {"pagination", "pager", "toolbar", "share", "sharing", "social", "related", "skip", "topbar", "sitemap", "tags"}
)
_FOOTER_NAMES = frozenset({"footer", "foot", "copyright", "bottombar"})
_COOKIE_NAMES = frozenset({"cookie", "cookies", "cookiebar", "cookiebanner", "onetrust"})
_CONSENT_NAMES = frozenset({"consent", "gdpr", "privacy"})  # of a notice only where it speaks of cookies
_BREADCRUMB_NAMES = frozenset({"breadcrumb", "breadcrumbs", "crumb", "crumbs"})
_BREADCRUMB_CHARACTERS = 150
_NAME_PARTS = re.compile(r"[\s_\-]+|(?<=[a-z])(?=[A-Z])")
_LARGEST_SHARE = 0.3  # of the page's text; more of it is no boilerplate, whatever its class says
_NOTICE_CHARACTERS = 1500  # a cookie notice or footer is shorter
_MENU_LINK_SHARE = 0.6  # of the characters of a menu stand in links
_BARE_LINK_SHARE = 0.9  # the same for a list of links that has no telling name
_BARE_LINKS = 4
_LINK_CHARACTERS = 40  # on average; longer ones are headlines or sentences


@dataclass(slots=True)
class _Measure:
    """Visible characters, those in links, the links, and how many of them point into the page itself."""

    characters: int = 0
    in_links: int = 0
    links: int = 0
    local_links: int = 0
    headings: int = 0


def mark_boilerplate(root: Node, *, is_mail: bool = False) -> None:
    """Mark the outermost nodes of each kind of boilerplate. Time grows with the size of the tree only.

    `is_mail`: the page is the body of an e-mail: no menus, but quoted messages and signatures.
    """
    total, candidates = _measured(root)
    for node, certain, measure in candidates:
        if is_mail:
            reason = _mail_reason(node) or (certain if certain == "hidden text" else None)
        else:
            reason = _reason(node, certain, measure, total)
        if reason:
            node.set(DROPPED_BECAUSE, reason)


def _reason(node: Node, certain: str | None, measure: _Measure, total: int) -> str | None:
    share = measure.characters / max(total, 1)
    if certain == "hidden text" and share > _LARGEST_SHARE:
        return None  # a page that a script shows later
    if certain in _TAGS.values() and share > 1 - _LARGEST_SHARE:
        return None  # a page with hardly anything else: its author put the content there
    return certain or _named_reason(node, measure, total)


def _measured(root: Node) -> tuple[int, list[tuple[Node, str | None, _Measure]]]:
    """The characters of the page, and the containers that may be boilerplate, outer before inner."""
    from lxml import etree

    total = _Measure()
    open_measures: list[tuple[Node | None, _Measure]] = [(None, total)]
    found: list[tuple[Node, str | None, _Measure]] = []
    sectioning = links = 0
    for event, node in etree.iterwalk(root, events=("start", "end")):
        tag = node.tag
        if event == "start":
            sectioning += tag in _SECTIONING
            if tag == "a":
                links += 1
                around = open_measures[-1][1]
                around.links += 1
                around.local_links += (node.get("href") or "").startswith("#")
            if tag in ("h1", "h2", "h3"):
                open_measures[-1][1].headings += 1
            if _may_be_boilerplate(node):
                measure = _Measure()
                open_measures.append((node, measure))
                found.append((node, _certain_reason(node, inside_section=sectioning > (tag in _SECTIONING)), measure))
            _count(open_measures[-1][1], node.text, in_link=links > 0)
        else:
            sectioning -= tag in _SECTIONING
            links -= tag == "a"
            if node is open_measures[-1][0]:
                _, closed = open_measures.pop()
                _add(open_measures[-1][1], closed)
            _count(open_measures[-1][1], node.tail, in_link=links > 0)
    return total.characters, found


def _may_be_boilerplate(node: Node) -> bool:
    return (
        node.tag in _CONTAINERS
        or node.tag in _TAGS
        or node.tag in _CONTROLS
        or node.tag == "blockquote"
        or node.get("role") in _ROLES
        or _is_hidden(node)
    )


def _is_hidden(node: Node) -> bool:
    attributes = node.attrib
    return bool(attributes) and (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
    )


def _count(measure: _Measure, text: str | None, *, in_link: bool) -> None:
    if text:
        characters = len("".join(text.split()))
        measure.characters += characters
        measure.in_links += characters if in_link else 0


def _add(outer: _Measure, inner: _Measure) -> None:
    outer.characters += inner.characters
    outer.in_links += inner.in_links
    outer.links += inner.links
    outer.local_links += inner.local_links
    outer.headings += inner.headings


def _certain_reason(node: Node, *, inside_section: bool) -> str | None:
    """What the tag, the role or the visibility says."""
    if _is_hidden(node):
        return "hidden text"
    if node.tag in _CONTROLS:
        return "HTML form control"
    if node.tag in ("header", "footer", "aside") and inside_section:
        return None  # the heading or the byline of an article, a note or a sidebar of it
    return _TAGS.get(node.tag) or _ROLES.get(node.get("role", ""))


def _named_reason(node: Node, measure: _Measure, total: int) -> str | None:
    """What class and id say, where size and links agree; and lists of links at large."""
    if not measure.characters or measure.characters > _LARGEST_SHARE * total or node.tag == "td":
        return None
    names = set(_names(node))
    link_share = measure.in_links / measure.characters
    short_links = measure.in_links <= _LINK_CHARACTERS * measure.links
    if measure.characters <= _NOTICE_CHARACTERS and (
        names & _COOKIE_NAMES or (names & _CONSENT_NAMES and "cookie" in "".join(node.itertext()).lower())
    ):
        return "cookie notice"
    if names & _BREADCRUMB_NAMES and measure.links and measure.characters <= _BREADCRUMB_CHARACTERS:
        return "HTML navigation"
    if names & _FOOTER_NAMES and measure.characters <= _NOTICE_CHARACTERS and not measure.headings:
        return "HTML footer"
    if names & _MENU_NAMES and link_share >= _MENU_LINK_SHARE:
        return "HTML navigation"
    if node.tag in ("ul", "ol", "div") and measure.links >= _BARE_LINKS and link_share >= _BARE_LINK_SHARE:
        if measure.local_links == measure.links:
            return "table of contents"
        if short_links:
            return "list of links"
    return None


def _names(node: Node) -> Iterator[str]:
    for attribute in (node.get("id"), node.get("class")):
        if attribute:
            yield from (part.lower() for part in _NAME_PARTS.split(attribute))


_QUOTE_CLASSES = re.compile(
    r"\b(?:gmail_quote|gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|ntes_quote|zmail_extra)\b"
)
_QUOTE_IDS = frozenset({"divRplyFwdMsg", "appendonsend", "isReplyContent", "reply-intro", "OLK_SRC_BODY_SECTION"})
_FORWARDED = re.compile(r"^[\s\-]*(?:Begin forwarded|Forwarded|转发|轉寄|Fwd?:)", re.IGNORECASE)
_FORWARD_NODES = 5  # text nodes at the start of a quotation; a forwarded message says so there
_SIGNATURE_NAMES = re.compile(
    r"\b(?:gmail_signature|moz-signature|protonmail_signature_block|foxmailsign|ntes-signature)\b|^Signature$|\bMsoSignature\b",
    re.IGNORECASE,
)


def _mail_reason(node: Node) -> str | None:
    """What mail programs call the parts of a message's HTML body."""
    identifier, classes = node.get("id") or "", node.get("class") or ""
    if node.tag == "blockquote" and node.get("type") == "cite":
        return "quoted message"
    if identifier in _QUOTE_IDS or _QUOTE_CLASSES.search(classes):
        start = "".join(islice(node.itertext(), _FORWARD_NODES))
        return None if _FORWARDED.search(start) else "quoted message"
    if _SIGNATURE_NAMES.search(identifier) or _SIGNATURE_NAMES.search(classes):
        return "e-mail signature"
    return None
