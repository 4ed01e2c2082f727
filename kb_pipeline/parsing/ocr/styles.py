"""The size and weight that the text of a scan was printed in, told from what was measured line by line.

Lines are put together where they stand below each other as lines of one paragraph do, and differ by no more than
lines of one style do when they are measured. The fewer letters a line has, the more its measures scatter.

Terms
  usual stroke  the width of the strokes of most letters of one size and script, ems.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kb_pipeline.parsing.ocr.ink import Reach
from kb_pipeline.parsing.ocr.sizes import common_sizes

_PITCH = 1.55  # ems between the baselines of two lines of a paragraph or heading; between two headings there is more
_INDENT = 3.0  # ems between the left edges of two lines of a paragraph, at most
_CENTRED = 1.0  # ems between the middles of two centred lines, at most
# From how many letters on the logarithm of the size of ideographs scatters by how much; for Latin letters, which are
# measured by the height of whichever letters there are, from how many words on.
_SIZE_SCATTER = ((15, 0.03), (8, 0.035), (4, 0.05), (0, 0.07))
_LATIN_SCATTER = ((4, 0.035), (3, 0.07), (2, 0.1), (0, 0.12))
_STROKE_SCATTER = ((8, 0.06), (0, 0.12))  # the same of the width of strokes
_FEWEST_WORDS = 4  # of a line that tell what is too large
_FEWEST_OF_REACH = 10  # words that tell it of others
_FEWEST_FOR_STROKE = 40  # letters of one size and script that tell how bold they usually are
_BOLDER = 1.28  # times the usual stroke: bold, whatever was measured
_LEAST_BOLDER = 1.15  # times the usual stroke of text that was measured well
_LIKE_TEXT = 1.1  # times the usual stroke of most text, in points: no bold text has so thin strokes
_SPREADS = 5.0  # times the spread of the strokes of most text, from its usual one: bold
_QUARTILES = 1.35  # standard deviations between the quartiles
_THINNEST = 1e-3  # points; of text that was not measured
_LONG_ENOUGH = 8  # letters that tell a stroke well
_NEAR_BODY = 0.1  # of the logarithm of the size of most text: about that size
_SAME = 0.02  # of the logarithm of a size: the same size
_NEAR_ABOVE = 1.3  # times the size of most text; the blur of larger letters is another one


Style = tuple[float, bool]  # size in points, and whether it is bold


@dataclass(frozen=True, slots=True)
class Measure:
    """A piece of a line: its letters and where it stands, in points; `stroke` in ems. `words`: see Ink."""

    letters: int
    x0: float
    x1: float
    baseline: float
    em: float
    stroke: float
    is_cjk: bool
    words: tuple[tuple[Reach, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Text:
    """What most text of a document looks like in one script. All in points: its size, its usual stroke, and the stroke
    from which on text of that size is bold, which is infinite where there is too little of it."""

    size: float
    stroke: float
    bold_from: float


def styles(pages: Sequence[Sequence[Measure]]) -> list[list[Style]]:
    """The style of each piece on each page of a document."""
    factors = _reach_factors([piece for page in pages for piece in page])
    pieces = [piece for page in pages for piece in _pooled([_calibrated(piece, factors) for piece in page])]
    if not pieces:
        return [[] for _ in pages]
    middle = _median([(piece.em, piece.letters) for piece in pieces])
    texts = {cjk: _text([piece for piece in pieces if piece.is_cjk == cjk], middle) for cjk in (False, True)}
    # In points, since a size near to that of most text may be it, measured badly.
    bolder = [_width(piece) > texts[piece.is_cjk].bold_from for piece in pieces]
    sizes = common_sizes([piece.em for piece in pieces], [piece.letters for piece in pieces], bolder)
    usual = min(sizes, key=lambda size: abs(size - middle))
    alike: dict[tuple[float, bool], list[Measure]] = defaultdict(list)
    for piece, size in zip(pieces, sizes, strict=True):
        alike[size, piece.is_cjk].append(piece)
    headings = {key for key, found in alike.items() if _are_bold_headings(key[0], found, texts[key[1]])}
    bold_from = {key: _bold_width(key[0], found, texts[key[1]]) for key, found in alike.items()}
    rest: list[Style] = []
    for piece, size in zip(pieces, sizes, strict=True):
        if (size, piece.is_cjk) not in headings:
            rest.append((size, _width(piece) > bold_from[size, piece.is_cjk]))
        elif _width(piece) > _LIKE_TEXT * texts[piece.is_cjk].stroke:
            rest.append((size, True))
        else:  # text that was measured too large
            rest.append((usual, False))
    found = iter(rest)
    return [list(itertools.islice(found, len(page))) for page in pages]


def _text(pieces: Sequence[Measure], size: float) -> _Text:
    """What text of about the size of most text looks like, in points. `pieces`: those of one script."""
    near = [piece for piece in pieces if abs(math.log(piece.em / size)) <= _NEAR_BODY]
    if sum(piece.letters for piece in near) < _FEWEST_FOR_STROKE:
        return _Text(size, 0.0, math.inf)
    usual = _usual_stroke(near)
    long = [piece.stroke for piece in near if piece.letters >= _LONG_ENOUGH]
    lower, upper = np.percentile(long, (25, 75)) if long else (0.0, math.inf)
    spread = _SPREADS * float(upper - lower) / _QUARTILES
    return _Text(size, usual * size, min(max(usual + spread, _LEAST_BOLDER * usual), _BOLDER * usual) * size)


def _are_bold_headings(size: float, alike: Sequence[Measure], text: _Text) -> bool:
    """Whether what is printed in a size is bold throughout, which comparing it with itself does not show. `alike`: all
    pieces of one size and script."""
    above = text.size * math.exp(_SAME) < size <= _NEAR_ABOVE * text.size
    return above and _usual_stroke(alike) * text.size > text.bold_from


def _bold_width(size: float, alike: Sequence[Measure], text: _Text) -> float:
    """The stroke in points from which on a piece of a size is bold."""
    if abs(math.log(size / text.size)) <= _SAME:
        return text.bold_from
    enough = sum(piece.letters for piece in alike) >= _FEWEST_FOR_STROKE
    return _BOLDER * _usual_stroke(alike) * size if enough else math.inf


def _width(piece: Measure) -> float:
    """Its stroke in points."""
    return piece.stroke * piece.em


def _reach_factors(pieces: Sequence[Measure]) -> dict[Reach, float]:
    """By how much words whose letters reach so far are measured too large in the fonts of this document: they differ
    in how high small letters are, and how deep others reach below the line."""
    ratios: dict[Reach, list[float]] = defaultdict(list)
    for piece in pieces:
        for reach, ratio in piece.words if len(piece.words) >= _FEWEST_WORDS else ():
            ratios[reach].append(ratio)
    return {reach: statistics.median(found) for reach, found in ratios.items() if len(found) >= _FEWEST_OF_REACH}


def _calibrated(piece: Measure, factors: Mapping[Reach, float]) -> Measure:
    if not piece.words:
        return piece
    factor = statistics.median(ratio / factors.get(reach, 1.0) for reach, ratio in piece.words)
    return replace(piece, em=piece.em * factor, stroke=piece.stroke / factor)


def _usual_stroke(pieces: Sequence[Measure]) -> float:
    return _median([(piece.stroke, piece.letters) for piece in pieces])


def _pooled(pieces: Sequence[Measure]) -> list[Measure]:
    """The pieces of a page, those of one paragraph with one size, one stroke, and the letters of all of it."""
    leaders = list(range(len(pieces)))
    order = sorted(leaders, key=lambda index: pieces[index].baseline)
    for place, index in enumerate(order):
        above = _above(pieces, (order[before] for before in range(place - 1, -1, -1)), pieces[index])
        if above is not None:
            leaders[index] = leaders[above]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, leader in enumerate(leaders):
        groups[leader].append(index)
    found = list(pieces)
    for members in groups.values():
        letters = sum(pieces[index].letters for index in members)
        em = _median([(pieces[index].em, pieces[index].letters) for index in members])
        # Strokes are compared in points: a wrong em makes those in ems wrong, too.
        width = _median([(_width(pieces[index]), pieces[index].letters) for index in members])
        for index in members:
            found[index] = replace(pieces[index], letters=letters, em=em, stroke=width / em)
    return found


def _above(pieces: Sequence[Measure], before: Iterable[int], piece: Measure) -> int | None:
    """The index of the nearest piece above that belongs to the same paragraph. `before`: indexes from the bottom."""
    for index in before:
        other = pieces[index]
        distance = piece.baseline - other.baseline
        if distance > _PITCH * max(piece.em, other.em) * 2:
            return None
        if distance > 0.5 * piece.em and min(piece.x1, other.x1) > max(piece.x0, other.x0):
            return index if distance <= _PITCH * max(piece.em, other.em) and _are_alike(other, piece) else None
    return None


def _are_alike(one: Measure, other: Measure) -> bool:
    """Whether two pieces, one below the other, can be lines of one paragraph."""
    em = max(one.em, other.em)
    if abs(one.x0 - other.x0) > _INDENT * em and abs(one.x0 + one.x1 - other.x0 - other.x1) > 2 * _CENTRED * em:
        return False
    if one.is_cjk != other.is_cjk:
        return False
    return abs(math.log(one.em / other.em)) <= _size_scatter(one) + _size_scatter(other) and abs(
        math.log(max(_width(one), _THINNEST) / max(_width(other), _THINNEST))
    ) <= _stroke_scatter(one) + _stroke_scatter(other)


def _size_scatter(piece: Measure) -> float:
    if piece.words:
        return next(scatter for least, scatter in _LATIN_SCATTER if len(piece.words) >= least)
    return next(scatter for least, scatter in _SIZE_SCATTER if piece.letters >= least)


def _stroke_scatter(piece: Measure) -> float:
    return next(scatter for least, scatter in _STROKE_SCATTER if piece.letters >= least)


def _median(weighted: Sequence[tuple[float, int]]) -> float:
    """The value in the middle of all letters. `weighted`: values and their letters."""
    ordered = sorted(weighted)
    sums = list(itertools.accumulate(weight for _, weight in ordered))
    return next(value for (value, _), reached in zip(ordered, sums, strict=True) if 2 * reached >= sums[-1])
