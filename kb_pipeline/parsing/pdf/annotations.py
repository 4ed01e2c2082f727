"""What stands on a page of a PDF beside its text: what is filled into forms, boxes to tick, comments."""

from __future__ import annotations

import ctypes

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.parsing.pdf.characters import DESCENT
from kb_pipeline.parsing.pdf.page import Span
from kb_pipeline.parsing.pdf.view import View

_COMMENTS = frozenset({pdfium_c.FPDF_ANNOT_TEXT, pdfium_c.FPDF_ANNOT_HIGHLIGHT, pdfium_c.FPDF_ANNOT_POPUP})
_TEXT_ANNOTATIONS = frozenset({pdfium_c.FPDF_ANNOT_WIDGET, pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_STAMP})

Box = tuple[tuple[float, float, float, float], bool]  # left, bottom, right, top; whether it is ticked


def with_annotations(document: pdfium.PdfDocument, index: int) -> tuple[pdfium.PdfPage, list[Box], list[str]]:
    """The page with what is filled into its forms, typed or stamped on it as a part of its text; its boxes to tick; the
    comments on it."""
    page = document[index]
    boxes: list[Box] = []
    comments: list[str] = []
    holds_text = False
    for number in range(pdfium_c.FPDFPage_GetAnnotCount(page.raw)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, number)
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        holds_text = holds_text or kind in _TEXT_ANNOTATIONS
        state, rect = _string(annotation, b"AS"), pdfium_c.FS_RECTF()
        if kind == pdfium_c.FPDF_ANNOT_WIDGET and state and pdfium_c.FPDFAnnot_GetRect(annotation, ctypes.byref(rect)):
            boxes.append(((rect.left, rect.bottom, rect.right, rect.top), state != "Off"))
        if kind in _COMMENTS and (text := _string(annotation, b"Contents")):
            comments.append(text)
        pdfium_c.FPDFPage_CloseAnnot(annotation)
    if holds_text:
        pdfium_c.FPDFPage_Flatten(page.raw, pdfium_c.FLAT_NORMALDISPLAY)
        page.close()
        page = document[index]
    return page, boxes, comments


def _string(annotation: pdfium_c.FPDF_ANNOTATION, key: bytes) -> str:
    length = pdfium_c.FPDFAnnot_GetStringValue(annotation, key, None, 0)  # bytes, with the two that end it
    buffer = (pdfium_c.FPDF_WCHAR * (length // 2 + 1))()
    pdfium_c.FPDFAnnot_GetStringValue(annotation, key, buffer, length)
    return bytes(buffer)[: max(0, length - 2)].decode("utf-16-le", "replace")


def tick_box(view: View, box: tuple[float, float, float, float], ticked: bool) -> Span:
    """A box to tick as text: the sign for it."""
    left, top, right, bottom = view.box(*box)
    size = bottom - top
    baseline = bottom - DESCENT * size
    return Span(
        "☑" if ticked else "☐",
        left,
        top,
        right,
        bottom,
        size,
        bold=False,
        centres=((left + right) / 2,),
        baseline=baseline,
    )
