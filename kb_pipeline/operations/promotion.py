"""Putting something better in the place of what is searched: measured on the frozen test, decided by the gate, stored.

A candidate is a generation, built by `kb generations build`, an adapter for queries, made by `kb tune`, or a weight of
meaning. The way back from the first two is `kb generations rollback`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kb_pipeline.embedding.models import QueryAdapter, same_model
from kb_pipeline.errors import GenerationMismatch, SettingsError
from kb_pipeline.operations.evaluation import Way, measure, measured_sets
from kb_pipeline.operations.generations import activate, require_finished
from kb_pipeline.quality.evaluation import OVERALL, compare
from kb_pipeline.quality.gate import MEASURE, Decision, decide
from kb_pipeline.quality.splits import leaks
from kb_pipeline.quality.statistics import figure
from kb_pipeline.quality.tuning.folder import models_folder, read_tuned
from kb_pipeline.site import connect_embedding
from kb_pipeline.store.generations import active_generation, named_generation, set_adapter
from kb_pipeline.store.quality import promotions as store
from kb_pipeline.store.quality.promotions import Promotion
from kb_pipeline.store.quality.questions import questions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.quality.evaluation import Evaluation, Gains
    from kb_pipeline.quality.tuning.folder import TunedModel
    from kb_pipeline.site import Site
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.quality.questions import Split

WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`promotion`: the row of the decision; `switched`: the candidate is what is searched now."""

    promotion: Promotion
    switched: bool
    waits_for_approval: bool = False


@dataclass(frozen=True, slots=True)
class WeightOutcome:
    """`dev`: weight → nDCG@10 on the questions that choose; `promotion`: None where the best is the present one."""

    collection: str | None
    present: float
    best: float
    dev: dict[float, float]
    promotion: Promotion | None


def promote(
    site: Site,
    candidate: str,
    *,
    set_name: str | None = None,
    approved_by: str | None = None,
    present_url: str | None = None,
) -> Outcome:
    """Measure generation `candidate` on the frozen test against the one that it would follow, and switch where it is
    better. What was decided and only waited for `approved_by` is not measured again.

    `present_url`: of the server that embeds queries for the one it would follow, where its model is another. Nothing is
    switched while the settings' embedding server runs another model than the candidate's. Raises SettingsError,
    GenerationMismatch, EmbeddingServerUnavailable; KbError where the candidate is incomplete.
    """
    with site.connect() as connection:
        generation = named_generation(connection, candidate)
        incumbent = active_generation(connection, generation.collection) or active_generation(connection)
    if incumbent is None:
        raise SettingsError("Nothing is searched yet, so nothing has to be better; use kb generations activate.")
    _require_ready(site, generation)
    decided = _waiting(site, generation.name, incumbent.name) if approved_by else None
    if decided is None:
        name = _the_set(site, set_name)
        among = (generation.collection,) if generation.collection else ()
        before, after = (Way(each, collections=among) for each in (incumbent.name, candidate))
        with _served_at(site, present_url) as present:
            measured = measure(site, name, after, split="test", against=before, other_embedder=present)
        decided = _record(site, candidate, incumbent.name, name, decide(_required(measured.gains)))
    if decided.verdict != "promoted":
        return Outcome(decided, switched=False)
    if site.settings.quality.approval and approved_by is None:
        return Outcome(decided, switched=False, waits_for_approval=True)
    activate(site, candidate, force=True)  # its answers were judged, which says more than how far both agree
    with site.connect() as connection:
        store.note_switch(connection, decided.id, by=approved_by)
        return Outcome(store.newest(connection, candidate=candidate)[0], switched=True)


def promote_adapter(site: Site, name: str, *, set_name: str | None = None, approved_by: str | None = None) -> Outcome:
    """The same for the tuned model `name` of side query: nothing is embedded again, and the generation that is searched
    stays; its queries go through the adapter where that is better.

    The embedding server is asked to load it first, so that nothing is switched where it cannot. Raises SettingsError,
    GenerationMismatch, EmbeddingServerUnavailable.
    """
    tuned = read_tuned(models_folder(site.settings.home_path) / name)
    adapter = QueryAdapter(tuned.name, str(tuned.serve))
    with site.connect() as connection:
        generation = active_generation(connection)
    if generation is None:
        raise SettingsError("Nothing is searched yet, so nothing has to be better; run kb ingest first.")
    _require_fitting(site, generation, tuned)
    candidate, incumbent = f"{generation.name} with {name}", _with_adapter(generation)
    decided = _waiting(site, candidate, incumbent) if approved_by else None
    if decided is None:
        which = _the_set(site, set_name)
        before = measure(site, which, Way(generation.name), split="test").evaluation
        client = site.embedding.adapted(adapter)
        after = measure(site, which, Way(generation.name), split="test", embedder=lambda: client).evaluation
        gains = compare(after.slices, before.scores, after.scores)
        decided = _record(site, candidate, incumbent, which, decide(_required(gains)))
    if decided.verdict != "promoted":
        return Outcome(decided, switched=False)
    if site.settings.quality.approval and approved_by is None:
        return Outcome(decided, switched=False, waits_for_approval=True)
    with site.connect() as connection:
        set_adapter(connection, generation, adapter)
        store.note_switch(connection, decided.id, by=approved_by)
        return Outcome(store.newest(connection, candidate=candidate)[0], switched=True)


def tune_weight(site: Site, *, collection: str | None = None, set_name: str | None = None) -> WeightOutcome:
    """The weight of meaning that answers best on the questions that choose, and whether the frozen test agrees that it
    is better than the present one. `collection`: of searches in this one alone."""
    name = _the_set(site, set_name)
    collections = (collection,) if collection else ()
    present = site.settings.fusion_weight_for(collections)

    def asked(weight: float, split: Split) -> Evaluation:
        return measure(site, name, Way(None, weight, collections), split=split).evaluation

    dev = {weight: _mean(asked(weight, "dev")) for weight in sorted({*WEIGHTS, present})}
    best = max(dev, key=lambda weight: (dev[weight], -abs(weight - present)))
    if best == present:
        return WeightOutcome(collection, present, best, dev, None)
    before, after = asked(present, "test"), asked(best, "test")
    decision = decide(compare(after.slices, before.scores, after.scores))
    where = f" of {collection}" if collection else ""
    promotion = _record(site, f"weight {best:g}{where}", f"weight {present:g}{where}", name, decision)
    return WeightOutcome(collection, present, best, dev, promotion)


def decisions(site: Site, limit: int) -> list[Promotion]:
    with site.connect() as connection:
        return store.newest(connection, limit=limit)


@contextmanager
def _served_at(site: Site, url: str | None) -> Iterator[Callable[[], EmbeddingClient] | None]:
    """A client of the embedding server at `url`, where one is named."""
    if url is None:
        yield None
        return
    settings = site.settings.model_copy(update={"embedding_url": url, "embedding_model": None})
    with connect_embedding(settings) as client:
        yield lambda: client


def _require_ready(site: Site, generation: Generation) -> None:
    if generation.state == "active":
        raise SettingsError(f"Generation {generation.name} is the one that is searched already.")
    with site.connect() as connection:
        require_finished(site, connection, generation)
    identity = site.embedding_of(generation.collection).identity
    if identity.fingerprint != generation.model_fingerprint:
        raise GenerationMismatch(generation.name, generation.model, identity.name)


def _require_fitting(site: Site, generation: Generation, tuned: TunedModel) -> None:
    if tuned.side != "query":
        raise SettingsError(
            f"{tuned.name} was tuned for queries and documents; set KB_EMBEDDING_MODEL to {tuned.serve}, run "
            "kb generations build, and promote what it builds."
        )
    identity = site.embedding.identity
    if identity.fingerprint != generation.model_fingerprint:
        raise GenerationMismatch(generation.name, generation.model, identity.name)
    if not same_model(tuned.base, generation.model):
        raise SettingsError(f"{tuned.name} was made from {tuned.base}, and what is searched is of {generation.model}.")
    if generation.query_adapter == tuned.name:
        raise SettingsError(f"Queries go through {tuned.name} already.")


def _with_adapter(generation: Generation) -> str:
    return f"{generation.name} with {generation.query_adapter}" if generation.query_adapter else generation.name


def _waiting(site: Site, candidate: str, incumbent: str) -> Promotion | None:
    """What was decided about the candidate and only waits for a person."""
    with site.connect() as connection:
        last = store.newest(connection, candidate=candidate, limit=1)
    if last and last[0].verdict == "promoted" and not last[0].switched_at and last[0].incumbent == incumbent:
        return last[0]
    return None


def _the_set(site: Site, name: str | None) -> str:
    known = measured_sets(site, name)
    if len(known) > 1:
        raise SettingsError(f"There are several evaluation sets; choose by --set: {', '.join(known)}.")
    return known[0]


def _record(site: Site, candidate: str, incumbent: str, set_name: str, decision: Decision) -> Promotion:
    with site.connect() as connection:
        about = asdict(decision) | {
            "candidate": candidate,
            "incumbent": incumbent,
            "set_name": set_name,
            "leaks": len(leaks(questions_of(connection, set_name))),
        }
        store.record(connection, about)
        return store.newest(connection, candidate=candidate)[0]


def _required(gains: Gains | None) -> Gains:
    if not gains or OVERALL not in gains:
        raise SettingsError(
            "No question of the frozen test was asked of both; measure the generation that is searched with kb eval "
            "while its model is served, then try again."
        )
    return gains


def _mean(evaluation: Evaluation) -> float:
    return figure([found.value(MEASURE) for found in evaluation.scores.values()]).mean
