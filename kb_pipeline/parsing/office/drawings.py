"""The text in DrawingML objects that Word files and presentations share: diagrams (SmartArt) and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.office.number_format import format_number
from kb_pipeline.parsing.tables import table_element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MOST_POINTS = 5000  # of one series; more is a drawing, not a table


def diagram_texts(root: Node) -> Iterator[str]:
    """The texts of a diagram's shapes, from its data part."""
    for point in root.iter(f"{_DIAGRAM}pt"):
        if point.get("type", "node") in ("node", "asst"):
            lines = ("".join(text.text or "" for text in line.iter(f"{A}t")) for line in point.iter(f"{A}p"))
            text = " ".join(" ".join(lines).split())
            if text:
                yield text


def chart_element(root: Node, *, page_number: int | None) -> Element | None:
    """A chart as the table of its values: a column per series, a row per category; None where it stores none."""
    title = " ".join("".join(text.text or "" for text in root.iterfind(f"{C}chart/{C}title//{A}t")).split())
    series = list(root.iter(f"{C}ser"))
    names = [" ".join(_points(one.find(f"{C}tx")).values()) for one in series]
    values = [_points(_first(one, "val", "yVal")) for one in series]
    categories = next((found for one in series if (found := _points(_first(one, "cat", "xVal")))), {})
    places = sorted({place for points in (categories, *values) for place in points})
    if not any(values) or len(places) > _MOST_POINTS:
        return Element("FigureCaption", title, page_number=page_number) if title else None
    rows = [[title, *names]] if title or any(names) else []
    rows += [[categories.get(place, ""), *(points.get(place, "") for points in values)] for place in places]
    return table_element(rows, header=bool(names), page_number=page_number)


def _first(series: Node, *names: str) -> Node | None:
    return next((found for name in names if (found := series.find(f"{C}{name}")) is not None), None)


def _points(source: Node | None) -> dict[int, str]:
    """Index -> text of the stored points, numbers in the format of the series."""
    if source is None:
        return {}
    code = source.findtext(f".//{C}formatCode") or "General"
    found = {}
    for point in source.iter(f"{C}pt"):
        text = point.findtext(f"{C}v") or ""
        index = point.get("idx", "")
        parent = point.getparent()
        if parent is not None and parent.tag == f"{C}numCache":
            text = _number(text, point.get("formatCode") or code)
        if index.isdecimal() and parent is not None and parent.tag != f"{C}lvl":
            found[int(index)] = text
        elif index.isdecimal():
            found[int(index)] = f"{text} {found[int(index)]}" if int(index) in found else text
    return found


def _number(text: str, code: str) -> str:
    try:
        return format_number(float(text), code)
    except ValueError:
        return text
