"""Quads and crops: which way text runs in an image, and the pieces of the image that hold it."""

from __future__ import annotations

import math

import numpy as np

from kb_pipeline.parsing.ocr.engine import Image, Quads

_UPRIGHT_ASPECT = 1.5  # height by width from which on a quad holds text that runs up or down
_LONG_ENOUGH = 4.0  # width by height of a quad that tells an angle
_TILT = 8.0  # degrees that a line of a straightened page may be off; one of a photo is off by less
_LETTER_HEIGHTS = 2.0  # times the usual line height; a narrow quad that is no higher holds a letter or two


def sizes(quads: Quads) -> tuple[np.ndarray, np.ndarray]:
    """Widths (along the top and bottom edge) and heights of quads, pixels."""
    edges = np.linalg.norm(quads - np.roll(quads, -1, axis=1), axis=2)
    return np.maximum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 1], edges[:, 3])


def line_height(quads: Quads) -> float:
    """The usual height of a line of text, pixels."""
    widths, heights = sizes(quads)
    return float(np.median(np.minimum(widths, heights))) if len(quads) else 0.0


def runs_vertically(quads: Quads) -> np.ndarray:
    """For each quad whether its text runs up or down the image."""
    widths, heights = sizes(quads)
    return (heights >= _UPRIGHT_ASPECT * widths) & (heights > _LETTER_HEIGHTS * line_height(quads))


def skew(quads: Quads) -> float:
    """The usual angle of horizontal lines of text, degrees, positive where they fall to the right.

    The median over the quads, each with the weight of its width; 0 where no quad is long enough.
    """
    widths, heights = sizes(quads)
    long = widths >= _LONG_ENOUGH * heights
    if not long.any():
        return 0.0
    along = (quads[long, 1] - quads[long, 0]) + (quads[long, 2] - quads[long, 3])
    angles = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
    order = np.argsort(angles)
    weights = np.cumsum(widths[long][order])
    return float(angles[order][np.searchsorted(weights, weights[-1] / 2)])


def tilted(quads: Quads) -> np.ndarray:
    """For each quad of a straightened page whether its text is neither level nor upright."""
    widths, heights = sizes(quads)
    along = quads[:, 1] - quads[:, 0]
    degrees = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
    off = np.abs(degrees - np.round(degrees / 90) * 90)
    long = np.maximum(widths, heights) >= _LONG_ENOUGH / 2 * np.minimum(widths, heights)
    return np.asarray((off > _TILT) & long)


def rotated(points: np.ndarray, degrees: float, width: int, height: int) -> np.ndarray:
    """Points (..., 2) of an image turned about its centre so that a skew of `degrees` is gone."""
    centre = np.array([width / 2, height / 2], np.float32)
    angle = math.radians(-degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
    return (points - centre) @ turn + centre


def straightened(image: np.ndarray, degrees: float) -> np.ndarray:
    """The image turned about its centre as `rotated` turns points; what comes in from outside is white."""
    import cv2

    if not degrees:
        return image
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderValue=(255, 255, 255)))


def crop(image: Image, quad: np.ndarray, *, turn: bool = False) -> Image:
    """The part of the image inside a quad; `turn`: its text runs up the image (from bottom to top)."""
    import cv2

    corners = np.roll(quad, 1, axis=0) if turn else quad  # the text begins at the bottom left
    width = max(1, round(max(_distance(corners[0], corners[1]), _distance(corners[3], corners[2]))))
    height = max(1, round(max(_distance(corners[0], corners[3]), _distance(corners[1], corners[2]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(corners, np.float32), target)
    cut = cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))
