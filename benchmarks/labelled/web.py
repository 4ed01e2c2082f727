"""Drafts as HTML pages with the navigation, sidebars and footers that sites put around their texts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from html import escape

from labelled.draft import Block, Draft
from labelled.labels import Furniture, Heading, Paragraph, Table, Truth
from labelled.wording import Writer

_COOKIES = {
    "zh": "本网站使用 Cookie 以改善您的访问体验。",
    "en": "We use cookies to improve your experience on this site.",
}
_RIGHTS = {"zh": "版权所有 © 2025 {company} 保留所有权利", "en": "Copyright © 2025 {company} All rights reserved"}


def draw_html(draft: Draft, rng: random.Random, *, name: str) -> tuple[bytes, Truth]:
    """The draft as a web page, and its labels."""
    page = _Page(draft, rng)
    html = page.draw()
    features = {**draft.features, "semantic": page.semantic, "shift": page.shift}
    truth = Truth(
        name, "html", draft.language, None, tuple(page.headings), tuple(page.paragraphs),
        tuple(Furniture(text, "navigation") for text in page.furniture), tuple(page.tables), (),
        tuple(page.flow), features,
    )  # fmt: skip
    return html.encode(), truth


class _Page:
    """`semantic`: header, nav, main, footer elements; else divisions whose classes say so. `shift`: the heading
    level of the top below the title."""

    def __init__(self, draft: Draft, rng: random.Random) -> None:
        self._draft, self._rng = draft, rng
        self._writer = Writer(draft.language, rng)
        self.semantic = rng.random() < 0.6
        self.shift = rng.choice((1, 1, 2))
        self.headings: list[Heading] = []
        self.paragraphs: list[Paragraph] = []
        self.tables: list[Table] = []
        self.furniture: list[str] = []
        self.flow: list[str] = []

    def draw(self) -> str:
        draft = self._draft
        self.headings.append(Heading(draft.title, 0))
        self.flow.append(draft.title)
        links = self._rng.sample([*dict.fromkeys(self._writer.entries("link"))], 8)
        top = self._links(links[:5], "nav")
        aside = self._around("aside", "sidebar", self._links(links[5:7], "links")) if self._rng.random() < 0.5 else ""
        rights = _RIGHTS[draft.language].format(company=draft.company)
        self.furniture.append(rights)
        foot = self._around("footer", "footer", f"<p>{escape(rights)}</p>{self._links(links[7:], 'foot-links')}")
        banner = ""
        if self._rng.random() < 0.4:
            text = _COOKIES[draft.language]
            self.furniture.append(text)
            banner = f'<div class="cookie-banner" role="dialog"><p>{escape(text)}</p></div>'
        main = self._around("main", "content", f"<h1>{escape(draft.title)}</h1>\n" + "\n".join(self._body()))
        head = self._around("header", "site-header", top)
        return (
            f'<!DOCTYPE html>\n<html lang="{draft.language}"><head><meta charset="utf-8">'
            f"<title>{escape(draft.title)}</title><style>body {{ margin: 2em }}</style></head>\n"
            f"<body>{banner}{head}{aside}\n{main}\n{foot}<script>var page = 1;</script></body></html>\n"
        )

    def _around(self, tag: str, name: str, inner: str) -> str:
        return f"<{tag}>{inner}</{tag}>" if self.semantic else f'<div class="{name}" id="{name}">{inner}</div>'

    def _links(self, links: Iterable[str], name: str) -> str:
        links = list(links)
        self.furniture += links
        entries = "".join(f'<li><a href="/{number}">{escape(text)}</a></li>' for number, text in enumerate(links))
        return self._around("nav", name, f"<ul>{entries}</ul>")

    def _body(self) -> Iterable[str]:
        items: list[Block] = []
        for block in (*self._draft.blocks, None):
            if block is not None and block.kind == "item":
                items.append(block)
                continue
            if items:
                tag = "ul" if items[0].marker in "•-–" else "ol"
                yield f"<{tag}>" + "".join(f"<li>{self._text(item.text)}</li>" for item in items) + f"</{tag}>"
                items = []
            if block is not None and block.kind != "figure":
                yield self._block(block)

    def _block(self, block: Block) -> str:
        if block.kind == "heading":
            level = block.level + self.shift
            self.headings.append(Heading(block.heading_text, block.level))
            self.flow.append(block.heading_text)
            return f"<h{level}>{escape(block.heading_text)}</h{level}>"
        if block.kind == "table":
            self.tables.append(Table(block.grid, True, covered=block.covered))
            self.flow += [" ".join(row) for row in block.grid]
            return _table(block)
        return f"<p>{self._text(block.text)}</p>"

    def _text(self, text: str) -> str:
        """Escaped, with some words in bold or linked."""
        self.paragraphs.append(Paragraph(text))
        self.flow.append(text)
        if self._rng.random() < 0.3 and len(text) > 30:
            start = self._rng.randint(5, 15)
            return f"{escape(text[:start])}<b>{escape(text[start : start + 6])}</b>{escape(text[start + 6 :])}"
        return escape(text)


def _table(block: Block) -> str:
    covered = set(block.covered)
    rows = []
    for r, row in enumerate(block.grid):
        cells = []
        for c, text in enumerate(row):
            if (r, c) in covered:
                continue
            down, across = block.span(r, c)
            spans = (f' rowspan="{down}"' if down > 1 else "") + (f' colspan="{across}"' if across > 1 else "")
            tag = "th" if r == 0 else "td"
            cells.append(f"<{tag}{spans}>{escape(text)}</{tag}>")
        rows.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "\n".join(rows) + "</table>"
