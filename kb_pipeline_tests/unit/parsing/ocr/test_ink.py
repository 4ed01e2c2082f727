from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from kb_pipeline.parsing.ocr.engine import Image, Recognized
from kb_pipeline.parsing.ocr.ink import measure

HEIGHT, WIDTH = 44, 130  # pixels of a crop
EDGES = {"left": (6, 3, 6, HEIGHT), "top": (6, 3, WIDTH, 5), "bottom": (0, HEIGHT - 3, WIDTH, HEIGHT - 4)}


def crop(*rules: str) -> tuple[Image, Recognized]:
    """Four letters 16 pixels high in the middle of a crop, and rules at its edges."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for number in range(4):
        cv2.putText(image, "H", (22 + 24 * number, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (0, 0, 0), 2, cv2.LINE_AA)
    for rule in rules:
        x0, y0, x1, y1 = EDGES[rule]
        cv2.line(image, (x0 - 4, y0), (x1, y1), (0, 0, 0), 1, cv2.LINE_AA)
    return image, Recognized("HHHH", 1.0, tuple((30 + 24 * number) / WIDTH for number in range(4)))


@pytest.mark.parametrize("rules", [pair for count in (1, 2, 3) for pair in itertools.combinations(EDGES, count)])
def test_the_rules_of_a_cell_do_not_make_its_letters_larger(rules: tuple[str, ...]) -> None:
    plain, ruled = measure(*crop()), measure(*crop(*rules))
    assert ruled.em == pytest.approx(plain.em, rel=0.05)
    assert ruled.stroke == pytest.approx(plain.stroke, rel=0.1)
    assert (ruled.left, ruled.right) == pytest.approx((plain.left, plain.right), abs=1)


def line(*strokes: int) -> tuple[Image, Recognized]:
    """Words of five letters H, 20 pixels high. `strokes`: how thick the strokes of each word are, pixels."""
    image = np.full((HEIGHT, 110 * len(strokes), 3), 255, np.uint8)
    middles = [10 + 110 * word + 18 * letter for word in range(len(strokes)) for letter in range(5)]
    for middle, stroke in zip(middles, (stroke for stroke in strokes for _ in range(5)), strict=True):
        for start, end in (((-6, 12), (-6, 31)), ((6, 12), (6, 31)), ((-6, 22), (6, 22))):
            cv2.line(image, (middle + start[0], start[1]), (middle + end[0], end[1]), (0, 0, 0), stroke)
    places = [[middle / image.shape[1] for middle in middles[first : first + 5]] for first in range(0, len(middles), 5)]
    centres = [place for word in places for place in (*word, word[-1])][:-1]  # that of a blank is the one before
    return image, Recognized(" ".join(["HHHHH"] * len(strokes)), 1.0, tuple(centres))


def test_a_line_that_begins_in_bold_is_as_bold_as_its_other_part() -> None:
    plain, bold, mixed = measure(*line(2, 2)), measure(*line(5, 5)), measure(*line(5, 2))
    assert bold.stroke > 1.3 * plain.stroke
    assert mixed.stroke == pytest.approx(plain.stroke, rel=0.15)


def test_each_word_is_measured_by_how_far_its_letters_reach() -> None:
    image, found = line(2, 2)
    image[:, 105:] = 255
    cv2.rectangle(image, (110, 18), (200, 38), (0, 0, 0), 3)  # small letters that reach below the line
    ink = measure(image, Recognized("HHHHH ggggg", 1.0, found.centres))
    assert [reach for reach, _ in ink.words] == [(0.695, 0.0), (0.49, 0.21)]
    capitals, small = (ratio * ink.em for _, ratio in ink.words)
    assert capitals == pytest.approx(20 / 0.695, rel=0.1)
    assert small == pytest.approx(23 / 0.7, rel=0.1)
