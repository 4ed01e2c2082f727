"""What the gate of `kb promote` says about candidates that are known to be worse, equal or better, on public questions.

    python benchmarks/promotion.py --data DIR [--questions 600]

The paragraphs of XQuAD become documents in English, its questions are asked in both languages, so that half of them
find nothing by words. They are ingested and embedded by the CPU server as anybody's documents are, measured by
`operations.evaluation`, and decided by `quality.gate`:

  worse    64 dimensions against the model's 384
  equal    a second measurement of the same generation; and two that differ by lot alone
  better   384 dimensions against 64, by tests of 50, 100, 200, … questions

Each row counts the verdicts of 20 tests drawn from all questions.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from common import home, say, table

from kb_pipeline.operations import generations as life
from kb_pipeline.operations.evaluation import Way, measure
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.quality.evaluation import Scores, compare
from kb_pipeline.quality.gate import MEASURE, decide
from kb_pipeline.quality.statistics import gain, questions_needed
from kb_pipeline.settings import Settings
from kb_pipeline.site import open_site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kb_pipeline.quality.evaluation import Evaluation

TESTS = 20
SMALL = 64  # dimensions
SIZES = (50, 100, 200, 400)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of xquad.en.json and xquad.zh.json")
    parser.add_argument("--questions", type=int, default=600, help="at most so many, half of them in each language")
    options = parser.parse_args()
    with home() as place:
        documents = place.folder / "documents"
        sample = write(options.data, documents, place.folder, options.questions)
        say("ingesting")
        place.kb("ingest", str(documents))
        with open_site(Settings(home=place.path)) as site:
            say("importing")
            result = import_questions(site, sample, "xquad")
            print(f"{result.questions} questions, {result.unfound} without a document, splits {result.splits}")
            life.build(site, dimension=SMALL)
            say("measuring both generations")
            large = measure(site, "xquad", Way("g1")).evaluation
            small = measure(site, "xquad", Way("g2")).evaluation
    figures(large, small)
    verdicts(large, small)


def write(data: Path, documents: Path, folder: Path, most: int) -> Path:
    """A document for each English paragraph, and a file of questions in both languages."""
    english, chinese = (
        [
            paragraph
            for article in json.loads((data / f"xquad.{language}.json").read_text())["data"]
            for paragraph in article["paragraphs"]
        ]
        for language in ("en", "zh")
    )
    documents.mkdir()
    entries = []
    for number, (one, other) in enumerate(zip(english, chinese, strict=True)):
        (documents / f"p{number:03d}.txt").write_text(one["context"])
        for language, paragraph in (("en", one), ("zh", other)):
            entries += [
                {"question": entry["question"], "document": f"p{number:03d}", "language": language}
                for entry in paragraph["qas"]
            ]
    random.Random(3).shuffle(entries)
    chosen = [[each for each in entries if each["language"] == language][: most // 2] for language in ("en", "zh")]
    file = folder / "questions.json"
    file.write_text(json.dumps([*chosen[0], *chosen[1]]))
    return file


def figures(large: Evaluation, small: Evaluation) -> None:
    gains = compare(large.slices, small.scores, large.scores)
    before, after = small.figures(), large.figures()
    rows = [
        [name, str(before[name][MEASURE]), str(after[name][MEASURE]), str(found[MEASURE])]
        for name, found in gains.items()
    ]
    table(f"nDCG@10, {SMALL} dimensions and all", ["", f"{SMALL}", "all", "gain"], rows)
    whole = gains["all"][MEASURE]
    print(f"deviation {whole.deviation:.3f}; {questions_needed(whole.mean, whole.deviation)} questions show this gain")


def verdicts(large: Evaluation, small: Evaluation) -> None:
    rows = []
    everything = len(large.outcomes)
    rows.append(["worse: 64 against all", everything // 2, *judged(large.scores, small.scores, everything // 2)])
    rows.append(["equal: measured again", everything // 2, *judged(large.scores, large.scores, everything // 2)])
    rows.append(["equal: which is which by lot", everything // 2, *judged_by_lot(large, small, everything // 2)])
    rows += [
        ["better: all against 64", size, *judged(small.scores, large.scores, size)]
        for size in (*SIZES, everything)
        if size <= everything
    ]
    table(f"Verdicts of {TESTS} tests", ["", "questions", "promoted", "rejected", "not enough"], rows)


def judged(before: Scores, after: Scores, size: int) -> list[int]:
    draws = [random.Random(seed).sample(sorted(before), size) for seed in range(TESTS)]
    return counted(
        decide({"all": {MEASURE: gain(values(before, draw), values(after, draw))}}).verdict for draw in draws
    )


def judged_by_lot(large: Evaluation, small: Evaluation, size: int) -> list[int]:
    """Neither is better: for each question a coin says which answer is whose."""
    found = []
    for seed in range(TESTS):
        coin = random.Random(seed)
        pairs = [
            (large.scores[each].value(MEASURE), small.scores[each].value(MEASURE))
            for each in coin.sample(sorted(large.scores), size)
        ]
        mixed = [pair if coin.random() < 0.5 else pair[::-1] for pair in pairs]
        found.append(decide({"all": {MEASURE: gain(*map(list, zip(*mixed, strict=True)))}}).verdict)
    return counted(found)


def values(scores: Scores, questions: Sequence[int]) -> list[float]:
    return [scores[each].value(MEASURE) for each in questions]


def counted(found: Iterable[str]) -> list[int]:
    counts = Counter(found)
    return [counts["promoted"], counts["rejected"], counts["not enough evidence"]]


if __name__ == "__main__":
    main()
