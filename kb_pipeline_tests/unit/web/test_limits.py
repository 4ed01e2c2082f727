"""How much one key may ask for, and how much may be in work."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from kb_pipeline.web import limits
from kb_pipeline.web.limits import Buckets, Places


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_bucket_empties_at_once_and_fills_steadily(clock: list[float]) -> None:
    buckets = Buckets(rate=2.0)
    for _ in range(20):
        buckets.take("key:a")
    with pytest.raises(HTTPException) as refused:
        buckets.take("key:a")
    assert refused.value.status_code == 429
    assert refused.value.headers == {"retry-after": "1"}
    buckets.take("key:b")  # has its own
    clock[0] += 0.5
    buckets.take("key:a")
    with pytest.raises(HTTPException):
        buckets.take("key:a")
    clock[0] += 3600
    for _ in range(20):  # no more than full
        buckets.take("key:a")
    with pytest.raises(HTTPException):
        buckets.take("key:a")


def test_no_rate_is_no_limit_and_full_buckets_are_forgotten(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = Buckets(rate=None)
    for _ in range(1000):
        free.take("key:a")
    monkeypatch.setattr(limits, "MOST_BUCKETS", 3)
    buckets = Buckets(rate=1.0)
    for n in range(3):
        buckets.take(f"user:{n}")
    clock[0] += 60
    buckets.take("user:9")
    assert len(buckets._left) == 1


def test_a_place_is_free_again_whatever_happened() -> None:
    places = Places(most=1)
    with places.one(), pytest.raises(HTTPException) as refused, places.one():
        pass
    assert refused.value.status_code == 503
    with pytest.raises(ZeroDivisionError), places.one():
        raise ZeroDivisionError
    assert places.taken == 0
