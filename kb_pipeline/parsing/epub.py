"""EPUB -> elements: the chapters in the order of the book, each read as a page of HTML.

A book is a zip archive of XHTML files; its package file (OPF) names them, gives their order (the spine) and
the metadata. The table of contents (EPUB 3 navigation, EPUB 2 NCX) gives a heading to a chapter without one.
https://www.w3.org/TR/epub-33/
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kb_pipeline.errors import EncryptedDocument, MalformedDocument
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.html.reader import decode_html, html_document
from kb_pipeline.parsing.parsed import ParsedDocument

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_PAGES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml"})
_METADATA = {"title": "title", "creator": "author", "language": "language", "date": "date", "publisher": "publisher"}
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass(frozen=True, slots=True)
class _Package:
    """What the package file says. `chapters`: paths in the archive, in reading order; `contents`: that of the NCX."""

    chapters: tuple[str, ...]
    navigation: str | None
    contents: str | None
    metadata: Mapping[str, str]


def read_epub(data: bytes) -> ParsedDocument:
    """Raises EncryptedDocument (copy protection) or MalformedDocument (no package, no chapters)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        if _is_encrypted(archive, names):
            raise EncryptedDocument("The book is copy-protected; add a copy without protection.")
        package = _package(archive, names)
        labels = _labels(archive, package)
        parts = [_chapter(archive, path, labels.get(path)) for path in package.chapters]
    if not parts:
        raise MalformedDocument("The book names no chapters that it holds; open it and save it again.")
    counts = [part.source_characters or 0 for part in parts]
    return ParsedDocument(
        tuple(element for part in parts for element in part.elements),
        tuple(item for part in parts for item in part.dropped),
        metadata=package.metadata,
        source_characters=sum(counts),
    )


def _chapter(archive: zipfile.ZipFile, path: str, label: str | None) -> ParsedDocument:
    chapter = html_document(decode_html(archive.read(path))[0])
    if label and chapter.elements and not any(element.category == "Title" for element in chapter.elements):
        first = chapter.elements[0]
        if first.text == label:
            return replace(chapter, elements=(replace(first, category="Title", heading_level=1), *chapter.elements[1:]))
        return replace(chapter, elements=(Element("Title", label, heading_level=1), *chapter.elements))
    return chapter


def _is_encrypted(archive: zipfile.ZipFile, names: set[str]) -> bool:
    """Obfuscated fonts are no protection; anything else that is encrypted is."""
    if "META-INF/rights.xml" in names:
        return True
    if "META-INF/encryption.xml" not in names:
        return False
    root = _xml(archive.read("META-INF/encryption.xml"))
    methods = [node.get("Algorithm") or "" for node in root.iter("{*}EncryptionMethod")]
    return any(method not in _FONT_OBFUSCATION for method in methods)


def _package(archive: zipfile.ZipFile, names: set[str]) -> _Package:
    path = _package_path(archive, names)
    root = _xml(archive.read(path))
    folder = posixpath.dirname(path)
    items: dict[str, Node] = {item.get("id") or "": item for item in root.iter("{*}item")}
    paths = {key: _member(folder, item.get("href") or "") for key, item in items.items()}
    navigation = [key for key, item in items.items() if "nav" in (item.get("properties") or "").split()]
    chapters = [
        paths[key]
        for key in (reference.get("idref") or "" for reference in root.iter("{*}itemref"))
        if key in items and key not in navigation and items[key].get("media-type") in _PAGES and paths[key] in names
    ]
    metadata: dict[str, str] = {}
    for node in root.iter("{http://purl.org/dc/elements/1.1/}*"):
        name = _METADATA.get(node.tag.rpartition("}")[2])
        text = " ".join((node.text or "").split())
        if name and text:
            metadata.setdefault(name, text)
    ncx = next((paths[key] for key, item in items.items() if "ncx" in (item.get("media-type") or "")), None)
    return _Package(
        tuple(dict.fromkeys(chapters)),
        next((paths[key] for key in navigation if paths[key] in names), None),
        ncx if ncx in names else None,
        metadata,
    )


def _package_path(archive: zipfile.ZipFile, names: set[str]) -> str:
    if "META-INF/container.xml" in names:
        for node in _xml(archive.read("META-INF/container.xml")).iter("{*}rootfile"):
            if node.get("full-path") in names:
                return str(node.get("full-path"))
    found = sorted(name for name in names if name.endswith(".opf"))
    if not found:
        raise MalformedDocument("The book has no package file (.opf); open it and save it again.")
    return found[0]


def _labels(archive: zipfile.ZipFile, package: _Package) -> dict[str, str]:
    """The first entry of the table of contents for each chapter."""
    labels: dict[str, str] = {}
    for path, entries in ((package.navigation, _nav_entries), (package.contents, _ncx_entries)):
        if path is None:
            continue
        folder = posixpath.dirname(path)
        for target, label in entries(_xml(archive.read(path))):
            labels.setdefault(_member(folder, target), label)
    return labels


def _nav_entries(root: Node) -> Iterator[tuple[str, str]]:
    for link in root.iter("{*}a"):
        yield link.get("href") or "", " ".join("".join(link.itertext()).split())


def _ncx_entries(root: Node) -> Iterator[tuple[str, str]]:
    for point in root.iter("{*}navPoint"):
        label, content = point.find("{*}navLabel"), point.find("{*}content")
        if label is not None and content is not None:
            yield content.get("src") or "", " ".join("".join(label.itertext()).split())


def _member(folder: str, href: str) -> str:
    """The archive path of a link."""
    return posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))


def _xml(data: bytes) -> Node:
    """A well-formed part of the book, without fetching or expanding anything."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    root = etree.fromstring(data, parser)
    if root is None:
        raise MalformedDocument("A part of the book is damaged; open it and save it again.")
    return root
