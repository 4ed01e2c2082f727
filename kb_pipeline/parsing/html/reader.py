"""HTML -> elements; also the HTML of e-mail bodies and of EPUB chapters.

Navigation, page headers and footers, asides, cookie notices, lists of links and what stands outside `<main>`
are left out and listed. A header inside an article is content; of a page header the top heading is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kb_pipeline.errors import LimitExceeded
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_declared
from kb_pipeline.parsing.html.blocks import Block, BlockReader, plain_text
from kb_pipeline.parsing.html.boilerplate import mark_boilerplate
from kb_pipeline.parsing.html.headings import with_headings, with_whole_labels
from kb_pipeline.parsing.parsed import ParsedDocument

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"<\?xml[^>]{0,100}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9_:-]+)")
_HEAD_BYTES = 8192  # where a page declares its encoding
# Not the whole head: libxml2 counts a page's first <nav> or <main> to it where no <body> is written.
_INVISIBLE = ("script", "style", "noscript", "template", "svg", "annotation", "title", "object")
_NAMED_METADATA = {
    "author": "author",
    "description": "description",
    "keywords": "keywords",
    "date": "date",
    "article:published_time": "date",
    "pubdate": "date",
}
_LONG_TAG = re.compile(r"<([A-Za-z][\w:.-]*)[^<>]{4000,}>")
_MOST_ATTRIBUTES = 1000
_MAIN_SHARE = 0.5  # of the text; a smaller <main> does not hold the content
_PAGE_LINE_CHARACTERS = 60
_LEAST_REPEATS = 3  # at page breaks; a line that repeats so often is the page's, not the text's
_BESIDE_BREAK = 2  # blocks before and after a page break that may be its running lines
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")


def read_html(data: bytes) -> ParsedDocument:
    text, encoding = decode_html(data)
    parsed = html_document(text)
    return replace(parsed, metadata={**parsed.metadata, "encoding": encoding})


def decode_html(data: bytes) -> tuple[str, str]:
    """The text and its encoding: byte order mark, then what the page declares, then what the bytes look like."""
    head = data[:_HEAD_BYTES]
    declared = _CHARSET.search(head) or _XML_ENCODING.match(head)
    return decode_declared(data, declared.group(1).decode() if declared else None)


def html_document(text: str, *, is_mail: bool = False) -> ParsedDocument:
    """The document that an HTML text holds.

    `is_mail`: the body of an e-mail: quoted messages and signatures are left out, bold lines are no headings.
    Raises LimitExceeded where tags are nested deeper than libxml2 reads.
    """
    root = _tree(text)
    if root is None:
        return ParsedDocument((), source_characters=0)
    metadata = _metadata(root)
    _remove_invisible(root)
    source_characters = _visible_characters(root)
    mark_boilerplate(root, is_mail=is_mail)
    reader = BlockReader()
    main = None if is_mail else _main(root)
    if main is None:
        reader.read(root)
    else:
        reader.dropped += _outside(root, main)
        reader.blocks += _title_outside(root, main)
        reader.read(main)
    blocks, running = _without_running_lines(reader.blocks)
    return ParsedDocument(
        tuple(_elements(blocks if is_mail else with_whole_labels(with_headings(blocks)))),
        (*reader.dropped, *running),
        metadata=metadata,
        source_characters=source_characters,
    )


def html_characters(text: str) -> int:
    """How many visible characters an HTML text holds, as its document counts them. Raises LimitExceeded, too."""
    root = _tree(text)
    if root is None:
        return 0
    _remove_invisible(root)
    return _visible_characters(root)


def _tree(text: str) -> Node | None:
    from lxml import etree
    from lxml import html as lxml_html

    # As bytes: lxml refuses a str with an encoding declaration, and takes U+0000 for the end.
    source = _LONG_TAG.sub(_shortened, text.replace("\0", "")).encode("utf-8", "replace")
    if not source.strip():
        return None
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        root = lxml_html.document_fromstring(source, parser=parser)
    except etree.ParserError:
        return None  # nothing but comments
    if any("depth" in entry.message.lower() for entry in parser.error_log.filter_from_fatals()):
        raise LimitExceeded("The file is nested too deeply; save it in a simpler form.")
    return root


def _shortened(tag: re.Match[str]) -> str:
    """A tag without its attributes, where they are thousands: the time that libxml2 takes grows with their square."""
    return tag.group() if len(tag.group().split()) <= _MOST_ATTRIBUTES else f"<{tag.group(1)}>"


def _remove_invisible(root: Node) -> None:
    from lxml import etree

    etree.strip_elements(root, *_INVISIBLE, etree.Comment, etree.ProcessingInstruction, etree.Entity, with_tail=False)


def _visible_characters(root: Node) -> int:
    return sum(len("".join(piece.split())) for piece in root.itertext())


def _metadata(root: Node) -> dict[str, str]:
    """Title, author, description, … as the page's head gives them."""
    found: dict[str, str] = {}
    title = root.find(".//title")
    if title is not None and plain_text(title):
        found["title"] = plain_text(title)
    for meta in root.iter("meta"):
        name = _NAMED_METADATA.get((meta.get("name") or meta.get("property") or "").lower())
        content = " ".join((meta.get("content") or "").split())
        if name and content:
            found.setdefault(name, content)
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    if language:
        found["language"] = language
    return found


def _main(root: Node) -> Node | None:
    """The one `<main>` of the page, if it holds most of the text."""
    mains = root.findall(".//main") or root.findall(".//*[@role='main']")
    if len(mains) != 1:
        return None
    inside, total = (sum(map(len, node.itertext())) for node in (mains[0], root))
    return mains[0] if inside >= _MAIN_SHARE * total else None


def _outside(root: Node, main: Node) -> Iterator[DroppedText]:
    """The text before and after the main part, in order."""
    before: list[str] = []
    after: list[str] = [main.tail or ""]
    node = main
    while node is not root:
        parent = node.getparent()
        siblings = [plain_text(sibling) + " " + (sibling.tail or "") for sibling in node.itersiblings(preceding=True)]
        before[:0] = [parent.text or "", *reversed(siblings)]
        after += [plain_text(sibling) + " " + (sibling.tail or "") for sibling in node.itersiblings()]
        if parent is not root:
            after.append(parent.tail or "")
        node = parent
    for texts in (before, after):
        text = " ".join(" ".join(texts).split())
        if text:
            yield DroppedText("outside the main content", text)


def _title_outside(root: Node, main: Node) -> Iterator[Block]:
    """The page's only h1, where it stands above the main part."""
    headings = root.findall(".//h1")
    if len(headings) == 1 and main.find(".//h1") is None and plain_text(headings[0]):
        yield Block("Title", plain_text(headings[0]), level=1)


def _without_running_lines(blocks: Sequence[Block]) -> tuple[list[Block], list[DroppedText]]:
    """Page numbers and repeated lines beside the page breaks of a page made for print."""
    breaks = [index for index, block in enumerate(blocks) if block.is_page_break]
    beside = {
        index
        for place in breaks
        for index in range(place - _BESIDE_BREAK, place + _BESIDE_BREAK + 1)
        if 0 <= index < len(blocks) and _may_run(blocks[index])
    }
    counts = Counter(_shape(blocks[index].text) for index in beside)
    kept: list[Block] = []
    dropped: list[DroppedText] = []
    crossed = False  # a page break since the block that was kept last
    for index, block in enumerate(blocks):
        if block.is_page_break:
            crossed = True
        elif index in beside and counts[_shape(block.text)] >= _LEAST_REPEATS:
            is_number = not any(character.isalpha() for character in _shape(block.text))
            dropped.append(DroppedText("page number" if is_number else "running header or footer", block.text))
        elif crossed and kept and _continues(kept[-1], block):
            kept[-1] = replace(kept[-1], text=f"{kept[-1].text} {block.text}")
            crossed = False
        else:
            kept.append(block)
            crossed = False
    return kept, dropped


def _continues(block: Block, following: Block) -> bool:
    """Whether a paragraph goes on after a page break: it has no end, and the next one no capital."""
    same = block.category == following.category == "NarrativeText"
    return same and block.text[-1] not in ".!?:;。！？：；" and following.text[0].islower()


def _may_run(block: Block) -> bool:
    return (
        bool(block.text) and block.category in ("NarrativeText", "Title") and len(block.text) <= _PAGE_LINE_CHARACTERS
    )


def _shape(text: str) -> str:
    """A line without what changes from page to page."""
    return _DIGITS.sub("#", " ".join(text.split()))


def _elements(blocks: Sequence[Block]) -> Iterator[Element]:
    for block in blocks:
        metadata = {"depth": block.depth} if block.depth > 1 else {}
        yield Element(block.category, block.text, heading_level=block.level, html=block.html, metadata=metadata)
