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


def test_a_rule_may_stand_alone_as_below_a_header() -> None:
    page = np.full((1000, 1000), PAPER, np.uint8)
    page[500:502, 100:900] = 0
    assert found(page) == (1, 0)


def close_grid() -> np.ndarray:
    """A table of three by two cells with rows as low as those of small print: 46 pixels."""
    page = np.full((1000, 1000), PAPER, np.uint8)
    for y in range(200, 340, 46):
        page[y : y + 2, 200:800] = 40
    for x in (200, 500, 798):
        page[200:340, x : x + 2] = 40
    return page


def test_strokes_that_stand_in_a_row_with_rules_are_none() -> None:
    page, words = close_grid(), []
    for y in (212, 258, 304):  # an l in each row, one below the other
        page[y : y + 24, 600:604] = 40
        words.append((520, y - 4, 700, y + 26))
    page[270, 400:480] = page[270, 522:600] = 40  # the bars of letters on both sides of a rule
    words.append((396, 254, 484, 284))
    assert found(page) != (4, 3)
    assert found(page, *words) == (4, 3)


def test_a_stroke_above_a_rule_does_not_make_it_longer() -> None:
    page = close_grid()
    page[166:194, 499:503] = 40
    caption = np.array([(400, 164, 600, 196)], np.float32)
    (middle,) = [
        rule for rule in find_rules(page, caption, points_per_pixel=0.36) if rule.x0 == rule.x1 and 175 < rule.x0 < 185
    ]
    assert abs(middle.top - 200 * 0.36) < 1


def test_a_rule_between_words_that_were_read_as_one_is_kept() -> None:
    page = close_grid()
    assert found(page, *((400, y + 8, 700, y + 38) for y in (200, 246, 292))) == (4, 3)
