from __future__ import annotations

import numpy as np

from kb_pipeline.parsing.ocr.sizes import common_sizes


def test_sizes_that_scatter_become_those_of_most_text() -> None:
    random = np.random.default_rng(0)
    body = 10.5 * random.normal(1, 0.02, 60)
    headings = 12.5 * random.normal(1, 0.02, 5)
    found = common_sizes([*body, *headings], [40] * 60 + [12] * 5)
    assert len(set(found)) == 2
    assert abs(found[0] - 10.5) < 0.2
    assert abs(found[-1] - 12.5) < 0.3


def test_a_size_of_its_own_is_kept() -> None:
    assert common_sizes([10.5, 10.4, 22.0], [50, 50, 8])[2] == 22.0


def test_a_letter_or_two_take_the_size_of_the_text_near_by() -> None:
    found = common_sizes([10.0] * 20 + [11.2], [40] * 20 + [2])
    assert found[-1] == found[0]


def test_a_bolder_text_may_have_a_size_near_to_that_of_most_text() -> None:
    sizes, weights = [9.0] * 20 + [9.8], [40] * 20 + [20]
    assert common_sizes(sizes, weights)[-1] == 9.0
    assert common_sizes(sizes, weights, [False] * 20 + [True])[-1] == 9.8


def test_sizes_of_headings_that_differ_little_are_kept_apart() -> None:
    found = common_sizes([10.0] * 20 + [12.0, 12.1, 11.2, 11.1], [40] * 20 + [20] * 4)
    assert len(set(found)) == 3
    assert found[-2] == found[-1]


def test_no_text_has_no_sizes() -> None:
    assert common_sizes([], []) == []
