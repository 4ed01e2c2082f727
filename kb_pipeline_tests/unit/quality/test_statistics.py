"""Intervals hold what they promise, and the sign-flip test agrees with arithmetic where that is possible."""

from __future__ import annotations

import numpy as np
import pytest

from kb_pipeline.quality.statistics import figure, gain, questions_needed


def test_an_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    draw = np.random.default_rng(1)
    samples = [draw.binomial(1, 0.7, 200).astype(float).tolist() for _ in range(100)]
    held = sum(found.low <= 0.7 <= found.high for found in map(figure, samples))
    assert 88 <= held <= 100


def test_all_signs_of_five_equal_differences() -> None:
    # of 32 ways to give signs only two are as far from 0
    assert gain([0.0] * 5, [1.0] * 5).p == pytest.approx(2 / 32, abs=0.015)


def test_no_difference_is_no_gain() -> None:
    found = gain([0.2, 0.9, 0.4], [0.2, 0.9, 0.4])
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_what_is_paired_is_seen_where_the_questions_differ_much() -> None:
    draw = np.random.default_rng(2)
    before = draw.uniform(0, 1, 100)
    after = before + 0.02 + draw.normal(0, 0.02, 100)
    found = gain(before.tolist(), after.tolist())
    assert found.low > 0
    assert found.p < 0.01
    assert figure(before.tolist()).high > figure(after.tolist()).low  # the intervals of the figures overlap


def test_the_same_questions_give_the_same_figures() -> None:
    values = [0.1, 0.5, 0.9] * 10
    assert figure(values) == figure(values)


def test_questions_needed_as_published() -> None:
    assert questions_needed(0.03, 0.25) == pytest.approx(550, abs=10)
    assert questions_needed(0.05, 0.25) == pytest.approx(200, abs=5)
