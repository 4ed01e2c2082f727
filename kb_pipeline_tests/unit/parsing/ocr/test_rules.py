from __future__ import annotations

import numpy as np

from kb_pipeline.parsing.ocr.rules import find_rules

PAPER = 240


def grid(noise: float = 0.0) -> np.ndarray:
    """A table of three by two cells, drawn with lines of two pixels, at 200 dpi."""
    page = np.full((1000, 1000), PAPER, np.float32)
    for y in (200, 260, 320, 380):
        page[y : y + 2, 200:800] = 40
    for x in (200, 500, 798):
        page[200:382, x : x + 2] = 40
    page += np.random.default_rng(0).normal(0, noise, page.shape)
    return np.clip(page, 0, 255).astype(np.uint8)


def found(page: np.ndarray, *letters: tuple[float, float, float, float]) -> tuple[int, int]:
    """How many lines run across, and how many down."""
    rules = find_rules(page, np.array(letters, np.float32).reshape(-1, 4), points_per_pixel=0.36)
    across = sum(rule.top == rule.bottom for rule in rules)
    return across, len(rules) - across


def test_the_lines_of_a_table_are_found_in_noise() -> None:
    assert found(grid()) == (4, 3)
    assert found(grid(noise=10)) == (4, 3)


def test_a_line_inside_letters_is_a_stroke() -> None:
    assert found(grid(), (190, 190, 810, 212)) == (3, 3)


def test_a_page_without_a_table_has_no_rules() -> None:
    page = np.full((1000, 1000), PAPER, np.uint8)
    page[500:502, 100:900] = 0
    assert found(page) == (0, 0)
