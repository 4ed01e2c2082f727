"""Training an adapter: epochs over the examples, stopped when the dev questions gain no more.

A run can be killed at any moment: after each epoch all that it depends on is written to one file, and the same call
goes on from there. With the same examples and settings it ends the same on the same machine.

Terms
  measure   how good a model is on the dev questions; larger is better. It gets two functions, which embed queries and
            passages with the model as it is at that moment.
  scale     how much of the trained adapter is kept. Less than all of it guards against forgetting what the model knew
            (Wortsman et al. 2022, on weights between a model and its tuned self).
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kb_pipeline.errors import SettingsError
from kb_pipeline.quality.tuning.adapter import set_scale, trained_parameters, with_adapter
from kb_pipeline.quality.tuning.examples import examples_id
from kb_pipeline.quality.tuning.loss import ranking_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kb_pipeline.quality.tuning.examples import Example, Passage
    from kb_pipeline.quality.tuning.trainee import Trainee

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]
    Measure = Callable[[Embed], float]

SCALES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """`batch_size`: queries. `patience`: epochs without a gain until it stops. `dimensions`: the lengths of vectors
    that have to work, the longest first."""

    side: str = "query"
    layers: int = 2
    rank: int = 32
    epochs: int = 6
    patience: int = 2
    batch_size: int = 32
    learning_rate: float = 5e-4
    temperature: float = 0.02
    dimensions: tuple[int, ...] = (384, 256, 128, 64)
    seed: int = 20


@dataclass(frozen=True, slots=True)
class Epoch:
    """`number` counts from 1; 0 is the model before training, which has no loss."""

    number: int
    loss: float | None
    dev: float

    def __str__(self) -> str:
        loss = "before training" if self.loss is None else f"loss {self.loss:.4f}"
        return f"Epoch {self.number}: {loss}, dev nDCG@10 {self.dev:.4f}"


@dataclass(frozen=True, slots=True)
class Trained:
    """`scale`: the one that was best on the dev questions; 0 when none was better than the model before training."""

    history: tuple[Epoch, ...]
    scale: float
    dev_by_scale: dict[float, float]

    @property
    def gained(self) -> bool:
        return self.scale > 0


def train(
    trainee: Trainee,
    examples: Sequence[Example],
    settings: TuningSettings,
    *,
    measure: Measure,
    checkpoint: Path,
    report: Callable[[Epoch], None] = lambda _: None,
) -> Trained:
    """Put an adapter around the trainee's model and train it; afterwards it holds the best epoch's at the best scale.

    `checkpoint`: the file that a killed run goes on from. Raises SettingsError when it is of another run.
    """
    trainee.model = with_adapter(trainee.model, settings.rank, settings.layers, settings.seed)
    run = _Run(trainee, examples, settings, measure)
    run.resume(checkpoint)
    for epoch in run.history:
        report(epoch)
    while not run.finished:
        report(run.epoch())
        run.save(checkpoint)
    return run.result()


class _Run:
    """What changes while training goes on."""

    def __init__(
        self, trainee: Trainee, examples: Sequence[Example], settings: TuningSettings, measure: Measure
    ) -> None:
        import torch

        self.history: list[Epoch] = []
        self._trainee = trainee
        self._examples = examples
        self._settings = settings
        self._measure = measure
        self._queries = trainee.tokenize([example.query for example in examples])
        self._parameters = trained_parameters(trainee.model)
        self._best = self._state()
        self._optimizer: Any = torch.optim.AdamW(self._parameters.values(), lr=settings.learning_rate)
        self._id = f"{trainee.base} {trainee.revision} {examples_id(examples)} {asdict(settings)}"

    @property
    def finished(self) -> bool:
        """All epochs are done, or the last ones brought nothing."""
        best = max(self.history, key=lambda epoch: epoch.dev, default=None)
        done = len(self.history) - 1
        return best is not None and (done >= self._settings.epochs or done - best.number >= self._settings.patience)

    def epoch(self) -> Epoch:
        """The next one; the first only measures."""
        loss = self._learn() if self.history else None
        epoch = Epoch(len(self.history), loss, self._dev())
        if all(epoch.dev > earlier.dev for earlier in self.history):
            self._best = self._state()
        self.history.append(epoch)
        return epoch

    def result(self) -> Trained:
        """Chooses the scale, and leaves the model with it."""
        self._set_state(self._best)
        before = self.history[0].dev
        by_scale = {}
        for scale in SCALES:
            set_scale(self._trainee.model, scale)
            by_scale[scale] = self._dev()
        best = max(SCALES, key=lambda scale: by_scale[scale])
        scale = best if by_scale[best] > before else 0.0
        set_scale(self._trainee.model, scale)
        return Trained(tuple(self.history), scale, by_scale)

    def save(self, file: Path) -> None:
        import torch

        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        torch.save(
            {
                "id": self._id,
                "history": [asdict(epoch) for epoch in self.history],
                "adapter": self._state(),
                "best": self._best,
                "optimizer": self._optimizer.state_dict(),
            },
            partial,
        )
        partial.replace(file)

    def resume(self, file: Path) -> None:
        import torch

        if not file.exists():
            return
        saved = torch.load(file, weights_only=True)
        if saved["id"] != self._id:
            raise SettingsError(
                f"{file} is of another training, with other examples or settings; remove it to start anew."
            )
        self.history = [Epoch(**epoch) for epoch in saved["history"]]
        self._best = saved["best"]
        self._set_state(saved["adapter"])
        self._optimizer.load_state_dict(saved["optimizer"])

    def _learn(self) -> float:
        """One pass over the examples, in an order that the epoch decides; the mean loss."""
        order = list(range(len(self._examples)))
        random.Random(self._settings.seed + len(self.history)).shuffle(order)  # noqa: S311 - repeatable, no secret
        size = self._settings.batch_size
        losses = [self._step(order[start : start + size]) for start in range(0, len(order), size)]
        return float(np.mean(losses))

    def _step(self, chosen: Sequence[int]) -> float:
        import torch

        examples = [self._examples[number] for number in chosen]
        passages, own, allowed = _candidates(examples)
        vectors = self._passages(passages)
        loss = ranking_loss(
            self._trainee.vectors([self._queries[number] for number in chosen]),
            vectors,
            torch.tensor(own, device=vectors.device),
            torch.from_numpy(allowed).to(vectors.device),
            temperature=self._settings.temperature,
            dimensions=self._settings.dimensions,
        )
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def _passages(self, passages: Sequence[Passage]) -> Any:
        import torch

        if self._settings.side == "both":
            return self._trainee.vectors(self._trainee.tokenize([passage.text for passage in passages]))
        device = next(iter(self._parameters.values())).device
        return torch.from_numpy(np.stack([passage.vector for passage in passages])).to(device)

    def _dev(self) -> float:
        return self._measure(lambda texts: embedded(self._trainee, texts, self._settings.batch_size))

    def _state(self) -> dict[str, Any]:
        return {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    def _set_state(self, state: dict[str, Any]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(state[name])


def embedded(trainee: Trainee, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
    """(texts, native dimension), in the order of `texts`; computed by length, so that little is padded."""
    import torch

    ids = trainee.tokenize(texts)
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    rows: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = [ids[number] for number in order[start : start + batch_size]]
            rows.append(trainee.vectors(batch).float().cpu().numpy())
    found = np.concatenate(rows)
    placed = np.empty_like(found)
    placed[order] = found
    return placed


def _candidates(examples: Sequence[Example]) -> tuple[list[Passage], list[int], NDArray[np.bool_]]:
    """The passages of a batch, each once; which of them answers each query; and which others are its negatives.

    What answers a query anywhere among the examples of the batch is no negative for it.
    """
    passages: dict[str, Passage] = {}
    for example in examples:
        for passage in (example.positive, *example.negatives):
            passages.setdefault(passage.text, passage)
    place = {text: number for number, text in enumerate(passages)}
    own = [place[example.positive.text] for example in examples]
    answers: dict[str, set[int]] = {}
    for example, number in zip(examples, own, strict=True):
        answers.setdefault(example.query, set()).add(number)
    allowed = np.ones((len(examples), len(passages)), np.bool_)
    for row, (example, number) in enumerate(zip(examples, own, strict=True)):
        allowed[row, list(answers[example.query] - {number})] = False
    return list(passages.values()), own, allowed


def fitting(settings: TuningSettings, native_dimension: int) -> TuningSettings:
    """The same with the lengths of vectors that a model of `native_dimension` has."""
    shorter = [length for length in settings.dimensions if length < native_dimension]
    return replace(settings, dimensions=(native_dimension, *shorter))
