"""Where shapes stand on a slide, those in groups included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.parsing.office.drawings import A
from kb_pipeline.parsing.office.reading_order import Frame

if TYPE_CHECKING:
    from lxml.etree import _Element as Node


P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


@dataclass(frozen=True, slots=True)
class Transform:
    """How the coordinates inside a group become those of the slide: `at + (x - origin) * scale`."""

    at: tuple[float, float]
    origin: tuple[float, float]
    scale: tuple[float, float]

    def applied(self, frame: Frame) -> Frame:
        left, top, right, bottom = (
            self.at[i % 2] + (value - self.origin[i % 2]) * self.scale[i % 2] for i, value in enumerate(frame)
        )
        return left, top, right, bottom


def group_transform(node: Node, outer: Transform | None) -> Transform | None:
    transform = node.find(f"{P}grpSpPr/{A}xfrm")
    outside, inside = box_of(transform, "off", "ext"), box_of(transform, "chOff", "chExt")
    if outside is None or inside is None:
        return outer
    frame = (outside[0], outside[1], outside[0] + outside[2], outside[1] + outside[3])
    if outer is not None:
        frame = outer.applied(frame)
    scale = tuple((frame[i + 2] - frame[i]) / inside[i + 2] if inside[i + 2] else 1.0 for i in (0, 1))
    return Transform((frame[0], frame[1]), (inside[0], inside[1]), (scale[0], scale[1]))


def frame_of(node: Node) -> Frame | None:
    for path in (f"{P}spPr/{A}xfrm", f"{P}xfrm"):
        box = box_of(node.find(path), "off", "ext")
        if box is not None:
            return box[0], box[1], box[0] + box[2], box[1] + box[3]
    return None


def box_of(transform: Node | None, place: str, size: str) -> tuple[float, float, float, float] | None:
    """x, y, width and height that a transform states."""
    if transform is None:
        return None
    at, extent = transform.find(f"{A}{place}"), transform.find(f"{A}{size}")
    if at is None or extent is None:
        return None
    try:
        x, y, width, height = (
            float(value) for value in (at.get("x"), at.get("y"), extent.get("cx"), extent.get("cy")) if value
        )
    except ValueError:
        return None
    return x, y, width, height
