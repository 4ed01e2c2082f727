"""Measuring a site: its evaluation sets put to a generation, stored, and compared with what was measured before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.search import searching
from kb_pipeline.quality.evaluation import OVERALL, Evaluation, Gains, Scores, compare, evaluate
from kb_pipeline.quality.measures import Measured
from kb_pipeline.quality.places import locate
from kb_pipeline.search.glossary import load_glossary
from kb_pipeline.store.generations import active_generations, named_generation
from kb_pipeline.store.quality import evaluations as store
from kb_pipeline.store.quality.evaluations import Result
from kb_pipeline.store.quality.questions import questions_of, sets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.quality.places import Located
    from kb_pipeline.site import Site
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.quality.questions import Split


@dataclass(frozen=True, slots=True)
class Way:
    """How questions are asked: of which generation (None: those that are searched, as people ask; else only questions
    that it can answer), with which weight of meaning (None: that of the settings), in which collections (none: all;
    else only questions that these answer)."""

    generation: str | None = None
    weight: float | None = None
    collections: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.generation} at weight {self.weight:g}" if self.weight is not None else str(self.generation)


@dataclass(frozen=True, slots=True)
class SetMeasured:
    """`compared_with` and `gains`: where it was compared with something; `id`: of what was stored."""

    id: int
    name: str
    split: Split | None
    way: Way
    evaluation: Evaluation
    compared_with: str | None = None
    gains: Gains | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "set": self.name,
            "split": self.split,
            "generation": self.evaluation.generation,
            "weight": self.way.weight,
            "asked": len(self.evaluation.outcomes),
            "gone": len(self.evaluation.unasked),
            "coverage": self.evaluation.coverage,
            "figures": _plain(self.evaluation),
            "compared_with": self.compared_with,
            "gains": self.gains
            and {part: {name: asdict(gain) for name, gain in found.items()} for part, found in self.gains.items()},
        }


def measured_sets(site: Site, name: str | None) -> list[str]:
    """The sets that are meant: `name`, or all. Raises SettingsError where there is none."""
    with site.connect() as connection:
        known = [found.name for found in sets(connection)]
    if not known:
        raise SettingsError("There is no evaluation set yet; make one with kb eval import.")
    return [name] if name is not None else known


def measure(
    site: Site,
    name: str,
    way: Way = Way(),
    *,
    split: Split | None = None,
    against: Way | None = None,
    embedder: Callable[[], EmbeddingClient] | None = None,
    other_embedder: Callable[[], EmbeddingClient] | None = None,
) -> SetMeasured:
    """Ask the questions of the set `name`, those of `split` alone where it is given, and store what came of it.

    `against`: another way, which is measured first; what was stored of it is taken where its model is not served any
    more. `embedder`: of another server than the settings', `other_embedder`: the same for `against`. Raises
    SettingsError, GenerationMismatch, EmbeddingServerUnavailable.
    """
    before = None if against is None else _scores(site, name, against, split, other_embedder)
    found, evaluation = _measured(site, name, way, split, embedder)
    gains = None if before is None else compare(evaluation.slices, before, evaluation.scores)
    return SetMeasured(found, name, split, way, evaluation, str(against) if against else None, gains)


def since_last(site: Site, name: str) -> Gains | None:
    """What became of the questions of a set between the last two times that it was measured, by whatever generation;
    None before the second."""
    with site.connect() as connection:
        now = store.last(connection, name)
        before = now and store.last(connection, name, before=now.id)
        if now is None or before is None:
            return None
        first, second = _stored_scores(connection, before.id), _stored_scores(connection, now.id)
    return compare({OVERALL: tuple(second)}, first, second)


def _scores(
    site: Site, name: str, way: Way, split: Split | None, embedder: Callable[[], EmbeddingClient] | None
) -> Scores:
    with site.connect() as connection:
        asked = _asked(connection, way.generation)
        are_served = all(
            site.embedding_of(each.collection).identity.fingerprint == each.model_fingerprint for each in asked
        )
        if not are_served and way.weight is None and embedder is None:
            stored = store.last(connection, name, generation=_names(asked))
            if stored is not None:
                return _stored_scores(connection, stored.id)
    return _measured(site, name, way, split, embedder)[1].scores


def _measured(
    site: Site,
    name: str,
    way: Way,
    split: Split | None,
    embedder: Callable[[], EmbeddingClient] | None,
) -> tuple[int, Evaluation]:
    glossary = load_glossary(site.settings.glossary.file)
    with site.connect() as connection:
        asked = _asked(connection, way.generation)
        elsewhere = _elsewhere(connection, asked)
        questions = [each for each in questions_of(connection, name) if split in (None, each.split)]
        if not questions:
            raise SettingsError(f"The set {name} has no question{f' in {split}' if split else ''}; import some.")
        among = way.collections or tuple(each.collection for each in asked[:1] if way.generation and each.collection)
        located = [each for each in locate(connection, questions) if _is_in(each, among, elsewhere)]
    ask = searching(site, weight=way.weight, embedder=embedder)
    evaluation = evaluate(located, ask, _names(asked), glossary, generation=way.generation, collections=way.collections)
    if not evaluation.outcomes:
        raise SettingsError(
            f"None of the {len(located):,} questions of {name} has its documents here; ingest them, or import the set "
            "again."
        )
    about = {
        "set_name": name,
        "split": split,
        "generation": evaluation.generation,
        "model": ", ".join(dict.fromkeys(each.model for each in asked)),
        "fusion_weight": way.weight,
        "asked": len(evaluation.outcomes),
        "gone": len(evaluation.unasked),
        "figures": _plain(evaluation),
    }
    with site.connect() as connection:
        return store.record(connection, about, _results(evaluation)), evaluation


def _is_in(located: Located, collections: Sequence[str], elsewhere: frozenset[str]) -> bool:
    """Whether one of `collections` (none: any) answers it, that is not `elsewhere` alone."""
    if located.collections and elsewhere.issuperset(located.collections):
        return False
    return not collections or not set(collections).isdisjoint(located.collections)


def _asked(connection: Connection, name: str | None) -> list[Generation]:
    """The generation of that name, or those that are searched."""
    found = active_generations(connection) if name is None else [named_generation(connection, name)]
    if not found:
        raise SettingsError("Nothing is searched yet; run kb ingest first.")
    return found


def _elsewhere(connection: Connection, asked: Sequence[Generation]) -> frozenset[str]:
    """The collections that have an active generation of their own, where none of `asked` is for them."""
    own = {each.collection for each in active_generations(connection) if each.collection is not None}
    return frozenset(own - {each.collection for each in asked})


def _names(asked: Sequence[Generation]) -> str:
    return ", ".join(each.name for each in asked)


def _results(evaluation: Evaluation) -> Sequence[Result]:
    return [
        Result(question, found.places, list(found.ranks), found.ndcg, found.is_split)
        for question, found in evaluation.scores.items()
    ]


def _stored_scores(connection: Connection, evaluation: int) -> Scores:
    return {
        result.question_id: Measured(tuple(result.ranks), result.places, result.ndcg, result.is_split)
        for result in store.results(connection, evaluation)
    }


def _plain(evaluation: Evaluation) -> dict[str, dict[str, dict[str, float]]]:
    return {
        part: {measure: asdict(figure) for measure, figure in found.items()}
        for part, found in evaluation.figures().items()
    }
