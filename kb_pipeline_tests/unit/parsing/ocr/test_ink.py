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
