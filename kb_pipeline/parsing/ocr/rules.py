"""Lines drawn in a picture of a page: the rules of its tables, and those below a header or above footnotes.

A *stroke* is a part of a letter that looks like a line. Grain is averaged along the lines that are looked for, which
also fills the blank between strokes that stand in a row, and between a stroke and a rule: what was found is looked at
again without it.
"""

from __future__ import annotations

import numpy as np

from kb_pipeline.parsing.pdf.page import Rule

_SHORTEST_ACROSS = 24.0  # points; shorter ones are strokes of letters
_SHORTEST_DOWN = 14.0
_THICKEST = 3.5  # points
_GAP = 2.0  # points that noise may take out of a line
_WANDER = 1.0  # points that a line may leave its row by, as in a photo
_MOST = 2000  # more draw a picture
_BLOCK = 31  # pixels around a pixel that tell whether it is dark
_DARKER = 10  # grey levels below its surroundings
_ALONG = 11  # pixels of a line that are averaged; it gets longer by as many
_INSIDE = 0.8  # of a rule inside letters: a stroke of theirs
_BREAK = 1.1  # points of blank between two strokes; where a line leaves its row of pixels it is pale for less
_BESIDE = 15  # pixels on either side of a line in which paper is seen
_PAPER = 75  # percentile of the grey levels there
_DRAWN = 75  # percentile of its darkness that a line is drawn with; half of a row of strokes may be blank
_PALE = 0.5  # of that darkness: nothing is drawn
_LEAST_DRAWN = 0.3  # of a line is left without its breaks and strokes, as of one of dots


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
            if thickness > pixels(_THICKEST + _WANDER):
                continue
            first, last = _ends(grey, (x, y, width, height), letters, across=across, gap=pixels(_BREAK))
            if last - first < length:
                continue
            start, end = first * points_per_pixel, last * points_per_pixel
            middle = (y + height / 2 if across else x + width / 2) * points_per_pixel
            found.append(Rule(start, middle, end, middle) if across else Rule(middle, start, middle, end))
    return tuple(found) if len(found) <= _MOST else ()


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


def _ends(
    grey: np.ndarray, line: tuple[int, int, int, int], letters: np.ndarray, *, across: bool, gap: int
) -> tuple[int, int]:
    """Where a line begins and ends without the strokes at its ends; twice the same where it consists of strokes."""
    if not across:
        x, y, width, height = line
        return _ends(grey.T, (y, x, height, width), letters[:, [1, 0, 3, 2]], across=True, gap=gap)
    start, top, length, thickness = line
    middle = top + thickness / 2
    if _is_stroke(start, start + length, middle, letters):
        return start, start
    parts = [(start + first, start + last) for first, last in _parts(_darkness(grey, line), gap)]
    drawn = [part for part in parts if not _is_stroke(*part, middle, letters)]
    if len(drawn) == len(parts):
        return start, start + length
    if not drawn:
        return start, start
    first, last = drawn[0][0], drawn[-1][1]
    enough = sum(end - begin for begin, end in drawn) >= _LEAST_DRAWN * (last - first)
    return (first, last) if enough else (start, start)


def _darkness(grey: np.ndarray, line: tuple[int, int, int, int]) -> np.ndarray:
    """How much darker than the paper beside it a line that runs across is at each pixel of its length."""
    import cv2

    left, top, width, height = line
    first = max(0, top - _BESIDE)
    around = np.ascontiguousarray(grey[first : top + height + _BESIDE, left : left + width])
    smooth = cv2.blur(around, (3, 1))  # grain, but no blank between strokes
    paper = np.percentile(smooth, _PAPER, axis=0)
    return np.asarray(paper - smooth[top - first : top - first + height].min(axis=0))


def _parts(darkness: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(first pixel, pixel after the last) of what lies between the breaks of a line: where it is pale for longer."""
    dark = np.flatnonzero(darkness > _PALE * np.percentile(darkness, _DRAWN))
    if not len(dark):
        return []
    breaks = np.flatnonzero(np.diff(dark) > gap + 1)
    firsts, lasts = dark[[0, *(breaks + 1)]], dark[[*breaks, -1]]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _is_stroke(start: float, end: float, middle: float, letters: np.ndarray) -> bool:
    """Whether most of the length of a line that runs across lies inside a box of text, away from its edges."""
    if not len(letters):
        return False
    left, top, right, bottom = letters.T
    inside = (top < middle) & (middle < bottom)
    covered = np.minimum(right, end) - np.maximum(left, start)
    return bool((inside & (covered > _INSIDE * (end - start))).any())
