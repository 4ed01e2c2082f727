"""What the ink of a crop tells about its letters: their size, their baseline and how bold they are.

Boxes of a detector are as high as it pleases; font sizes that tell headings from text have to be measured.
The height of the ink is compared with what the letters of the text that was read there would take.
"""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass

import numpy as np

from kb_pipeline.parsing.numbering import is_ideograph
from kb_pipeline.parsing.ocr.engine import Image, Recognized

_MEASURED_HEIGHT = 64  # pixels to which a crop is scaled before its strokes are measured
_SPECK = 10  # pixels; a dot of an i has more
_RULE_SHARE = 0.85  # of the width of a crop: something flat and that long is a rule
_FRAME_SHARE = 0.7  # of the width or the height of a crop that the rules of a table take which reach into it
_FRAME_FILL = 0.3  # of its box that a corner of rules inks at most; letters ink more
_FRAME_THICKNESS = 0.12  # of the height of a crop: a rule at its edge is thinner
_EDGE = 4  # pixels; the margin around letters is wider
_EDGE_SHARE = 0.3  # of the height: something at the upper or lower edge that is lower belongs to another line
_BLEED = 1.3  # pixels of the crop: ink that blur adds above and below
_PIECE = 10  # ideographs that are measured together
_PIECE_MARGIN = 0.2  # of the height of a crop, beside the middles of the first and the last letter
_FEWEST_FOR_PARTS = 8  # characters of a line whose parts tell how thick their strokes are
_FEWEST_FOR_PITCH = 3  # neighbouring ideographs that tell their distance
_PITCH_TOLERANCE = 0.22  # between the em by pitch and by height; more, and the letters are spaced out

# Heights above and below the baseline in ems, as usual in text fonts.
_X_HEIGHT, _T_HEIGHT, _CAP_HEIGHT, _ASCENDER, _TALL_HEIGHT = 0.49, 0.64, 0.695, 0.715, 0.75
_COMMA_DESCENT, _DESCENT = 0.14, 0.21
_IDEOGRAPH_ABOVE, _IDEOGRAPH_BELOW = 0.82, 0.09
_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?&%$#@/|")
_ASCENDERS = frozenset("bdfhijkl\"'")
_DESCENDERS = frozenset("gjpqyQ")
_COMMAS = frozenset(",;")
_TALL = frozenset("()[]{}")


Reach = tuple[float, float]  # above and below the baseline, ems


@dataclass(frozen=True, slots=True)
class Ink:
    """The letters of a crop. `em`, `left`, `right`, `baseline`: pixels of the crop; `stroke`: ems.

    `is_cjk`: the text holds ideographs, kana or hangul, whose strokes are thinner than those of Latin letters.
    `words`: how far the letters of each Latin word reach, as `Reach` says, and its own em by that, times `em`.
    """

    em: float
    left: float
    right: float
    baseline: float
    stroke: float
    is_cjk: bool
    words: tuple[tuple[Reach, float], ...] = ()


def measure(image: Image, found: Recognized) -> Ink:
    """Measure the letters of `found` in the crop it was read from."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    factor = _MEASURED_HEIGHT / grey.shape[0]
    width = max(1, round(grey.shape[1] * factor))
    scaled = cv2.resize(grey, (width, _MEASURED_HEIGHT), interpolation=cv2.INTER_CUBIC)
    letters = _letters(_ink_mask(np.asarray(scaled, np.uint8)))
    left, right = _extent(np.asarray(letters.any(axis=0)))
    is_cjk = any(map(is_ideograph, found.text))
    pieces = _pieces(found)
    measures = [_measure_piece(letters, piece, bleed=_BLEED * factor) for piece in pieces]
    em = statistics.median(em for em, _ in measures)
    baseline = statistics.median(baseline for _, baseline in measures)
    pitch = _pitch(found, width)
    if pitch is not None and abs(pitch - em) <= _PITCH_TOLERANCE * em:
        em = pitch
    stroke = _stroke(letters, left, right, parts=2 if len(found.text) >= _FEWEST_FOR_PARTS else 1) / em
    words = (
        ()
        if is_cjk
        else tuple((_reach(piece.text), own / em) for piece, (own, _) in zip(pieces, measures, strict=True))
    )
    return Ink(em / factor, left / factor, right / factor, baseline / factor, stroke, is_cjk, words)


def _stroke(letters: np.ndarray, left: int, right: int, *, parts: int) -> float:
    """The usual width of the strokes between two columns, pixels: of the thinnest of some parts, since a line that
    only begins in bold is none of bold text."""
    import cv2

    distances = cv2.distanceTransform(letters.astype(np.uint8), cv2.DIST_L2, 3)
    edges = np.linspace(left, right, parts + 1).round().astype(int)
    found = []
    for start, end in itertools.pairwise(edges):
        inside = distances[:, start:end][letters[:, start:end]]
        if inside.size:
            found.append(4 * float(inside.mean()))
    return min(found, default=0.0)


def _ink_mask(grey: np.ndarray) -> np.ndarray:
    """True where there is ink: the smaller part of the crop, dark on light or light on dark."""
    import cv2

    _, binary = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    mask = np.asarray(binary > 0)
    return ~mask if mask.mean() > 0.5 else mask


def _letters(mask: np.ndarray) -> np.ndarray:
    """The mask without specks, rules, and what reaches in from the lines above and below."""
    import cv2

    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    tops, heights = stats[:, cv2.CC_STAT_TOP], stats[:, cv2.CC_STAT_HEIGHT]
    speck = stats[:, cv2.CC_STAT_AREA] < _SPECK
    rule = (stats[:, cv2.CC_STAT_WIDTH] > _RULE_SHARE * width) & (heights < _EDGE_SHARE * height)
    at_edge = (tops <= _EDGE) | (tops + heights >= height - _EDGE)
    unwanted = speck | rule | (at_edge & (heights < _EDGE_SHARE * height)) | _frames(stats, mask.shape)
    unwanted[0] = True  # the background
    if unwanted.all() or count < 2:
        return mask
    return np.asarray(~unwanted[labels])


def _frames(stats: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """For each component whether it is a rule, or a corner of rules, of the cell that the crop was cut from."""
    import cv2

    height, width = shape
    left, across, down, area = (
        stats[:, column] for column in (cv2.CC_STAT_LEFT, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    at_side = (left <= _EDGE) | (left + across >= width - _EDGE)
    long = (across > _FRAME_SHARE * width) | (down > _FRAME_SHARE * height)
    return np.asarray(at_side & long & ((across < _FRAME_THICKNESS * height) | (area < _FRAME_FILL * across * down)))


def _extent(inked: np.ndarray) -> tuple[int, int]:
    """The first and the one after the last row or column with ink; all where there is none."""
    found = np.flatnonzero(inked)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, len(inked))


def _pieces(found: Recognized) -> list[Recognized]:
    """A line in pieces, so that one that is not quite level is measured where it is: words, or some ideographs.

    No word is cut: a letter that reaches from one piece into the other would change its height.
    """
    text = found.text
    starts = [len(text) - len(text.lstrip())]
    for index in range(starts[0] + 1, len(text)):
        begins = text[index - 1].isspace() and not text[index].isspace()
        ideographs = is_ideograph(text[index - 1]) or is_ideograph(text[index])
        if begins or (ideographs and index - starts[-1] >= _PIECE and len(text) - index >= _PIECE / 2):
            starts.append(index)
    ends = [start + len(text[start:stop].rstrip()) for start, stop in itertools.pairwise([*starts, len(text)])]
    return [
        Recognized(text[start:end], found.confidence, found.centres[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]


def _measure_piece(letters: np.ndarray, piece: Recognized, *, bleed: float) -> tuple[float, float]:
    """The em and the baseline of a piece of a line. `bleed`: pixels by which blur makes letters higher."""
    height, width = letters.shape
    half = _PIECE_MARGIN * height / width
    left, right = (piece.centres[0] - half) * width, (piece.centres[-1] + half) * width
    columns = letters[:, max(0, round(left)) : max(1, round(right))]
    top, bottom = _extent(np.asarray(columns.any(axis=1)))
    above, below = _reach(piece.text)
    if any(map(is_ideograph, piece.text)):
        above, below = max(_IDEOGRAPH_ABOVE, above), max(_IDEOGRAPH_BELOW, below)
    em = max(bottom - top - bleed, 1.0) / (above + below)
    return em, bottom - bleed / 2 - below * em


def _reach(text: str) -> tuple[float, float]:
    """How far the Latin letters of a text reach above and below the baseline, ems."""
    letters = frozenset(text)
    if letters & _TALL:
        return _TALL_HEIGHT, _DESCENT
    heights = ((_ASCENDERS, _ASCENDER), (_CAPITALS, _CAP_HEIGHT), (frozenset("t"), _T_HEIGHT))
    above = next((height for kind, height in heights if letters & kind), _X_HEIGHT)
    return above, _DESCENT if letters & _DESCENDERS else _COMMA_DESCENT if letters & _COMMAS else 0.0


def _pitch(found: Recognized, width: int) -> float | None:
    """The usual distance of neighbouring ideographs, pixels."""
    runs = [
        [found.centres[index] for index in indexes]
        for ideograph, indexes in (
            (key, list(group))
            for key, group in itertools.groupby(range(len(found.text)), key=lambda i: is_ideograph(found.text[i]))
        )
        if ideograph
    ]
    pitches = [
        (run[-1] - run[0]) * width / (len(run) - 1) for run in runs if len(run) >= _FEWEST_FOR_PITCH for _ in run
    ]
    return statistics.median(pitches) if pitches else None
