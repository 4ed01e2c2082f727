"""The quality loop on public sets, unattended: what tuning brings, what the gate says of it, and what each step costs.

    python benchmarks/quality_loop.py --data DIR [--sets 'XQuAD zh' MED] [--questions 600] [--model NAME] [--epochs 6]

Every set has a KB_HOME of its own. Its passages are ingested as documents, its questions imported and split by `kb eval
import`, and then the loop goes on as `kb eval`, `kb mine`, `kb tune`, `kb promote --adapter` and `kb promote --weight`
do, with their defaults. Shown are nDCG@10 on the frozen test before and after, the gain with a 95 % interval of the
paired bootstrap, and the verdict; then CPU and wall seconds of each step, servers included. Where ir_measures is
installed, its figures of the exported run stand against ours. Tuning needs the extra finetune, other models than the
default one the extra cpu-torch.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import Home, home, say, table, tree_cpu
from retrieval_sets import RetrievalSet, load

from kb_pipeline.defs.execute import run_job
from kb_pipeline.errors import NothingToLearn
from kb_pipeline.operations.evaluation import SetMeasured, measure
from kb_pipeline.operations.ingest import ingest
from kb_pipeline.operations.mining import mine_and_store
from kb_pipeline.operations.promotion import promote_adapter, tune_weight
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.operations.tuning import tune
from kb_pipeline.quality.evaluation import OVERALL
from kb_pipeline.quality.gate import MEASURE
from kb_pipeline.quality.runs import qrels, run
from kb_pipeline.quality.tuning.training import TuningSettings
from kb_pipeline.services.daemon import SERVERS, read_state
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site

if TYPE_CHECKING:
    from kb_pipeline.site import Site
    from kb_pipeline.store.quality.promotions import Promotion

SETS = ("XQuAD zh", "XQuAD en", "XQuAD zh→en", "XQuAD en→zh", "MED", "CISI")
STEPS = ("ingest", "import", "eval", "mine", "tune", "promote", "weight")
SET, MODEL = "public", "tuned"
PEERS = {MEASURE: "nDCG@10", "recall@10": "R@10", "mrr": "RR@10"}  # our name: that of ir_measures


@dataclass(slots=True)
class Loop:
    """What became of a set. `costs`: step → CPU and wall seconds; `apart`: the largest difference to ir_measures."""

    splits: dict[str, int] = field(default_factory=dict)
    before: str = ""
    learnt: str = ""
    adapter: Promotion | None = None
    weight: str = ""
    apart: str = ""
    costs: dict[str, tuple[float, float]] = field(default_factory=lambda: defaultdict(lambda: (0.0, 0.0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--sets", nargs="*", default=SETS, help="only these, by name")
    parser.add_argument("--questions", type=int, default=600, help="at most so many of a set")
    parser.add_argument("--model", help="an embedding model by name (default: the one that comes along)")
    parser.add_argument("--epochs", type=int, default=TuningSettings().epochs)
    parser.add_argument("--learning-rate", type=float, default=TuningSettings().learning_rate)
    options = parser.parse_args()
    settings = TuningSettings(epochs=options.epochs, learning_rate=options.learning_rate)
    loops = {}
    for name in options.sets:
        say(name)
        loops[name] = gone_round(load(name, options.data).sampled(options.questions), options.model, settings)
        report(loops)


def gone_round(questions: RetrievalSet, model: str | None, settings: TuningSettings) -> Loop:
    loop = Loop()
    chosen = {"embedding_model": model} if model else {}
    with home(**chosen) as place:
        place.start()  # both servers outside of this process, so that their cost is not counted twice
        place.kb("server", "start")
        with open_site(load_settings(home=place.path, **chosen)) as site:
            go_round(site, place, questions, settings, loop)
    return loop


def go_round(site: Site, place: Home, questions: RetrievalSet, settings: TuningSettings, loop: Loop) -> None:
    documents, asked = place.folder / "documents", place.folder / "questions.json"
    write(questions, documents, asked)
    with cost(loop, "ingest", place):
        ingest(site, str(documents), run=run_job)
    with cost(loop, "import", place):
        loop.splits = import_questions(site, asked, SET).splits
    with cost(loop, "eval", place):
        measured = measure(site, SET, split="test")
    loop.before = str(measured.evaluation.figures()[OVERALL][MEASURE])
    loop.apart = difference(measured)
    with cost(loop, "mine", place):
        mine_and_store(site)
    with cost(loop, "weight", place):
        tuned = tune_weight(site)
    loop.weight = f"{tuned.best:g}: {tuned.promotion.verdict}" if tuned.promotion else f"{tuned.present:g} stays"
    try:
        with cost(loop, "tune", place):
            found = tune(site, MODEL, settings, report=lambda epoch: say(str(epoch)))
    except NothingToLearn as reason:
        loop.learnt = str(reason).split(";")[0]
        return
    first, last = found.trained.history[0].dev, max(found.trained.dev_by_scale.values())
    loop.learnt = f"{found.examples} examples, dev {first:.3f} → {last:.3f} at scale {found.trained.scale:g}"
    if found.model is not None:
        with cost(loop, "promote", place):
            loop.adapter = promote_adapter(site, MODEL).promotion


def write(questions: RetrievalSet, documents: Path, asked: Path) -> None:
    """Each passage as a document, once."""
    documents.mkdir()
    names = {text: f"p{number:05d}" for number, text in reversed(list(enumerate(questions.passages)))}
    for text, name in names.items():
        (documents / f"{name}.txt").write_text(text, encoding="utf-8")
    entries = []
    for question, places in questions.relevant.items():
        pages = dict.fromkeys(names[questions.passages[place]] for place in sorted(places))
        entries.append({"question": question[:2000], "answers": [{"document": f"{page}.txt"} for page in pages]})
    asked.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")


@contextmanager
def cost(loop: Loop, step: str, place: Home) -> Iterator[None]:
    cpu, wall = cpu_of(place), time.perf_counter()
    try:
        yield
    finally:
        loop.costs[step] = (cpu_of(place) - cpu, time.perf_counter() - wall)
        say(f"{step}: {loop.costs[step][0]:.0f} CPU seconds, {loop.costs[step][1]:.0f} s")


def cpu_of(place: Home) -> float:
    """CPU seconds of this process and of the servers of the KB_HOME, so far."""
    states = [read_state(place.path, name) for name in SERVERS]
    return tree_cpu(os.getpid()) + sum(tree_cpu(state.server.pid) for state in states if state and state.server)


def difference(measured: SetMeasured) -> str:
    """The largest between our figures and those of ir_measures on the exported run."""
    try:
        import ir_measures
    except ImportError:
        return "–"
    evaluation = measured.evaluation
    wanted = {name: ir_measures.parse_measure(peer) for name, peer in PEERS.items()}
    theirs: dict[Any, float] = ir_measures.calc_aggregate(
        list(wanted.values()),
        list(ir_measures.read_trec_qrels(qrels(evaluation))),
        list(ir_measures.read_trec_run(run(evaluation))),
    )
    ours = evaluation.figures()[OVERALL]
    return f"{max(abs(theirs[peer] - ours[name].mean) for name, peer in wanted.items()):.0e}"


def report(loops: dict[str, Loop]) -> None:
    rows = []
    for name, loop in loops.items():
        parts = "/".join(str(loop.splits.get(part, 0)) for part in ("tune", "dev", "test"))
        gain = loop.adapter.gains[OVERALL] if loop.adapter else None
        rows.append(
            [
                name,
                parts,
                loop.before,
                f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]" if gain else "",
                loop.adapter.verdict if loop.adapter else "nothing was kept",
                loop.weight,
                loop.apart,
            ]
        )
    columns = ["", "tune/dev/test", "nDCG@10 before", "gain by the adapter", "verdict", "weight", "to ir_measures"]
    table("The frozen test", columns, rows)
    table("What was learnt", ["", ""], [[name, loop.learnt] for name, loop in loops.items()])
    costs = [
        [name, *("/".join(f"{each:.0f}" for each in loop.costs[step]) for step in STEPS)]
        for name, loop in loops.items()
    ]
    table("CPU/wall seconds", ["", *STEPS], costs)


if __name__ == "__main__":
    main()
