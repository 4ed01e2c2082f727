from __future__ import annotations

import numpy as np
import pytest

from kb_pipeline.parsing.ocr.engine import Quads
from kb_pipeline.parsing.ocr.geometry import line_height, rotated, runs_vertically, skew, straightened, tilted


def boxes(*places: tuple[float, float, float, float]) -> Quads:
    """Quads of left, top, right, bottom."""
    return np.array([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in places], np.float32)


LINES = boxes(*((100, y, 900, y + 30) for y in range(100, 900, 50)))


@pytest.mark.parametrize("degrees", [-5.0, -0.5, 0.0, 2.0, 10.0])
def test_the_skew_of_lines_is_measured_and_taken_away(degrees: float) -> None:
    turned = rotated(LINES, -degrees, 1000, 1000)
    assert skew(turned) == pytest.approx(degrees, abs=0.01)
    assert rotated(turned, degrees, 1000, 1000) == pytest.approx(LINES, abs=0.01)


def test_an_image_is_turned_as_its_points_are() -> None:
    image = np.full((400, 400), 255, np.uint8)
    image[100:103, 300:303] = 0
    ((x, y),) = rotated(np.array([[301, 101]], np.float32), 10, 400, 400)
    rows, columns = np.nonzero(straightened(image, 10) < 128)
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=1.5)


def test_short_texts_do_not_tell_the_skew() -> None:
    assert skew(rotated(boxes((100, 100, 150, 130)), 3, 1000, 1000)) == 0.0
    assert skew(np.zeros((0, 4, 2), np.float32)) == 0.0


def test_a_narrow_letter_is_no_vertical_text() -> None:
    quads = np.concatenate([LINES, boxes((20, 100, 34, 130), (950, 100, 980, 400))])
    assert runs_vertically(quads).tolist() == [False] * len(LINES) + [False, True]
    assert line_height(quads) == 30


def test_only_what_is_neither_level_nor_upright_is_tilted() -> None:
    quads = np.concatenate([rotated(LINES[:1], 1, 1000, 1000), rotated(LINES[:1], 40, 1000, 1000)])
    assert tilted(quads).tolist() == [False, True]
    assert tilted(boxes((950, 100, 980, 400))).tolist() == [False]
