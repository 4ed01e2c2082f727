"""How well and how fast personal data is found, beside Presidio as it comes.

    python benchmarks/privacy.py [--each 300] [--seed 1] [--misses] [--data DIR]

Prints for each entity the recall and the precision on made-up text with valid checksums, many spellings and near
misses, then the speed on one core, how the time grows with the length of a text and with the share of its sentences
that hold a value, and with --data the speed over the text of real files.

Terms
  recall     share of the values of which no character stays.
  precision  share of the findings that touch a value of their family; telephone numbers are a family, and so are
             cards and accounts.

Presidio as it comes is its AnalyzerEngine with all its recognizers for English and no language model, which cannot
be downloaded here; names and places need one, so those rows say nothing about it. A finding of it counts as right
when it touches any value, whatever it is called.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, only its own folder is there

from common import say, table, verdict
from personal_data import CHECKSUMMED, KINDS, Case, cases, document

from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy

Found = list[tuple[str, int, int]]
Find = Callable[[str], Found]

_FAMILIES = (("CN_MOBILE", "CN_LANDLINE", "PHONE_NUMBER"), ("BANK_CARD", "BANK_ACCOUNT"))
FAMILY = {entity: family[0] for family in _FAMILIES for entity in family}
LEAST_RECALL, LEAST_PRECISION = 0.97, 0.95
LEAST_CHECKSUMMED_RECALL, LEAST_CHECKSUMMED_PRECISION = 0.995, 0.98
LEAST_KB_PER_SECOND = 500
SPEED_CHARACTERS = (20_000, 200_000, 2_000_000)
DENSITIES = (0.0, 0.2, 1.0)  # shares of the sentences that hold a value


@dataclass
class Scores:
    """Per entity: how many values there were, how many were found, how many findings, how many of those right."""

    values: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def recall(self, entity: str) -> float:
        return self.found[entity] / self.values[entity] if self.values[entity] else 1.0

    def precision(self, entity: str) -> float:
        return self.right[entity] / self.findings[entity] if self.findings[entity] else 1.0


def score(all_cases: Iterable[Case], find: Find, *, by_family: bool = True) -> Scores:
    scores = Scores()
    for case in all_cases:
        found = find(case.text)
        covered = {place for _, start, end in found for place in range(start, end)}
        for entity, start, end in case.places:
            scores.values[entity] += 1
            # Blanks and signs around a number give nothing away.
            seen = [place for place in range(start, end) if case.text[place].isalnum() and place not in covered]
            scores.found[entity] += not seen
            if seen:
                scores.misses.append(f"missed {entity}: {case.text!r}")
        for entity, start, end in found:
            touching = {name for name, left, right in case.places if start < right and left < end}
            family = FAMILY.get(entity, entity)
            right = any(FAMILY.get(name, name) == family for name in touching) if by_family else bool(touching)
            scores.findings[entity] += 1
            scores.right[entity] += right
            if not right:
                scores.misses.append(f"false {entity}: {case.text[start:end]!r} in {case.text!r}")
    return scores


def ours() -> Find:
    masker = Masker(MaskingPolicy(), bytes(32))
    return lambda text: [(found.entity, found.start, found.end) for found in masker.findings(text)]


def presidio() -> Find:
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    # Its e-mail recognizer would fetch a list of domains from the network; the list inside the package will do.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    nlp_engine = NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
    nlp_engine.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp_engine)
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp_engine)
    return lambda text: [(r.entity_type, r.start, r.end) for r in engine.analyze(text, language="en")]


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def speeds(
    work: Callable[[str], object], lengths: Sequence[int], density: float = 0.2
) -> list[tuple[int, float, float]]:
    """(bytes, CPU seconds, KB/s) of Chinese text of each length; a share `density` of its sentences holds a value."""
    found: list[tuple[int, float, float]] = []
    for length in lengths:
        text = document(seed=length, length=length, density=density).text
        seconds = cpu_seconds(lambda text=text: work(text))  # type: ignore[misc]
        size = len(text.encode())
        found.append((size, round(seconds, 3), round(size / 1000 / seconds)))
    return found


def real_texts(folder: Path) -> list[str]:
    """The text of every file of `folder` that can be read, its paragraphs apart by blank lines."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ParserPool(1) as pool:
        # What masks in the parser process has to be importable there; a copy masks nothing.
        jobs = [ParseJob(path, path, path.name, None, copy) for path in files]
        read = [result for _, result in pool.parse(jobs) if isinstance(result, CleanedDocument)]
    return ["\n\n".join(element.text for element in document.elements) for document in read]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--each", type=int, default=300, help="values of each entity (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="of the made-up text (%(default)s)")
    options.add_argument("--misses", action="store_true", help="show what was missed and what was found falsely")
    options.add_argument("--data", type=Path, help="a folder of real files, for the speed over their text")
    choice = options.parse_args()
    find, theirs = ours(), presidio()
    mine = score(cases(choice.seed, choice.each), find)
    other = score(cases(choice.seed, choice.each), theirs, by_family=False)
    rows = [
        [entity, mine.values[entity], f"{mine.recall(entity):.3f}", f"{mine.precision(entity):.3f}",
         f"{other.recall(entity):.3f}"]
        for entity in KINDS
    ]  # fmt: skip
    table("Made-up text", ["entity", "values", "recall", "precision", "Presidio's recall"], rows)
    findings, right = sum(other.findings.values()), sum(other.right.values())
    say(f"Presidio as it comes: {findings} findings, {right / max(findings, 1):.1%} of them touch a value.")
    if choice.misses:
        print(*mine.misses, sep="\n")
    for entities, recall, precision in (
        (CHECKSUMMED, LEAST_CHECKSUMMED_RECALL, LEAST_CHECKSUMMED_PRECISION),
        ([entity for entity in KINDS if entity not in CHECKSUMMED], LEAST_RECALL, LEAST_PRECISION),
    ):
        worst_recall = min(entities, key=mine.recall)
        worst_precision = min(entities, key=mine.precision)
        verdict(f"least recall ({worst_recall})", mine.recall(worst_recall), f"at least {recall}",
                met=mine.recall(worst_recall) >= recall)  # fmt: skip
        verdict(f"least precision ({worst_precision})", mine.precision(worst_precision), f"at least {precision}",
                met=mine.precision(worst_precision) >= precision)  # fmt: skip
    masker = Masker(MaskingPolicy(), bytes(32))
    masker.mask("13800138000")  # Presidio is imported
    measured = speeds(masker.mask, SPEED_CHARACTERS)
    beside = speeds(theirs, SPEED_CHARACTERS[:2])
    table(
        "Speed on one core: masking here, finding alone with Presidio",
        ["bytes", "CPU-s", "KB/s", "Presidio KB/s"],
        [[*row, beside[index][2] if index < len(beside) else ""] for index, row in enumerate(measured)],
    )
    dense = [speeds(masker.mask, SPEED_CHARACTERS[1:2], density)[0][2] for density in DENSITIES]
    table("KB/s by the share of sentences that hold a value", [f"{density:.0%}" for density in DENSITIES], [dense])
    if choice.data:
        texts = real_texts(choice.data)
        size = sum(len(text.encode()) for text in texts) / 1000
        seconds = cpu_seconds(lambda: [masker.mask(text) for text in texts])
        say(f"{len(texts)} files of {choice.data}: {size:,.0f} KB of text, {size / seconds:,.0f} KB/s")
    verdict("KB/s", measured[1][2], f"at least {LEAST_KB_PER_SECOND}", met=measured[1][2] >= LEAST_KB_PER_SECOND)


if __name__ == "__main__":
    main()
