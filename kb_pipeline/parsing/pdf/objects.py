"""What is drawn on a page of a PDF, read with pdfium: the straight pieces of its paths, and texts printed twice.

Coordinates are points in page space: from the bottom left, before the page is turned.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2.raw as pdfium_c

_DEEPEST_FORM = 4  # forms inside forms
_FEWEST_PATHS = 4  # fewer cannot rule a table
_MOST_OBJECTS = 20_000  # a page with more paths or texts is a drawing
_MOST_SEGMENTS = 400  # of one path; a path with more is a curve
RULE_THICKNESS = 2.5  # points
_FONT_NAME_BYTES = 128
_TERMINATOR_BYTES = 2
_BOLD_SHIFT = 0.1  # times its height: a text printed again that near looks bold

Edge = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Objects:
    """The paths of a page, each with the matrix of the form it stands in, and its texts."""

    paths: Sequence[tuple[pdfium_c.FPDF_PAGEOBJECT, _Matrix]]
    texts: Sequence[pdfium_c.FPDF_PAGEOBJECT]


def objects_of(page: pdfium_c.FPDF_PAGE) -> Objects:
    paths, texts = [], []
    path, text = pdfium_c.FPDF_PAGEOBJ_PATH, pdfium_c.FPDF_PAGEOBJ_TEXT
    for kind, item, outer in _walk(_top_objects(page)):
        if kind == text:
            texts.append(item)
        elif kind == path:
            paths.append((item, outer))
    return Objects(paths, texts[:_MOST_OBJECTS])


def drawn_edges(objects: Objects) -> Iterator[Edge]:
    """x0, y0, x1, y1 of each straight piece; none on a page that has too few to rule a table or so many that it is a
    drawing."""
    if _FEWEST_PATHS <= len(objects.paths) <= _MOST_OBJECTS:
        bounds = _Bounds()
        for path, outer in objects.paths:
            for x0, y0, x1, y1 in _path_edges(path, bounds):
                yield (*outer.point(x0, y0), *outer.point(x1, y1))


def printed_twice(objects: Objects) -> frozenset[int]:
    """The addresses of the texts that are printed again a little beside themselves, as programs do without a bold
    face. pdfium leaves the second print out of the text that it gives."""
    bounds = _Bounds()
    found: set[int] = set()
    # Texts of one size on one line, by where they begin.
    lines: dict[tuple[int, int, int], dict[float, tuple[pdfium_c.FPDF_PAGEOBJECT, _Box]]] = {}
    for text in objects.texts:
        box = bounds.of(text)
        if box is None or box[3] <= box[1]:
            continue
        x0, y0, x1, y1 = box
        near = _BOLD_SHIFT * (y1 - y0)
        column = x0 // near
        line = lines.setdefault((round(10 * (x1 - x0)), round(10 * (y1 - y0)), round(y0)), {})
        for place in (column, column - 1, column + 1):
            if place in line and _is_beside(line[place][1], box, near):
                found.add(address_of(line[place][0]))
                break
        else:
            line[column] = text, box
    return frozenset(found)


def left_out_fonts(page: pdfium_c.FPDF_PAGE, text: pdfium_c.FPDF_TEXTPAGE) -> Iterator[str]:
    """Of each text that the text of the page lacks, and that is none printed again: the name of its font, which the
    file does not hold."""
    buffer = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    places: set[tuple[int, int]] = set()
    for kind, item, outer in _walk(_top_objects(page)):
        if kind != pdfium_c.FPDF_PAGEOBJ_TEXT:
            continue
        own = _matrix(item)
        x, y = (round(value) for value in outer.point(own.e, own.f))
        if pdfium_c.FPDFTextObj_GetText(item, text, None, 0) > _TERMINATOR_BYTES:
            places.update((x + step, y) for step in (-1, 0, 1))
        elif (x, y) not in places:
            font = pdfium_c.FPDFTextObj_GetFont(item)
            length = pdfium_c.FPDFFont_GetBaseFontName(font, buffer, len(buffer))
            if 0 < length <= len(buffer) and pdfium_c.FPDFFont_GetIsEmbedded(font) == 0:
                yield buffer.value.decode("utf-8", "replace")


def address_of(item: pdfium_c.FPDF_PAGEOBJECT) -> int:
    """What tells two objects of a page apart; 0 for none."""
    return ctypes.cast(item, ctypes.c_void_p).value or 0


_Box = tuple[float, float, float, float]


class _Bounds:
    """Reads the boxes of objects: left, bottom, right, top."""

    def __init__(self) -> None:
        self._edges = tuple(ctypes.c_float() for _ in range(4))
        self._pointers = tuple(map(ctypes.byref, self._edges))

    def of(self, item: pdfium_c.FPDF_PAGEOBJECT) -> _Box | None:
        if not pdfium_c.FPDFPageObj_GetBounds(item, *self._pointers):
            return None
        x0, y0, x1, y1 = self._edges
        return x0.value, y0.value, x1.value, y1.value


def _is_beside(first: _Box, second: _Box, near: float) -> bool:
    """Whether the second box, of the size of the first, stands a little beside it."""
    return 0 < max(abs(first[0] - second[0]), abs(first[1] - second[1])) < near


@dataclass(frozen=True, slots=True)
class _Matrix:
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def inside(self, outer: _Matrix) -> _Matrix:
        """The matrix of what this one and then `outer` do."""
        a, b = outer.point(self.a, self.b)
        c, d = outer.point(self.c, self.d)
        return _Matrix(a - outer.e, b - outer.f, c - outer.e, d - outer.f, *outer.point(self.e, self.f))


_IDENTITY = _Matrix(1, 0, 0, 1, 0, 0)


def _matrix(item: pdfium_c.FPDF_PAGEOBJECT) -> _Matrix:
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix))
    return _Matrix(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _walk(
    items: Sequence[pdfium_c.FPDF_PAGEOBJECT], outer: _Matrix = _IDENTITY, depth: int = 0
) -> Iterator[tuple[int, pdfium_c.FPDF_PAGEOBJECT, _Matrix]]:
    """The kind of each object of a page and of the forms drawn on it, with the matrix of the form it stands in."""
    kind_of = pdfium_c.FPDFPageObj_GetType
    for item in items:
        kind = kind_of(item)
        if kind != pdfium_c.FPDF_PAGEOBJ_FORM:
            yield kind, item, outer
        elif depth < _DEEPEST_FORM:
            yield from _walk(_form_objects(item), _matrix(item).inside(outer), depth + 1)


def _form_objects(form: pdfium_c.FPDF_PAGEOBJECT) -> list[pdfium_c.FPDF_PAGEOBJECT]:
    get = pdfium_c.FPDFFormObj_GetObject
    return [get(form, index) for index in range(pdfium_c.FPDFFormObj_CountObjects(form))]


def _top_objects(page: pdfium_c.FPDF_PAGE) -> list[pdfium_c.FPDF_PAGEOBJECT]:
    get = pdfium_c.FPDFPage_GetObject
    return [get(page, index) for index in range(pdfium_c.FPDFPage_CountObjects(page))]


def _path_edges(path: pdfium_c.FPDF_PAGEOBJECT, bounds: _Bounds) -> Iterator[Edge]:
    """The straight pieces of a path in page space.

    A thin filled rectangle counts as one drawn piece; where a coloured area ends, nothing is drawn.
    """
    count = pdfium_c.FPDFPath_CountSegments(path)
    if not 2 <= count <= _MOST_SEGMENTS:
        return
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroke))
    if not fill.value and not stroke.value:
        return  # a clipping path shows nothing
    box = bounds.of(path)
    if box is not None and min(box[2] - box[0], box[3] - box[1]) <= RULE_THICKNESS:
        yield box
        return
    if not stroke.value:
        return
    matrix = _matrix(path)
    px, py = ctypes.c_float(), ctypes.c_float()
    start = current = None
    for index in range(count):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, index)
        pdfium_c.FPDFPathSegment_GetPoint(segment, ctypes.byref(px), ctypes.byref(py))
        point = matrix.point(px.value, py.value)
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        if kind == pdfium_c.FPDF_SEGMENT_LINETO and current is not None:
            yield (*current, *point)
        elif kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            start = point
        current = point
        if pdfium_c.FPDFPathSegment_GetClose(segment) and start is not None:
            yield (*current, *start)
