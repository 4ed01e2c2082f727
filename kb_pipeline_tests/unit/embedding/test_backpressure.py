from itertools import pairwise

import pytest

from kb_pipeline.embedding.backpressure import (
    FIRST_LIMIT,
    FIRST_TOKENS,
    LEAST_TOKENS,
    LONG_ANSWER,
    LONGEST_DELAY,
    TOO_LONG_ANSWER,
    Backpressure,
)


def backpressure(most_in_flight: int = 16) -> Backpressure:
    return Backpressure(most_in_flight=most_in_flight, most_texts=256, ceiling_tokens=16_384)


def test_quick_answers_raise_the_limit_to_the_ceiling() -> None:
    state = backpressure()
    for _ in range(1000):
        state.succeeded(texts=1, tokens=10, seconds=0.01)
    assert state.limit == 16


def test_long_answers_do_not_raise_the_limit() -> None:
    state = backpressure()
    for _ in range(1000):
        state.succeeded(texts=1, tokens=10, seconds=LONG_ANSWER * 2)
    assert state.limit == FIRST_LIMIT


def test_failures_of_one_round_halve_once() -> None:
    state = backpressure()
    for now in (10.0, 10.1, 10.2):
        state.failed(sent_at=9.0, now=now, jitter=0.5)
    assert state.limit == FIRST_LIMIT // 2


def test_pauses_grow_up_to_a_ceiling_and_the_limit_stays_above_zero() -> None:
    state = backpressure()
    pauses = []
    now = 0.0
    for _ in range(20):
        state.failed(sent_at=now, now=now, jitter=1.0)
        pauses.append(state.paused_until - now)
        now = state.paused_until
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(pauses))
    assert pauses[0] < 0.1
    assert pauses[-1] == pytest.approx(LONGEST_DELAY)
    assert state.limit == 1


def test_the_server_s_own_delay_wins_when_it_is_longer() -> None:
    state = backpressure()
    state.failed(sent_at=0, now=0, jitter=0, retry_after=7.0)
    assert state.paused_until == 7.0


def test_requests_shrink_when_even_one_at_a_time_is_refused() -> None:
    state = backpressure(most_in_flight=1)
    state.failed(sent_at=0, now=0, jitter=0, too_large=256)
    assert state.most_texts == 128
    state.succeeded(texts=128, tokens=1000, seconds=0.1)
    assert state.most_texts == 129


def test_patience_ends_only_when_nothing_succeeds() -> None:
    state = backpressure()
    for now in range(5):
        state.failed(sent_at=now, now=now, jitter=0)
    assert state.lost_patience(now=11, patience=10)
    assert not state.lost_patience(now=9, patience=10)
    state.succeeded(texts=1, tokens=10, seconds=0.1)
    assert not state.lost_patience(now=100, patience=10)


def test_requests_grow_while_answers_come_soon_and_no_further_than_the_ceiling() -> None:
    state = backpressure()
    sizes = []
    for _ in range(6):
        sizes.append(state.most_tokens)
        state.succeeded(texts=9, tokens=state.most_tokens, seconds=LONG_ANSWER / 2)
    assert sizes == [FIRST_TOKENS, 2048, 4096, 8192, 16_384, 16_384]


def test_requests_that_were_not_full_do_not_make_the_next_larger() -> None:
    state = backpressure()
    state.succeeded(texts=1, tokens=FIRST_TOKENS // 2, seconds=0.01)
    assert state.most_tokens == FIRST_TOKENS


def test_answers_that_take_too_long_halve_the_requests_once_for_each_round() -> None:
    state = backpressure()
    state.most_tokens = 8192
    for _ in range(4):
        state.succeeded(texts=9, tokens=8192, seconds=TOO_LONG_ANSWER + 1)
    assert state.most_tokens == 4096
    for _ in range(20):
        state.succeeded(texts=9, tokens=state.most_tokens, seconds=TOO_LONG_ANSWER + 1)
    assert state.most_tokens == LEAST_TOKENS
