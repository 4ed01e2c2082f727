"""HTML -> elements through unstructured; EPUB and RTF through pandoc's HTML.

Navigation, page headers and footers, asides and what stands outside `<main>` are left out and listed.
A header inside an article is content; of a page header the top heading is kept.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.offline import prepare_unstructured
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import html_to_rows, node_rows, rows_to_html, table_element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node
    from unstructured.documents.elements import Element as UnstructuredElement

_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_BOILERPLATE_TAGS = {"nav": "HTML navigation", "footer": "HTML footer", "aside": "HTML aside"}
_BOILERPLATE_ROLES = {"navigation": "HTML navigation", "banner": "HTML header", "contentinfo": "HTML footer"}
_SECTIONING = ("article", "main", "section")
_BLOCKS = ("table", "h1", "h2", "h3", "h4")  # a table that holds these lays out a page
_INVISIBLE = ("script", "style", "noscript", "template", "svg", "head")
_MAIN_SHARE = 0.5  # of the text; a smaller <main> does not hold the content


def read_html(data: bytes) -> ParsedDocument:
    declared = _CHARSET.search(data[:4096])
    text, encoding = _decode(data, declared.group(1).decode() if declared else None)
    parsed = html_document(text)
    return ParsedDocument(parsed.elements, parsed.dropped, metadata={**parsed.metadata, "encoding": encoding})


def html_document(text: str) -> ParsedDocument:
    """The document that an HTML text holds. Also for e-mail bodies and pandoc's output."""
    from lxml import etree
    from lxml import html as lxml_html

    if not text.strip():
        return ParsedDocument(())
    # As bytes: lxml refuses a str with an encoding declaration, and takes U+0000 for the end.
    source = text.replace("\0", "").encode("utf-8", "replace")
    root = lxml_html.document_fromstring(source, parser=lxml_html.HTMLParser(encoding="utf-8", huge_tree=True))
    title = " ".join((root.findtext(".//title") or "").split())
    etree.strip_elements(root, *_INVISIBLE, etree.Comment, with_tail=False)
    dropped = [*_drop_outside_main(root), *_drop_boilerplate(root)]
    _fill_rowspans(root)
    return ParsedDocument(
        tuple(_partition(etree.tostring(root, encoding="unicode", method="html"))),
        tuple(dropped),
        metadata={"title": title} if title else {},
    )


def read_with_pandoc(data: bytes, *, source_format: str, seconds: float) -> ParsedDocument:
    """EPUB or RTF: pandoc makes HTML of it, reading nothing but its standard input."""
    import pypandoc

    command = [pypandoc.get_pandoc_path(), "--sandbox", "-f", source_format, "-t", "html", "--wrap=none"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise MalformedDocument(
            f"The file cannot be read as {source_format.upper()} (pandoc exit {done.returncode}); "
            "open it and save it again."
        )
    return html_document(done.stdout.decode("utf-8", "replace"))


def _decode(data: bytes, declared: str | None) -> tuple[str, str]:
    if declared and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        # Browsers read the older names of the Chinese encoding as the newest one.
        encoding = "gb18030" if declared.lower() in ("gb2312", "gbk", "gb_2312-80") else declared
        try:
            return data.decode(encoding), encoding.lower()
        except (UnicodeDecodeError, LookupError):
            pass
    return decode_text(data)


def _drop_outside_main(root: Node) -> list[DroppedText]:
    """unstructured silently reads `<main>` alone; say so, or undo the tag where it holds too little."""
    mains = root.findall(".//main")
    body = root.find(".//body")
    if not mains or body is None:
        return []
    if len(mains) > 1 or len(_text(mains[0])) < _MAIN_SHARE * len(_text(body)):
        for main in mains:
            main.tag = "div"
        return []
    before, _, after = _text(body).partition(_text(mains[0]))
    return [DroppedText("outside the main content", part) for part in (before.strip(), after.strip()) if part]


def _drop_boilerplate(root: Node) -> list[DroppedText]:
    dropped = []
    scope = root.find(".//main")
    for node in list((scope if scope is not None else root).iter()):
        reason = _boilerplate_reason(node)
        if reason is None or node.getparent() is None:
            continue
        if any(ancestor.get("data-dropped") for ancestor in node.iterancestors()):
            continue
        kept = node.find(".//h1") if reason == "HTML header" else None
        if kept is not None:
            kept.tail = None
            kept.getparent().remove(kept)
        text = _text(node)
        node.set("data-dropped", "1")
        for child in list(node):
            node.remove(child)
        node.text = None
        node.tag = "div"
        if kept is not None:
            node.append(kept)
        if text:
            dropped.append(DroppedText(reason, text))
    return dropped


def _fill_rowspans(root: Node) -> None:
    """unstructured ignores rowspan, and the cells of the rows below move: repeat the cell in each row instead."""
    from lxml import html as lxml_html

    for table in list(root.iter("table")):
        if table.find(".//*[@rowspan]") is None or any(table.find(f".//{tag}") is not None for tag in _BLOCKS):
            continue
        rows, header = node_rows(table)
        filled = lxml_html.fragment_fromstring(rows_to_html(rows, header=header))
        filled.tail = table.tail
        if table.getparent() is not None:
            table.getparent().replace(table, filled)


def _boilerplate_reason(node: Node) -> str | None:
    if not isinstance(node.tag, str):
        return None
    if any(ancestor.tag in _SECTIONING for ancestor in node.iterancestors()) and node.tag in ("header", "footer"):
        return None
    if node.tag == "header":
        return "HTML header"
    return _BOILERPLATE_TAGS.get(node.tag) or _BOILERPLATE_ROLES.get(node.get("role", ""))


def _text(node: Node) -> str:
    return " ".join(" ".join(node.itertext()).split())


def _partition(html: str) -> list[Element]:
    prepare_unstructured()
    from unstructured.partition.html import partition_html

    elements = partition_html(text=html, languages=[""])
    return [element for element in map(from_unstructured, elements) if element is not None]


def from_unstructured(source: UnstructuredElement) -> Element | None:
    """An element of unstructured as ours; None for an empty table. `category_depth` 0 is level 1."""
    metadata = source.metadata
    if source.category == "Table" and metadata.text_as_html:
        rows, header = html_to_rows(metadata.text_as_html)
        return table_element(rows, header=header, page_number=metadata.page_number)
    level = (metadata.category_depth or 0) + 1 if source.category == "Title" else None
    return Element(source.category, source.text, page_number=metadata.page_number, heading_level=level)
