import numpy as np
import pytest

from kb_pipeline.embedding.truncation import normalized, to_dimension
from kb_pipeline.errors import SettingsError


def test_truncated_vectors_are_the_first_numbers_at_length_one() -> None:
    vectors = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float16)
    cut = to_dimension(vectors, 16)
    assert cut.dtype == np.float32
    assert cut.shape == (5, 16)
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(cut / cut[:, :1], vectors[:, :16].astype(np.float32) / vectors[:, :1], rtol=1e-3)


def test_the_original_stays_as_it_was() -> None:
    vectors = np.full((2, 8), 3.0, dtype=np.float32)
    to_dimension(vectors, 8)
    assert np.all(vectors == 3.0)


@pytest.mark.parametrize("dimension", [0, 65])
def test_a_dimension_that_the_vectors_do_not_have_is_refused(dimension: int) -> None:
    with pytest.raises(SettingsError, match="KB_DIMENSION between 1 and 64"):
        to_dimension(np.ones((1, 64), dtype=np.float32), dimension)


def test_zeros_stay_zeros() -> None:
    assert not normalized(np.zeros((1, 4))).any()
