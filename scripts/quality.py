"""What `make quality` does: the quality loop from the first measurement to the gate, on the papers of an invented bank.

Its KB_HOME is a temporary folder, in which nothing of yours is read, and which is gone at the end. Two colleagues who
know the bank play the reviewers. Tuning needs the extra finetune; all other steps do without.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from kb_pipeline.cli.app import run_command
from kb_pipeline.defs.execute import run_job
from kb_pipeline.errors import NothingToLearn
from kb_pipeline.operations import feedback, generations
from kb_pipeline.operations.evaluation import measure
from kb_pipeline.operations.ingest import ingest
from kb_pipeline.operations.mining import mine_and_store
from kb_pipeline.operations.promotion import promote, promote_adapter, tune_weight
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.operations.search import Ask, searching
from kb_pipeline.operations.tuning import tune
from kb_pipeline.quality.evaluation import OVERALL
from kb_pipeline.quality.gate import MEASURE
from kb_pipeline.quality.tuning.training import TuningSettings
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import Hit
from kb_pipeline.services.daemon import stop_all
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site, open_site
from kb_pipeline.store.feedback import Judgment, record
from kb_pipeline.store.quality import evaluations
from kb_pipeline.store.quality.promotions import Promotion
from scripts.invented_bank import PAGES, Asked, write

SET = "bank"
MODEL = "house"
REVIEWERS = ("ann", "bob")  # two independent people make a judgment
FEWER = 64  # dimensions of a candidate that ought to lose
SETTINGS = TuningSettings(epochs=20, learning_rate=1.5e-3)
NEEDED = ("torch", "transformers", "sentence_transformers", "peft")


def main() -> int:
    started = time.monotonic()
    with alone() as folder, open_site(load_settings(home=folder / "kb")) as site:
        tell_the_story(site, folder)
    print(f"\nDone in {time.monotonic() - started:.0f} s; nothing was left behind.")
    return 0


@contextmanager
def alone() -> Iterator[Path]:
    """A temporary folder to work in, out of reach of the settings of whoever runs this."""
    for name in [name for name in os.environ if name.startswith(("KB_", "DAGSTER_"))]:
        del os.environ[name]
    folder, before = Path(tempfile.mkdtemp(prefix="kb-quality-")), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
        stop_all(folder / "kb")
        shutil.rmtree(folder)


def tell_the_story(site: Site, folder: Path, size: int = PAGES) -> None:
    """`folder`: for the pages and the questions; `size`: how many pages."""
    documents = folder / "bank"
    documents.mkdir()
    asked = write(documents, size)
    pages = sorted({each.document for each in asked})
    _step("kb ingest bank", f"{len(pages)} pages of an invented bank, half Chinese, half English")
    ingested = ingest(site, str(documents), run=run_job)
    _say(f"{ingested.chunks_written} passages")
    half = pages[::2]
    _import(site, folder / "questions.csv", [each for each in asked if each.document in half])
    _evaluate(site)
    _collect(site, [each for each in asked if each.document not in half])
    _step("kb mine", "passages that look right and are not")
    mined = mine_and_store(site)
    _say(f"{len(mined)} questions with {sum(len(each.negatives) for each in mined)} hard negatives")
    _refuse(site)
    _weigh(site)
    _tune(site)


def _import(site: Site, file: Path, known: Sequence[Asked]) -> None:
    _step(f"kb eval import {file.name} --set {SET}", "questions about half of the pages, whose answers are known")
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.DictWriter(opened, ["question", "document", "quote", "kind"])
        rows.writeheader()
        rows.writerows(asdict(each) for each in known)
    _say(_parts(import_questions(site, file, SET).splits))


def _evaluate(site: Site) -> None:
    _step("kb eval", "how well they are found")
    evaluation = measure(site, SET).evaluation
    for name, figures in evaluation.figures().items():
        if name == OVERALL or name.startswith(("kind", "language")):
            found = f"recall@1 {figures['recall@1'].mean:.3f}, nDCG@10 {figures[MEASURE]}"
            _say(f"{name:<20} {len(evaluation.slices[name]):>3} questions, {found}")


def _collect(site: Site, unknown: Sequence[Asked]) -> None:
    """People ask, and say which hit was right or, where none was, which passage would have been."""
    _step(f"kb feedback export --set {SET}", f"{len(REVIEWERS)} colleagues ask about the others, and vote")
    ask = searching(site)
    places, said = Counter[str](), list[Judgment]()
    for each in unknown:
        found = ask(SearchRequest(each.question))
        right = next((hit for hit in found.hits if _answers(hit, each)), None)
        places["never" if right is None else "first" if right.rank == 1 else "later"] += 1
        for person in REVIEWERS:
            said += _votes(found.event_id or 0, found.hits, right or _looked_up(ask, each), person)
    with site.connect() as connection:
        stored = record(connection, said)
    came = ", ".join(f"{where} {places[where]}" for where in ("first", "later", "never"))
    _say(f"{len(unknown)} searches, where the answer came {came}")
    states = Counter(verdict.state for verdict in feedback.all_verdicts(site))
    _say(f"{len(stored)} votes: " + ", ".join(f"{count} passages {state}" for state, count in states.most_common()))
    exported = feedback.export(site, SET)
    if exported is not None:
        _say(_parts(exported.splits))


def _votes(event: int, hits: Sequence[Hit], right: Hit, person: str) -> Iterator[Judgment]:
    if right in hits:
        yield Judgment(event, right.rank, "anyone", person, helpful=True)
    else:
        passage: dict[str, int | str] = {"document_id": right.document_id, "chunk_key": right.chunk_key}
        yield Judgment(event, 0, "anyone", person, reason="not_found", right_passage=passage)
    if hits and hits[0] is not right:
        yield Judgment(event, 1, "anyone", person, reason="wrong_place")


def _looked_up(ask: Ask, asked: Asked) -> Hit:
    """The passage, as somebody finds it who knows what it says."""
    hits = ask(SearchRequest(asked.quote, 50, mode="lexical", logged=False)).hits
    return next(hit for hit in hits if _answers(hit, asked))


def _answers(hit: Hit, asked: Asked) -> bool:
    return asked.quote in hit.content  # no two pages say it


def _tune(site: Site) -> None:
    options = f"--epochs {SETTINGS.epochs} --learning-rate {SETTINGS.learning_rate:g}"
    _step(f"kb tune {MODEL} {options}", "an adapter on the model's last two layers, for questions alone")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        _say(f"left out: it needs {', '.join(missing)}; run  make install-finetune  and then this again")
        return
    try:
        tuned = tune(site, MODEL, SETTINGS)
    except NothingToLearn as reason:
        _say(str(reason))
        return
    first, best = tuned.trained.history[0], max(tuned.trained.history, key=lambda epoch: epoch.dev)
    _say(f"{tuned.examples} examples; {tuned.dev_questions} questions that choose, by meaning alone:")
    for epoch in (first, best):
        _say(str(epoch))
    if tuned.model is None:
        _say("That is no gain at any scale of the adapter, so nothing is kept.")
        return
    _step(f"kb promote --adapter {MODEL}", "the frozen test decides")
    _decided(site, promote_adapter(site, MODEL).promotion)


def _refuse(site: Site) -> None:
    built = generations.build(site, dimension=FEWER)
    _step(f"kb promote {built.name}", f"kb generations build --dimension {FEWER}: it ought to lose")
    _decided(site, promote(site, built.name).promotion)


def _weigh(site: Site) -> None:
    _step("kb promote --weight", "meaning against words, by the same gate")
    result = tune_weight(site)
    if result.promotion is None:
        _say(f"The present weight of {result.present:g} does best on the questions that choose, so it stays.")
    else:
        _decided(site, result.promotion)


def _decided(site: Site, decision: Promotion) -> None:
    whole = decision.gains[OVERALL]
    if not decision.candidate.startswith("weight"):
        with site.connect() as connection:
            after = evaluations.last(connection, SET)
            before = after and evaluations.last(connection, SET, before=after.id)
        if after and before:
            _say(f"nDCG@10 of {whole['questions']} questions: before {_figure(before)}, after {_figure(after)}")
    _say(f"{decision.verdict.capitalize()}. {decision.reason}")
    for name, gain in decision.gains.items():
        if name.startswith("kind"):
            _say(f"{name}: {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]")
    if whole["low"] <= 0 <= whole["high"]:
        _say("Plainly: this is noise; other questions might as well show the opposite.")


def _figure(stored: evaluations.StoredEvaluation) -> str:
    figure = stored.figures[OVERALL][MEASURE]
    return f"{figure['mean']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _parts(splits: Mapping[str, int]) -> str:
    return "the set holds " + ", ".join(f"{count} questions for {part}" for part, count in splits.items() if count)


def _step(command: str, what: str) -> None:
    print(f"\n$ {command}   # {what}", flush=True)


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
