"""What a tagged PDF says about the text of a page: headings, tables, notes, and what is no text at all.

Marked content carries a number (MCID); the structure tree says which element a number belongs to. An
*artifact* is marked content that the document itself calls decoration: running headers, watermarks.
(ISO 32000-1, 14.7 and 14.8.)
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

ARTIFACT = "Artifact"
_NAME_BYTES = 128
_DEEPEST = 60  # elements inside elements; a tree that goes deeper is broken
# Roles that say something about the text inside, innermost first; P, Span, Div and the like do not.
_TELLING = frozenset({"H", "H1", "H2", "H3", "H4", "H5", "H6", "Title", "TOC", "TOCI", "Note", "FENote", "Caption"})


@dataclass(frozen=True, slots=True)
class PageTags:
    """`roles`: MCID -> the structure type that says most about it; P where none does."""

    roles: Mapping[int, str]

    @classmethod
    def read(cls, page: pdfium.PdfPage) -> PageTags:
        tree = pdfium_c.FPDF_StructTree_GetForPage(page.raw)
        if not tree:
            return cls({})
        try:
            roles: dict[int, str] = {}
            for index in range(pdfium_c.FPDF_StructTree_CountChildren(tree)):
                child = pdfium_c.FPDF_StructTree_GetChildAtIndex(tree, index)
                if child:
                    roles.update(_roles(child, "P", 0))
            return cls(roles)
        finally:
            pdfium_c.FPDF_StructTree_Close(tree)

    def role(self, item: pdfium_c.FPDF_PAGEOBJECT) -> str | None:
        """The role of a text object; None where the page does not say."""
        number = pdfium_c.FPDFPageObj_GetMarkedContentID(item)
        if number >= 0:
            return self.roles.get(number)
        return ARTIFACT if _is_artifact(item) else None


def _roles(element: pdfium_c.FPDF_STRUCTELEMENT, outer: str, depth: int) -> Iterator[tuple[int, str]]:
    if depth > _DEEPEST:
        return
    buffer = ctypes.create_string_buffer(_NAME_BYTES)
    name = _name(buffer, pdfium_c.FPDF_StructElement_GetType(element, buffer, _NAME_BYTES))
    role = name if name in _TELLING else outer
    for index in range(pdfium_c.FPDF_StructElement_CountChildren(element)):
        child = pdfium_c.FPDF_StructElement_GetChildAtIndex(element, index)
        if child:
            yield from _roles(child, role, depth + 1)
        else:
            number = pdfium_c.FPDF_StructElement_GetChildMarkedContentID(element, index)
            if number >= 0:
                yield number, role


def _is_artifact(item: pdfium_c.FPDF_PAGEOBJECT) -> bool:
    for index in range(pdfium_c.FPDFPageObj_CountMarks(item)):
        mark = pdfium_c.FPDFPageObj_GetMark(item, index)
        length = ctypes.c_ulong()
        buffer = ctypes.create_string_buffer(_NAME_BYTES)
        if (
            pdfium_c.FPDFPageObjMark_GetName(
                mark, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), _NAME_BYTES, ctypes.byref(length)
            )
            and _name(buffer, length.value) == ARTIFACT
        ):
            return True
    return False


def _name(buffer: ctypes.Array[ctypes.c_char], length: int) -> str:
    """The text that pdfium wrote: UTF-16 with a NUL at its end. `length` in bytes; empty where it did not fit."""
    return buffer.raw[: length - 2].decode("utf-16-le", "replace") if 2 <= length <= len(buffer) else ""
