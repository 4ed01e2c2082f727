"""What an embedding model is good for, measured on a few sentences instead of believed.

Terms
  found       the share of sentences that are nearest to their own counterpart among all counterparts: 1.0 is
              perfect, chance is one by the number of statements. Only ranks are compared, since the cosines of
              one model say nothing about those of another.
  same language   the counterpart says the same in other words; a model that fails does not speak the language.
  cross-lingual   the counterpart is the translation.
  truncation  the same again with the first numbers of each vector only: which dimension is still enough.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.client import EmbeddedText
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from kb_pipeline.embedding.client import EmbeddingClient

LANGUAGES = ("zh", "en")
DIMENSIONS = (32, 64, 128, 256, 512, 1024, 2048)
SPEAKS = 0.75  # found in the same language; models that were not trained on a language reach half of that
TRANSLATES = 0.75  # found across languages


@dataclass(frozen=True, slots=True)
class Question:
    matter: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class TruncationPoint:
    """`found`: in the same language, over those that the model speaks. `agreement`: correlation of all similarities
    with those at full dimension."""

    dimension: int
    found: float
    agreement: float


@dataclass(frozen=True, slots=True)
class ModelReport:
    """`same_language`: found, by language. `plain`, `instructed`: cosines of the questions, (n, n), without and with
    the instruction; the same where the model takes none."""

    model: str
    native_dimension: int
    takes_instruction: bool
    same_language: dict[str, float]
    cross_lingual: float
    questions: tuple[Question, ...]
    plain: list[list[float]]
    instructed: list[list[float]]
    truncation: tuple[TruncationPoint, ...]

    def speaks(self, language: str) -> bool:
        return self.same_language[language] >= SPEAKS

    @property
    def translates(self) -> bool:
        return self.cross_lingual >= TRANSLATES

    @property
    def sorts_questions(self) -> bool:
        """Is each question, with the instruction, nearest to the one of the same matter in the other language?"""
        cosines = np.array(self.instructed) - 2 * np.eye(len(self.questions))
        nearest = cosines.argmax(axis=1)
        return all(self.questions[a].matter == self.questions[b].matter for a, b in enumerate(nearest))

    def lines(self) -> Iterator[str]:
        """What a person reads below the verdicts: the questions' cosines, and what truncation costs."""
        yield "\nCosines of four legal questions"
        yield from (f"  {n}  {q.matter} ({q.language}): {q.text}" for n, q in enumerate(self.questions, start=1))
        matrices = [("without instruction", self.plain)]
        if self.takes_instruction:
            matrices.append(("with instruction", self.instructed))
        for name, matrix in matrices:
            yield f"\n  {name}"
            yield "   " + "".join(f"{n:>8}" for n in range(1, len(matrix) + 1))
            yield from (f"  {n}" + "".join(f"{c:8.2f}" for c in row) for n, row in enumerate(matrix, start=1))
        yield "\nDimensions that are kept: sentences found by their own words, and agreement with full vectors"
        yield from (f"{p.dimension:>7}{p.found:>8.0%}{p.agreement:>8.3f}" for p in self.truncation)


def check_model(client: EmbeddingClient, instruction: str) -> ModelReport:
    """Embed the sentences and questions, and measure. Raises EmbeddingServerUnavailable."""
    data = _data()
    statements = data["statements"]
    texts = {name: [row[name] for row in statements] for name in ("zh", "zh_again", "en", "en_again")}
    questions = tuple(Question(**row) for row in data["questions"])
    texts["questions"] = [question.text for question in questions]
    vectors = _embed(client, texts)
    instructed = np.stack([client.embed_query(question.text, instruction) for question in questions])
    same_language = {language: _same_language(vectors, language) for language in LANGUAGES}
    spoken = [language for language in LANGUAGES if same_language[language] >= SPEAKS] or list(LANGUAGES)
    identity = client.identity
    return ModelReport(
        model=identity.name,
        native_dimension=identity.native_dimension,
        takes_instruction=identity.profile.takes_instruction,
        same_language=same_language,
        cross_lingual=(found(vectors["zh"], vectors["en"]) + found(vectors["en"], vectors["zh"])) / 2,
        questions=questions,
        plain=_cosines(vectors["questions"]),
        instructed=_cosines(instructed),
        truncation=tuple(
            _truncated(vectors, spoken, dimension)
            for dimension in (*(d for d in DIMENSIONS if d < identity.native_dimension), identity.native_dimension)
        ),
    )


def found(sentences: NDArray[np.float32], counterparts: NDArray[np.float32]) -> float:
    """The share of rows whose nearest counterpart is their own; see the module's docstring."""
    nearest = (sentences @ counterparts.T).argmax(axis=1)
    return float((nearest == np.arange(len(sentences))).mean())


def _same_language(vectors: dict[str, NDArray[np.float32]], language: str) -> float:
    one, other = vectors[language], vectors[f"{language}_again"]
    return (found(one, other) + found(other, one)) / 2


def _truncated(vectors: dict[str, NDArray[np.float32]], languages: Sequence[str], dimension: int) -> TruncationPoint:
    cut = {name: to_dimension(rows, dimension) for name, rows in vectors.items()}
    every, every_cut = (
        np.vstack([rows[f"{language}{end}"] for language in languages for end in ("", "_again")])
        for rows in (vectors, cut)
    )
    pairs = np.triu_indices(len(every), k=1)
    agreement = np.corrcoef((every @ every.T)[pairs], (every_cut @ every_cut.T)[pairs])[0, 1]
    share = sum(_same_language(cut, language) for language in languages) / len(languages)
    return TruncationPoint(dimension, round(share, 3), round(float(agreement), 3))


def _embed(client: EmbeddingClient, texts: dict[str, list[str]]) -> dict[str, NDArray[np.float32]]:
    """name -> (n, native dimension), as documents are embedded."""
    keyed = [(f"{name}/{row}".encode(), text) for name, rows in texts.items() for row, text in enumerate(rows)]
    vectors: dict[bytes, NDArray[np.float32]] = {}
    for result in client.embed(keyed):
        if not isinstance(result, EmbeddedText):
            raise EmbeddingServerUnavailable(
                f"The embedding server does not embed an ordinary sentence ({result.reason}); look at its log."
            )
        vectors[result.key] = result.vector
    return {
        name: np.stack([vectors[f"{name}/{row}".encode()] for row in range(len(rows))]) for name, rows in texts.items()
    }


def _cosines(vectors: NDArray[np.float32]) -> list[list[float]]:
    cosines: list[list[float]] = np.round((vectors @ vectors.T).astype(np.float64), 3).tolist()
    return cosines


@cache
def _data() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads(files("kb_pipeline.embedding").joinpath("model_check.toml").read_text("utf-8"))
