import numpy as np

from kb_pipeline.embedding.bundled.language_bias import LanguageBias
from kb_pipeline.embedding.truncation import normalized


def bilingual(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the same texts in two languages: what they say, what language they are in, and what all share."""
    random = np.random.default_rng(1)
    meaning = np.pad(random.standard_normal((count, 30)), [(0, 0), (2, 0)])
    language, shared = np.eye(32)[0] * 4, np.eye(32)[1] * 8
    noise = random.standard_normal((2, count, 32)) * 0.3
    one, other = meaning + shared + language + noise[0], meaning + shared - language + noise[1]
    return normalized(one), normalized(other)


def test_translations_are_nearest_to_each_other_once_the_language_is_taken_out() -> None:
    one, other = bilingual(40)
    bias = LanguageBias.measured(one[:20], other[:20])  # the others are unseen
    numbers = np.arange(20)
    everything = np.concatenate([other[20:], one[20:]])
    cosines = one[20:] @ everything.T
    cosines[numbers, 20 + numbers] = -1  # a text is no answer to itself
    assert (cosines.argmax(axis=1) != numbers).all()
    cosines = bias.taken_out(one[20:]) @ bias.taken_out(everything).T
    cosines[numbers, 20 + numbers] = -1
    assert (cosines.argmax(axis=1) == numbers).all()


def test_vectors_keep_their_length_and_lose_the_direction() -> None:
    one, other = bilingual(40)
    bias = LanguageBias.measured(one, other)
    assert np.allclose(np.linalg.norm(bias.taken_out(one), axis=1), 1, atol=1e-5)
    assert np.allclose(bias.taken_out(one) @ bias.direction, 0, atol=1e-5)


def test_what_is_shipped_belongs_to_the_model() -> None:
    bias = LanguageBias.shipped()
    assert bias.direction.shape == bias.mean.shape == (384,)
    assert np.isclose(np.linalg.norm(bias.direction), 1, atol=1e-5)
    assert abs(bias.direction @ bias.mean) < 1e-5
