import numpy as np
import pytest

from kb_pipeline.embedding.query_cache import QueryCache


def vector(number: float) -> np.ndarray:
    return np.array([number], dtype=np.float32)


def test_the_least_recently_used_query_is_forgotten_first() -> None:
    cache = QueryCache(most=2)
    cache.put(("a",), vector(1))
    cache.put(("b",), vector(2))
    assert cache.get(("a",)) == vector(1)
    cache.put(("c",), vector(3))
    assert cache.get(("b",)) is None
    assert cache.get(("a",)) == vector(1)
    assert cache.get(("c",)) == vector(3)


def test_a_kept_vector_cannot_be_changed_by_who_reads_it() -> None:
    cache = QueryCache()
    given = vector(1)
    with pytest.raises(ValueError, match="read-only"):
        cache.put(("a",), given)[0] = 9
    given[0] = 9
    assert cache.get(("a",)) == vector(1)
