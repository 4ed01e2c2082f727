"""The ZIP package of an Office Open XML or OpenDocument file: its parts as XML trees, and what they relate to.

Terms (ECMA-376 part 2)
  part           a file in the package, by its name without the leading slash: `word/document.xml`.
  relationship   a part names others by an id; each has a type, of which only the last word matters here.

Files in the strict form of the standard are read as the usual, transitional one: their namespaces are swapped.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lxml import etree

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_RELATIONSHIPS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_OFFICE = b"http://schemas.openxmlformats.org/"
_STRICT = b"http://purl.oclc.org/ooxml/"
_STRICT_NAMESPACES = tuple(
    (_STRICT + strict, _OFFICE + usual)
    for strict, usual in (
        (b"officeDocument/relationships", b"officeDocument/2006/relationships"),
        (b"officeDocument/math", b"officeDocument/2006/math"),
        (b"wordprocessingml/main", b"wordprocessingml/2006/main"),
        (b"spreadsheetml/main", b"spreadsheetml/2006/main"),
        (b"presentationml/main", b"presentationml/2006/main"),
        (b"drawingml/main", b"drawingml/2006/main"),
        (b"drawingml/chart", b"drawingml/2006/chart"),
        (b"drawingml/diagram", b"drawingml/2006/diagram"),
        (b"drawingml/wordprocessingDrawing", b"drawingml/2006/wordprocessingDrawing"),
        (b"drawingml/spreadsheetDrawing", b"drawingml/2006/spreadsheetDrawing"),
    )
)


class MissingPart(LookupError):
    """The package lacks a part that it needs."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """`kind`: the last word of its type, such as `slide`. `target`: the name of a part."""

    id: str
    kind: str
    target: str


class Package:
    """The parts of a file. Parts that cannot be parsed as they are are read as far as possible, and counted."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        # Some producers write the names with back slashes, or another case than the one they are named by.
        self._names = {name.replace("\\", "/").lower(): name for name in self._archive.namelist()}
        self.mended_parts: set[str] = set()

    def has(self, name: str) -> bool:
        return name.lower() in self._names

    def read(self, name: str) -> bytes:
        """The bytes of a part. Raises MissingPart."""
        stored = self._names.get(name.lower())
        if stored is None:
            raise MissingPart(name)
        return self._archive.read(stored)

    def xml_bytes(self, name: str) -> bytes:
        """The bytes of an XML part in the usual namespaces."""
        data = self.read(name)
        if _STRICT in data:
            for strict, usual in _STRICT_NAMESPACES:
                data = data.replace(strict, usual)
        return data

    def xml(self, name: str) -> Node:
        """The root of a part. Raises MissingPart, and XMLSyntaxError where nothing in it is readable."""
        data = self.xml_bytes(name)
        try:
            return etree.fromstring(data, _parser(recover=False))
        except etree.XMLSyntaxError:
            root = etree.fromstring(data, _parser(recover=True)) if data.strip() else None
            if root is None:
                raise
        self.mended_parts.add(name)
        return root

    def optional_xml(self, name: str | None) -> Node | None:
        """The root of a part, or None where there is no such part."""
        return self.xml(name) if name is not None and self.has(name) else None

    def relationships(self, part: str) -> dict[str, Relationship]:
        """Id -> relationship of `part`, those to parts of this package only. The package's own part is ''."""
        folder, name = posixpath.split(part)
        root = self.optional_xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        return {} if root is None else {found.id: found for found in _internal(root, folder)}

    @cached_property
    def main_part(self) -> str:
        """The part that holds the document. Raises MissingPart."""
        for relationship in self.relationships("").values():
            if relationship.kind == "officeDocument" and self.has(relationship.target):
                return relationship.target
        for usual in ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml"):
            if self.has(usual):
                return usual
        raise MissingPart("the main part")

    @cached_property
    def title(self) -> str:
        """The document's title among its properties; empty where it has none."""
        for relationship in self.relationships("").values():
            if relationship.kind == "core-properties":
                root = self.optional_xml(relationship.target)
                if root is not None:
                    return " ".join((root.findtext("{http://purl.org/dc/elements/1.1/}title") or "").split())
        return ""


def mended_warnings(package: Package) -> Iterator[str]:
    """The sentence for the ledger where parts were damaged."""
    if package.mended_parts:
        yield f"{len(package.mended_parts)} damaged parts of the file were read as far as possible; open it and check."


def _internal(root: Node, folder: str) -> Iterator[Relationship]:
    for node in root.iter(_RELATIONSHIPS):
        target = unquote(node.get("Target", ""))
        if node.get("TargetMode") == "External" or not target:
            continue
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        yield Relationship(node.get("Id", ""), node.get("Type", "").rpartition("/")[2], path)


def _parser(*, recover: bool) -> etree.XMLParser:
    """A parser that fetches nothing and expands no entities, so that a small file stays small."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        recover=recover,
        remove_comments=True,
        remove_pis=True,
    )
