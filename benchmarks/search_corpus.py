"""A corpus of any size for benchmarks of search: passages in two languages, their vectors, and questions about them.

Why uniform noise will not do: how well a graph index finds the nearest rows depends on the *local intrinsic dimension*
of the vectors (LID: how fast the number of neighbours grows with distance, estimated as by Levina and Bickel, 2004).
1,800 vectors of uniform noise in 384 dimensions have one of 102, and their neighbours mean nothing; those of as many
real passages have 27. So vectors are made as embeddings are found to be:

  language   an offset that all passages of a language share: models lay languages apart (see `search.languages`)
  topic      a centre for about 500 passages, in LATENT dimensions whose variances fall as those of embeddings do
  document   CHUNKS_PER_DOCUMENT passages near one another, around a point near the centre of their topic
  passage    its own place there, and a little noise in every dimension

`search.py --data DIR` embeds real passages and prints LID and recall by one index of theirs beside those of as many
vectors from here: at 1,800 of 384 dimensions recall@10 is .910, .959, .982 (real) and .914, .962, .987 (made) with
ef_search 10, 20, 40, and .420, .590, .781 of uniform noise.

A question lies near one passage, farther from it than its neighbours of the same document are. The same numbers and
seed give the same corpus.

Words are drawn by Zipf's law, two of three from all words of the language, the others from those of the topic; Chinese
ones have one to three characters and stand without spaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CHUNKS_PER_DOCUMENT = 10
ROWS_PER_TOPIC = 500
LATENT = 64
FEWEST_DIMENSIONS = LATENT + 2  # and what tells languages apart
SPECTRUM = 0.5  # variance of the i-th latent dimension: i ** -SPECTRUM
LANGUAGE_SHARE, TOPIC_SHARE, DOCUMENT_SHARE, PASSAGE_SHARE, NOISE_SHARE = 0.50, 0.12, 0.08, 0.14, 0.16
QUESTION_SHARE = 0.35  # of a question's square that is not its passage's

CHINESE = 0.3  # of the documents
WORDS = {"en": 200_000, "zh": 60_000}
WORDS_PER_PASSAGE = 90
TOPIC_WORDS = 40
FROM_TOPIC = 1 / 3
SYLLABLES = [c + v for c in "bcdfghjklmnprtvwz" for v in ("a", "e", "i", "o", "u", "an", "er")]
CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]


@dataclass(frozen=True, slots=True)
class Passages:
    """`vectors`: (n, dimension), norm 1. `first`: the number of the first of them; `words`: of each, before joining."""

    first: int
    vectors: Floats
    words: list[list[str]]
    languages: list[str]

    @property
    def texts(self) -> list[str]:
        return [
            spelled(words, language, self.first + place)
            for place, (words, language) in enumerate(zip(self.words, self.languages, strict=True))
        ]


def spelled(words: Sequence[str], language: str, number: int) -> str:
    """Words as a text; `number` stands in it, so that no two are equal."""
    if language == "zh":
        return "".join(words) + f"，编号 {number}。"
    return " ".join(words).capitalize() + f", number {number}."


@dataclass(frozen=True)
class Corpus:
    rows: int
    dimension: int
    seed: int = 1

    @property
    def documents(self) -> int:
        return -(-self.rows // CHUNKS_PER_DOCUMENT)

    def passages(self, batch: int = 5_000) -> Iterator[Passages]:
        """All of them, in order, `batch` (a multiple of CHUNKS_PER_DOCUMENT) at a time."""
        for first in range(0, self.rows, batch):
            yield self.some(first, min(batch, self.rows - first))

    def some(self, first: int, count: int) -> Passages:
        """`count` of them from the number `first` on, which begins a document. The same numbers give the same ones."""
        rng = np.random.default_rng((self.seed, 2, first))
        documents = np.arange(first, first + count) // CHUNKS_PER_DOCUMENT
        return Passages(
            first,
            self._vectors(rng, documents),
            self._words(rng, documents),
            ["zh" if self._is_chinese[document] else "en" for document in documents],
        )

    def questions(self, about: NDArray[np.float16] | Floats, count: int) -> Floats:
        """(count, dimension): near the rows of `about`, vectors of passages."""
        rng = np.random.default_rng((self.seed, 3))
        chosen = about[rng.integers(len(about), size=count)].astype(np.float32)
        aside = (rng.standard_normal((count, LATENT)) * self._scale @ self._directions).astype(np.float32)
        return unit((np.sqrt(1 - QUESTION_SHARE) * chosen + np.sqrt(QUESTION_SHARE) * unit(aside)).astype(np.float32))

    def words_asked(self, count: int, terms: int, kind: str, language: str = "en") -> list[str]:
        """`count` questions of `terms` words. `kind`: mixed (by their frequency, as in a text) or common (the most
        frequent thirty only)."""
        rng = np.random.default_rng((self.seed, 4, terms, len(kind), len(language)))
        vocabulary = self.vocabulary[language]
        joint = "" if language == "zh" else " "
        asked = []
        for _ in range(count):
            topic = self._topic_words[rng.integers(self._topics)] % len(vocabulary)
            if kind == "common":
                places = rng.choice(30, size=terms, replace=False)
            else:
                own = rng.choice(topic, size=max(1, terms // 4), replace=False)
                places = np.concatenate([own, self._ranks(rng, language, terms - len(own))])
            asked.append(joint.join(vocabulary[place] for place in places))
        return asked

    def chinese_rows(self) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = np.repeat(self._is_chinese, CHUNKS_PER_DOCUMENT)[: self.rows]
        return chosen

    # --- vectors ---------------------------------------------------------------------------------------

    def _vectors(self, rng: np.random.Generator, documents: NDArray[np.int64]) -> Floats:
        distinct, places = np.unique(documents, return_inverse=True)
        document_rng = np.random.default_rng((self.seed, 5, int(distinct[0])))
        near = document_rng.standard_normal((len(distinct), LATENT), dtype=np.float32) * self._scale
        own = rng.standard_normal((len(documents), LATENT), dtype=np.float32) * self._scale
        latent = np.sqrt(TOPIC_SHARE) * self._centres[self._topic_of[documents]]
        latent += np.sqrt(DOCUMENT_SHARE) * near[places] + np.sqrt(PASSAGE_SHARE) * own
        noise = rng.standard_normal((len(documents), self.dimension), dtype=np.float32)
        vectors: Floats = latent @ self._directions + np.sqrt(NOISE_SHARE / self.dimension) * noise
        vectors += np.sqrt(LANGUAGE_SHARE) * self._offsets[self._is_chinese[documents].astype(int)]
        return unit(vectors)

    @cached_property
    def _scale(self) -> Floats:
        """Of the latent dimensions; the squares sum to 1."""
        variances = np.arange(1, LATENT + 1, dtype=np.float32) ** -SPECTRUM
        scale: Floats = np.sqrt(variances / variances.sum())
        return scale

    @cached_property
    def _directions(self) -> Floats:
        """(LATENT, dimension), orthonormal rows."""
        rng = np.random.default_rng((self.seed, 6))
        square = np.linalg.qr(rng.standard_normal((self.dimension, LATENT + 2)))[0]
        directions: Floats = square.T.astype(np.float32)[:LATENT]
        return directions

    @cached_property
    def _offsets(self) -> Floats:
        """(2, dimension): what all models' vectors share, and what tells English from Chinese."""
        rng = np.random.default_rng((self.seed, 6))
        square = np.linalg.qr(rng.standard_normal((self.dimension, LATENT + 2)))[0].T.astype(np.float32)
        sides = np.array([[0.95, 0.3], [0.95, -0.3]], np.float32)
        return unit(sides @ square[LATENT:])

    @property
    def _topics(self) -> int:
        return max(self.rows // ROWS_PER_TOPIC, 8)

    @cached_property
    def _centres(self) -> Floats:
        rng = np.random.default_rng((self.seed, 7))
        centres: Floats = rng.standard_normal((self._topics, LATENT), dtype=np.float32) * self._scale
        return centres

    @cached_property
    def _topic_of(self) -> NDArray[np.int64]:
        """document -> topic; the largest topics hold several times as many as the smallest."""
        rng = np.random.default_rng((self.seed, 8))
        weights = rng.exponential(size=self._topics) + 0.2
        return rng.choice(self._topics, size=self.documents, p=weights / weights.sum())

    @cached_property
    def _is_chinese(self) -> NDArray[np.bool_]:
        """By document: a topic is written about in both languages."""
        chosen: NDArray[np.bool_] = np.random.default_rng((self.seed, 9)).random(self.documents) < CHINESE
        return chosen

    # --- words -----------------------------------------------------------------------------------------

    def _words(self, rng: np.random.Generator, documents: NDArray[np.int64]) -> list[list[str]]:
        lengths = rng.integers(WORDS_PER_PASSAGE // 2, WORDS_PER_PASSAGE * 3 // 2, size=len(documents))
        made = []
        for document, length in zip(documents, lengths, strict=True):
            language = "zh" if self._is_chinese[document] else "en"
            vocabulary = self.vocabulary[language]
            places = self._ranks(rng, language, int(length))
            topical = rng.random(length) < FROM_TOPIC
            topic = self._topic_words[self._topic_of[document]] % len(vocabulary)
            places[topical] = topic[(TOPIC_WORDS * rng.random(topical.sum()) ** 2).astype(int)]
            made.append([vocabulary[place] for place in places])
        return made

    def _ranks(self, rng: np.random.Generator, language: str, count: int) -> NDArray[np.int64]:
        """Places in the vocabulary, by Zipf's law."""
        cumulated = self._zipf[language]
        places: NDArray[np.int64] = np.searchsorted(cumulated, rng.random(count) * cumulated[-1])
        return places

    @cached_property
    def _zipf(self) -> dict[str, NDArray[np.float64]]:
        return {language: np.cumsum(1 / (np.arange(size) + 2.7)) for language, size in WORDS.items()}

    @cached_property
    def vocabulary(self) -> dict[str, list[str]]:
        """Language -> its distinct words, the most frequent first; frequent ones are short."""
        rng = np.random.default_rng((self.seed, 10))
        return {
            "en": _distinct(rng, SYLLABLES, WORDS["en"], (2, 2, 3, 3, 4)),
            "zh": _distinct(rng, CHARACTERS, WORDS["zh"], (1, 2, 2, 2, 3)),
        }

    @cached_property
    def _topic_words(self) -> NDArray[np.int64]:
        """(topics, TOPIC_WORDS): places of words that are neither the most common nor the rarest."""
        rng = np.random.default_rng((self.seed, 11))
        return rng.integers(100, WORDS["zh"], size=(self._topics, TOPIC_WORDS))


def unit(vectors: Floats) -> Floats:
    """Of norm 1, by rows."""
    normalized: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return normalized


def local_intrinsic_dimension(distances: NDArray[np.float64]) -> float:
    """The median over rows of Levina and Bickel's estimate. `distances`: (n, k) to the k nearest others, ascending."""
    ratios = np.log(distances[:, -1:] / np.maximum(distances[:, :-1], 1e-9))
    return float(np.median(1 / ratios.mean(axis=1)))


def _distinct(rng: np.random.Generator, parts: Sequence[str], count: int, lengths: Sequence[int]) -> list[str]:
    """Words of so many `parts`; the frequent ones are short."""
    words: dict[str, None] = {}
    while len(words) < count:
        place = len(lengths) * (0.3 * len(words) / count + 0.7 * rng.random())
        words["".join(parts[part] for part in rng.integers(len(parts), size=lengths[int(place)]))] = None
    return list(words)
