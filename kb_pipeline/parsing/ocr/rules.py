"""Lines drawn in a picture of a page: the rules of its tables."""

from __future__ import annotations

import numpy as np

from kb_pipeline.parsing.pdf.page import Rule

_SHORTEST_ACROSS = 24.0  # points; shorter ones are strokes of letters
_SHORTEST_DOWN = 14.0
_THICKEST = 3.5  # points
_GAP = 2.0  # points that noise may take out of a line
_WANDER = 1.0  # points that a line may leave its row by, as in a photo
_FEWEST = 4  # fewer cannot rule a table
_MOST = 2000  # more draw a picture
_BLOCK = 31  # pixels around a pixel that tell whether it is dark
_DARKER = 10  # grey levels below its surroundings
_ALONG = 11  # pixels of a line that are averaged; it gets longer by as many
_INSIDE = 0.8  # of a rule inside letters: a stroke of theirs


def find_rules(grey: np.ndarray, letters: np.ndarray, *, points_per_pixel: float) -> tuple[Rule, ...]:
    """The horizontal and vertical lines of a straightened grey image, in points.

    `letters`: boxes (count, 4) of left, top, right, bottom in pixels where text is; what lies in one is a stroke.
    """

    def pixels(points: float) -> int:
        return max(1, round(points / points_per_pixel))

    found: list[Rule] = []
    for across in (True, False):
        dark = _dark(grey, across=across)
        length = pixels(_SHORTEST_ACROSS if across else _SHORTEST_DOWN)
        for x, y, width, height in _lines(dark, across=across, length=length, gap=pixels(_GAP), wander=pixels(_WANDER)):
            thickness = height if across else width
            if thickness > pixels(_THICKEST + _WANDER) or _is_stroke(x, y, width, height, letters, across=across):
                continue
            left, top = x * points_per_pixel, y * points_per_pixel
            right, bottom = (x + width) * points_per_pixel, (y + height) * points_per_pixel
            middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
            found.append(Rule(left, middle_y, right, middle_y) if across else Rule(middle_x, top, middle_x, bottom))
    return tuple(found) if _FEWEST <= len(found) <= _MOST else ()


def _dark(grey: np.ndarray, *, across: bool) -> np.ndarray:
    """What is darker than its surroundings once the grain is averaged along the lines that are looked for."""
    import cv2

    smooth = cv2.blur(grey, (_ALONG, 1) if across else (1, _ALONG))
    return np.asarray(
        cv2.adaptiveThreshold(smooth, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _BLOCK, _DARKER)
    )


def _lines(dark: np.ndarray, *, across: bool, length: int, gap: int, wander: int) -> list[tuple[int, int, int, int]]:
    """Left, top, width, height of the long thin shapes that run across or down."""
    import cv2

    def kernel(along: int, beside: int) -> np.ndarray:
        return np.ones((beside, along) if across else (along, beside), np.uint8)

    joined = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, kernel(gap + 1, 1))
    widened = cv2.dilate(joined, kernel(1, 2 * (wander // 2) + 1))
    opened = cv2.morphologyEx(widened, cv2.MORPH_OPEN, kernel(length + _ALONG, 1))
    _, _, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    cut_x, cut_y = (_ALONG // 2, 0) if across else (0, _ALONG // 2)
    return [
        (int(x) + cut_x, int(y) + cut_y, int(width) - 2 * cut_x, int(height) - 2 * cut_y)
        for x, y, width, height, _ in stats[1:]
    ]


def _is_stroke(x: int, y: int, width: int, height: int, letters: np.ndarray, *, across: bool) -> bool:
    """Whether most of a line's length lies inside a box of text, away from its edges."""
    if not len(letters):
        return False
    left, top, right, bottom = letters.T
    if across:
        middle = y + height / 2
        inside = (top < middle) & (middle < bottom)
        covered = np.minimum(right, x + width) - np.maximum(left, x)
        return bool((inside & (covered > _INSIDE * width)).any())
    middle = x + width / 2
    inside = (left < middle) & (middle < right)
    covered = np.minimum(bottom, y + height) - np.maximum(top, y)
    return bool((inside & (covered > _INSIDE * height)).any())
