"""What is worse is rejected, what is equal never promoted, what is better promoted where enough was asked."""

from __future__ import annotations

import numpy as np
import pytest

from kb_pipeline.quality.gate import MEASURE, Decision, decide
from kb_pipeline.quality.statistics import gain

PARTS = {"language: zh": 0.5, "kind: rare": 0.02}


def decided(before: np.ndarray, after: np.ndarray) -> Decision:
    sizes = {"all": len(before)} | {name: max(int(share * len(before)), 1) for name, share in PARTS.items()}
    return decide(
        {name: {MEASURE: gain(before[:size].tolist(), after[:size].tolist())} for name, size in sizes.items()}
    )


def answers(seed: int, questions: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0.0, 0.39, 0.5, 0.63, 1.0], questions, p=[0.15, 0.1, 0.1, 0.15, 0.5])


@pytest.mark.parametrize("seed", range(20))
def test_a_worse_one_is_rejected_and_an_equal_one_is_not_promoted(seed: int) -> None:
    before = answers(seed, 300)
    draw = np.random.default_rng(seed + 100)
    worse = np.where(draw.random(300) < 0.2, before * 0.4, before)
    assert decided(before, worse).verdict == "rejected"
    assert decided(before, before).verdict == "rejected"


def test_one_that_only_differs_by_chance_is_hardly_ever_promoted() -> None:
    # the interval is of 95 %, so of 100 equal candidates two or three may look better
    promoted = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        changed = draw.random(200) < 0.2
        before = answers(seed, 200)
        after = np.where(changed, answers(seed + 1000, 200), before)
        swap = draw.random(200) < 0.5  # neither is better: which is which is drawn by lot
        promoted += decided(np.where(swap, after, before), np.where(swap, before, after)).verdict == "promoted"
    assert promoted <= 6


def better(seed: int, questions: int, gain: float) -> tuple[np.ndarray, np.ndarray]:
    before = answers(seed, questions)
    noise = np.random.default_rng(seed + 7).normal(gain, 0.2, questions)
    return before, np.clip(before + noise, -1, 2)


def test_a_better_one_is_promoted_where_the_test_is_large_enough() -> None:
    assert [decided(*better(seed, 600, 0.05)).verdict for seed in range(20)].count("promoted") >= 18
    few = decided(*better(3, 40, 0.03))
    assert few.verdict == "not enough evidence"
    assert few.needed is not None
    assert few.needed > 40
    assert "questions more" in few.reason


def test_a_handful_never_promotes() -> None:
    found = decided(np.zeros(12), np.ones(12))
    assert found.verdict == "not enough evidence"


def test_a_slice_that_falls_stops_it() -> None:
    before, after = np.full(400, 0.5), np.full(400, 0.8)
    after[:200] = 0.4  # all of the Chinese half
    assert decided(before, after).verdict == "rejected"
    draw = np.random.default_rng(1)
    after[:200] = 0.5 - 0.04 + draw.normal(0, 0.5, 200)
    found = decided(before, after)
    assert found.verdict != "promoted"


def test_a_slice_of_a_few_questions_stops_nothing() -> None:
    before, after = np.full(400, 0.5), np.full(400, 0.6)
    after[:8] = 0.0  # all of the rare kind
    assert decided(before, after).verdict == "promoted"
