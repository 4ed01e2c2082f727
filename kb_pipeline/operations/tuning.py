"""Tuning the embedding model to a site's own questions, from what was mined; see `quality.tuning`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.chunking.chunks import embedded_text
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import GenerationMismatch, NothingToLearn, SettingsError
from kb_pipeline.operations.mining import triplets
from kb_pipeline.quality.measures import DEPTH, measured, ranked
from kb_pipeline.quality.places import Located, locate
from kb_pipeline.quality.tuning.adapter import set_scale
from kb_pipeline.quality.tuning.examples import Example, Passage, require_enough
from kb_pipeline.quality.tuning.folder import TunedModel, models_folder, save_tuned, tuned_models
from kb_pipeline.quality.tuning.memory import require_memory
from kb_pipeline.quality.tuning.trainee import Trainee, load_trainee
from kb_pipeline.quality.tuning.training import Trained, TuningSettings, embedded, fitting, train
from kb_pipeline.store import search as rows
from kb_pipeline.store.conditions import EVERYTHING
from kb_pipeline.store.generations import active_generation
from kb_pipeline.store.quality.negatives import scored
from kb_pipeline.store.quality.questions import questions_of, sets
from kb_pipeline.store.quality.stored_vectors import stored_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.quality.tuning.training import Embed, Epoch
    from kb_pipeline.site import Site
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

CANDIDATES = 100  # passages near to each dev question that it is measured among, with its answers
DEFAULTS = TuningSettings()
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Tuning:
    """`model`: None where nothing was gained, and then nothing is kept. `curve`: length of the vectors → nDCG@10 on the
    dev questions before and after, by meaning alone; `by_set`: the same at full length, of each evaluation set, so that
    one of general questions shows what was forgotten."""

    model: TunedModel | None
    trained: Trained
    examples: int
    dev_questions: int
    curve: dict[int, tuple[float, float]]
    by_set: dict[str, tuple[float, float]]


def tune(
    site: Site,
    name: str,
    settings: TuningSettings = DEFAULTS,
    *,
    model: str | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
) -> Tuning:
    """Train an adapter on what `kb mine` stored, and keep it as `name` where it is better on the dev questions.

    `model`: where its weights are, if not where the embedding server has them. A killed run goes on when it is called
    again alike. Raises NothingToLearn where there is too little to learn from, before a model is loaded; SettingsError,
    GenerationMismatch, EmbeddingServerUnavailable.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name for a model; use small letters, digits, - and _, at most 40.")
    if (models_folder(site.settings.home_path) / name).exists():
        raise SettingsError(f"There is a tuned model {name} already; choose another name.")
    client = site.embedding
    with site.connect() as connection:
        generation = active_generation(connection)
        if generation is None:
            raise SettingsError("Nothing is searched yet; run kb ingest first.")
        if client.identity.fingerprint != generation.model_fingerprint:
            raise GenerationMismatch(generation.name, generation.model, client.identity.name)
        examples = _examples(site, connection, client, generation)
        require_enough(examples)
        dev = _dev(connection, client, generation)
    settings = fitting(settings, client.identity.native_dimension)
    trainee = load_trainee(client.identity.name, weights=model or client.identity.tokenizer)
    require_memory(trainee, settings)
    checkpoint = models_folder(site.settings.home_path) / f".{name}.pt"
    trained = train(
        trainee,
        examples,
        settings,
        measure=lambda embed: dev.ndcg(embed, settings.side),
        checkpoint=checkpoint,
        report=report,
    )
    curve, by_set = _before_and_after(trainee, dev, settings, trained.scale)
    facts = {
        "generation": generation.name,
        "examples": len(examples),
        "dev_questions": len(dev.located),
        "curve": {str(length): ndcg for length, ndcg in curve.items()},
        "by_set": by_set,
    }
    kept = None
    if trained.gained:
        folder, probes = models_folder(site.settings.home_path) / name, [example.query for example in examples[:8]]
        kept = save_tuned(trainee, trained, settings, folder, probes=probes, facts=facts)
    checkpoint.unlink(missing_ok=True)
    return Tuning(kept, trained, len(examples), len(dev.located), curve, by_set)


@dataclass(frozen=True, slots=True)
class _Dev:
    """The dev questions as the model reads them, each with its set, and the passages that they are measured among."""

    queries: tuple[str, ...]
    sets: tuple[str, ...]
    located: tuple[Located, ...]
    passages: tuple[tuple[int, str], ...]
    texts: tuple[str, ...]
    vectors: NDArray[np.float32]  # (passages, native dimension), as they are stored

    def ndcg(self, embed: Embed, side: str) -> float:
        """The mean of nDCG@10."""
        return float(np.mean(self.each(embed, side)))

    def each(self, embed: Embed, side: str, length: int | None = None) -> NDArray[np.float64]:
        """Question by question, with vectors cut to `length`."""
        passages = embed(self.texts) if side == "both" else self.vectors
        length = length or passages.shape[1]
        scores = to_dimension(embed(self.queries), length) @ to_dimension(passages, length).T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
        return np.array(
            [
                measured(found.places, ranked(found.places, [frozenset({self.passages[at]}) for at in row])).ndcg
                for found, row in zip(self.located, best.tolist(), strict=True)
            ]
        )


def _examples(site: Site, connection: Connection, client: EmbeddingClient, generation: Generation) -> list[Example]:
    """What was mined, with the stored vectors; passages that have none yet are left out."""
    found = triplets(site)
    texts = {text for triplet in found for text in (triplet.positive, *triplet.negatives)}
    vectors = _vectors(connection, generation, sorted(texts))
    profile = client.identity.profile

    def passage(text: str) -> Passage:
        return Passage(profile.document_text(text), vectors[text])

    return [
        Example(
            profile.query_text(triplet.query, generation.query_instruction),
            passage(triplet.positive),
            tuple(passage(text) for text in triplet.negatives if text in vectors),
        )
        for triplet in found
        if triplet.positive in vectors
    ]


def _dev(connection: Connection, client: EmbeddingClient, generation: Generation) -> _Dev:
    """Raises NothingToLearn where no evaluation set has questions that choose."""
    set_of = {
        question.id: known.name for known in sets(connection) for question in questions_of(connection, known.name)
    }
    questions = [question for question in questions_of(connection) if question.split == "dev"]
    asked: list[Located] = []
    near: dict[tuple[int, str], str] = {}
    for found in locate(connection, questions):
        native = client.embed_query(found.question.question, generation.query_instruction)
        vector = to_dimension(native[np.newaxis, :], generation.dimension)[0]
        with rows.snapshot(connection, depth=CANDIDATES):
            answers = [passage for place in found.places for passage in place.passages]
            ids = scored(connection, generation, vector, answers)
            if not ids:
                continue  # gone, or of a collection with a generation of its own
            asked.append(found)
            ids |= dict(rows.nearest(connection, generation, vector, EVERYTHING, CANDIDATES))
            for row in rows.rows(connection, generation, list(ids)).values():
                near[row.document_id, row.chunk_key] = embedded_text(row.section_path, row.content)
    if not asked:
        raise NothingToLearn(
            "No evaluation set has questions in its part dev, by which training is judged; make one with "
            "kb eval import."
        )
    vectors = _vectors(connection, generation, sorted(set(near.values())))
    passages = [passage for passage, text in near.items() if text in vectors]
    profile = client.identity.profile
    return _Dev(
        tuple(profile.query_text(found.question.question, generation.query_instruction) for found in asked),
        tuple(set_of[found.question_id] for found in asked),
        tuple(asked),
        tuple(passages),
        tuple(profile.document_text(near[passage]) for passage in passages),
        np.stack([vectors[near[passage]] for passage in passages]),
    )


def _vectors(connection: Connection, generation: Generation, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Text → its native vector, of those that are stored."""
    hashes = {hashlib.sha256(text.encode()).digest(): text for text in texts}
    found = stored_vectors(connection, generation.model_fingerprint, list(hashes))
    return {hashes[key]: vector for key, vector in found.items()}


def _before_and_after(
    trainee: Trainee, dev: _Dev, settings: TuningSettings, scale: float
) -> tuple[dict[int, tuple[float, float]], dict[str, tuple[float, float]]]:
    """`Tuning.curve` and `Tuning.by_set`."""

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return embedded(trainee, texts, settings.batch_size)

    def at(scale: float) -> dict[int, NDArray[np.float64]]:
        set_scale(trainee.model, scale)
        return {length: dev.each(embed, settings.side, length) for length in settings.dimensions}

    before, after = at(0.0), at(scale)
    longest = settings.dimensions[0]
    members = {name: [place for place, its in enumerate(dev.sets) if its == name] for name in sorted(set(dev.sets))}
    return (
        {length: (float(before[length].mean()), float(after[length].mean())) for length in settings.dimensions},
        {
            name: (float(before[longest][places].mean()), float(after[longest][places].mean()))
            for name, places in members.items()
        },
    )


def tuned(site: Site) -> list[TunedModel]:
    """The models that were kept, by name."""
    return tuned_models(models_folder(site.settings.home_path))


def as_record(tuning: Tuning) -> dict[str, object]:
    """For people and programs to read."""
    return {
        "model": tuning.model and str(tuning.model.serve),
        "side": tuning.model and tuning.model.side,
        "examples": tuning.examples,
        "dev_questions": tuning.dev_questions,
        "history": [asdict(epoch) for epoch in tuning.trained.history],
        "scale": tuning.trained.scale,
        "dev_by_scale": {str(scale): ndcg for scale, ndcg in tuning.trained.dev_by_scale.items()},
        "curve": {str(length): {"before": before, "after": after} for length, (before, after) in tuning.curve.items()},
        "by_set": {name: {"before": before, "after": after} for name, (before, after) in tuning.by_set.items()},
    }
