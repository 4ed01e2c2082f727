"""What the gate of `kb promote` says about candidates that are known to be worse, equal or better, on public questions.

    python benchmarks/promotion.py --data DIR [--questions 400]

The English paragraphs of XQuAD are loaded into two serving tables, of all dimensions of the default model and of 64;
its questions are asked in both languages, so that half of them find nothing by words. Every question goes through
`quality.evaluation` as in `kb eval`, and `quality.gate` decides about tests that are drawn from them:

  worse    64 dimensions against all
  equal    the same figures again; and both mixed by lot, so that neither is better
  better   all dimensions against 64, by tests of 50, 100, … questions

Each row counts the verdicts of 20 tests.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from common import home, say, table
from retrieval_sets import load

from kb_pipeline.chunking.language import language_of
from kb_pipeline.embedding.stream import EmbeddedText
from kb_pipeline.quality.evaluation import Evaluation, Scores, compare, evaluate
from kb_pipeline.quality.gate import MEASURE, decide
from kb_pipeline.quality.places import Located, Place
from kb_pipeline.quality.statistics import gain, questions_needed
from kb_pipeline.search.glossary import NO_GLOSSARY
from kb_pipeline.search.retrieve import search
from kb_pipeline.settings import Settings
from kb_pipeline.site import connect_embedding
from kb_pipeline.store import database
from kb_pipeline.store.generations import (
    GenerationKey,
    activate,
    ensure_generation,
    ensure_vector_index,
    refresh_statistics,
)
from kb_pipeline.store.quality.questions import Question
from kb_pipeline_tests.integration.search.serving import Passage, fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.request import SearchRequest
    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.store.database import Connection

TESTS = 20
SMALL = 64  # dimensions
SIZES = (50, 100, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of xquad.en.json and xquad.zh.json")
    parser.add_argument("--questions", type=int, default=400, help="at most so many, half of them in each language")
    options = parser.parse_args()
    sets = [load(name, options.data).sampled(options.questions // 2) for name in ("XQuAD en", "XQuAD zh→en")]
    passages = list(dict.fromkeys(sets[0].passages))
    asked = {question: found for each in sets for question, found in each.relevant.items()}
    located = [
        located_at(number, question, [sets[0].passages[place] for place in found], passages)
        for number, (question, found) in enumerate(asked.items(), start=1)
    ]
    with home() as place:
        place.start()
        with (
            database.connect(place.database_url(), autocommit=True) as connection,
            connect_embedding(Settings(home=place.path)) as client,
        ):
            say(f"embedding {len(passages)} passages by {client.identity.name}")
            vectors = embedded(client, passages)
            names = [loaded(connection, client, passages, vectors, size) for size in (None, SMALL)]

            def ask(request: SearchRequest) -> SearchResult:
                return search(
                    lambda: nullcontext(connection), request, embedder=lambda: client, mask=lambda text, _: [text]
                )

            say(f"asking {len(located)} questions of both generations")
            large, small = (evaluate(located, ask, name, NO_GLOSSARY, generation=name) for name in names)
    figures(large, small)
    verdicts(large, small)


def located_at(number: int, question: str, texts: Sequence[str], passages: Sequence[str]) -> Located:
    """A question with the rows of the serving table that answer it, as `fill` names them."""
    rows = [(passages.index(text) + 1, hashlib.sha256(text.encode()).hexdigest()[:32]) for text in texts]
    return Located(
        Question(question, (), language=language_of(question), id=number),
        tuple(Place(frozenset({row}), 1) for row in dict.fromkeys(rows)),
        languages=("en",),
    )


def embedded(client: EmbeddingClient, passages: Sequence[str]) -> dict[str, np.ndarray]:
    vectors = {}
    for result in client.embed((str(number).encode(), text) for number, text in enumerate(passages)):
        if not isinstance(result, EmbeddedText):
            sys.exit(f"A passage was refused: {result.reason}")
        vectors[passages[int(result.key)]] = result.vector
    return vectors


def loaded(
    connection: Connection,
    client: EmbeddingClient,
    passages: Sequence[str],
    vectors: dict[str, np.ndarray],
    dimension: int | None,
) -> str:
    """The name of a generation that holds them."""
    identity = client.identity
    size = dimension or identity.native_dimension
    key = GenerationKey(identity.fingerprint, identity.name, identity.native_dimension, size, "")
    generation = ensure_generation(connection, key)
    fill(connection, generation, map(Passage, passages), embed=vectors.__getitem__)
    ensure_vector_index(connection, generation)
    refresh_statistics(connection, generation)
    activate(connection, generation)  # the other one is retired by it, and may still be asked
    return generation.name


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
