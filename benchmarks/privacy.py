"""How well and how fast personal data is found, beside Presidio as it comes.

    python benchmarks/privacy.py [--each 300] [--seed 1] [--misses] [--data DIR] [--tagged FILE] [--nameless DIR]

Prints for each entity the recall and the precision on made-up text with valid checksums, many spellings and near
misses, then the speed on one core, how the time grows with the length of a text and with the share of its sentences
that hold a value, and the speed over rows of figures, logs and code; with --data over the text of real files, too.

--tagged FILE is a text by others with the words and their parts of speech, as the People's Daily corpus of January 1998
has them (小平/nr): names that were found in each half of it, by a fixed order. --nameless DIR holds texts in which no
names are, such as laws: how many are found all the same.

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
import random
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
from kb_pipeline.privacy.detectors.chinese_words import surname_of
from kb_pipeline.privacy.entities import PRESETS
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
    masker = Masker(MaskingPolicy(PRESETS["strict"]), bytes(32))
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


def unusual_texts(length: int = 40_000) -> dict[str, str]:
    """Texts of about `length` characters that are no prose."""
    r = random.Random(1)

    def rows(make: Callable[[], str]) -> str:
        lines: list[str] = []
        size = 0
        while size < length:
            lines.append(make())
            size += len(lines[-1]) + 1
        return "\n".join(lines)

    def figures(count: int, below: int, sign: str) -> Callable[[], str]:
        return lambda: sign.join(str(r.randrange(below)) for _ in range(count))

    return {
        "one run of digits": "1234567890" * (length // 10),
        "single digits": figures(length // 2, 10, " ")(),
        "figures in fours": figures(length // 5, 10**4, " ")(),
        "figures with dashes": figures(length // 4, 10**3, "-")(),
        "long numbers": rows(figures(1, 10**18, " ")),
        "a CSV of numbers": rows(figures(8, 10**6, ",")),
        "hashes": rows(lambda: f"{r.getrandbits(128):032x}"),
        "a log": rows(
            lambda: (
                f"2024-05-{r.randrange(1, 28):02} 11:{r.randrange(60):02}:07,{r.randrange(999):03} INFO [worker] "
                f"GET /api/v1/items/{r.randrange(10**6)} 200 {r.randrange(900)} ms from 10.0.{r.randrange(255)}.7"
            )
        ),
        "mobile numbers": rows(lambda: f"13{r.randrange(10**9):09}"),
        "code": (Path(__file__).read_text(encoding="utf-8") * 4)[:length],
    }


@dataclass(frozen=True)
class Tagged:
    """A text with the places of the names in it. `whole`: those of a surname and a given name."""

    text: str
    names: tuple[tuple[int, int], ...]
    whole: frozenset[tuple[int, int]]


def tagged_texts(file: Path) -> list[Tagged]:
    """The paragraphs of a file whose words carry their parts of speech, shuffled in a fixed order."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = ""
        names: list[tuple[int, int]] = []
        whole: set[tuple[int, int]] = set()
        for word, _, tag in (token.rpartition("/") for token in line.split()):
            start, text = len(text), text + word
            if tag != "nr":
                continue
            if names and names[-1][1] == start and names[-1] not in whole and _is_surname(text[slice(*names[-1])]):
                names[-1] = (names[-1][0], len(text))
                whole.add(names[-1])
            else:
                names.append((start, len(text)))
        found.append(Tagged(text, tuple(names), frozenset(whole)))
    random.Random(0).shuffle(found)
    return found


def _is_surname(word: str) -> bool:
    return surname_of(word) == word


def score_names(texts: Sequence[Tagged], find: Find) -> list[object]:
    """Chinese names and those found, all names and those found, findings and those that touch a name."""
    counts: Counter[str] = Counter()
    for tagged in texts:
        spans = [(start, end) for entity, start, end in find(tagged.text) if entity == "PERSON"]
        covered = {place for start, end in spans for place in range(start, end)}
        for name in tagged.names:
            hit = covered.issuperset(range(*name))
            kind = "whole" if name in tagged.whole else "other"
            counts[kind] += 1
            counts[f"{kind} found"] += hit
        counts["findings"] += len(spans)
        counts["right"] += sum(any(a < end and start < b for a, b in tagged.names) for start, end in spans)
    found, names = counts["whole found"] + counts["other found"], counts["whole"] + counts["other"]
    return [
        counts["whole"],
        f"{counts['whole found'] / max(1, counts['whole']):.3f}",
        names,
        f"{found / max(1, names):.3f}",
        f"{counts['right'] / max(1, counts['findings']):.4f}",
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--each", type=int, default=300, help="values of each entity (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="of the made-up text (%(default)s)")
    options.add_argument("--misses", action="store_true", help="show what was missed and what was found falsely")
    options.add_argument("--data", type=Path, help="a folder of real files, for the speed over their text")
    options.add_argument("--tagged", type=Path, help="a text whose words carry their parts of speech")
    options.add_argument("--nameless", type=Path, help="a folder of texts without names")
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
    slowest = min(
        (round(len(text.encode()) / 1000 / cpu_seconds(lambda text=text: masker.mask(text))), name)  # type: ignore[misc]
        for name, text in unusual_texts().items()
    )
    verdict(f"KB/s of the slowest text ({slowest[1]})", slowest[0], f"at least {LEAST_KB_PER_SECOND}",
            met=slowest[0] >= LEAST_KB_PER_SECOND)  # fmt: skip
    if choice.tagged:
        tagged = tagged_texts(choice.tagged)
        half = len(tagged) // 2
        table(
            "Names in a text by others",
            ["half", "Chinese names", "found", "all names", "found", "precision"],
            [["first", *score_names(tagged[:half], find)], ["second", *score_names(tagged[half:], find)]],
        )
    if choice.nameless:
        laws = "\n".join(file.read_text(encoding="utf-8") for file in sorted(choice.nameless.iterdir()))
        false = [laws[start:end] for entity, start, end in find(laws) if entity == "PERSON"]
        say(f"{len(laws):,} characters without names: {len(false)} found all the same {' '.join(false[:20])}")
    if choice.data:
        texts = real_texts(choice.data)
        size = sum(len(text.encode()) for text in texts) / 1000
        seconds = cpu_seconds(lambda: [masker.mask(text) for text in texts])
        say(f"{len(texts)} files of {choice.data}: {size:,.0f} KB of text, {size / seconds:,.0f} KB/s")
    verdict("KB/s", measured[1][2], f"at least {LEAST_KB_PER_SECOND}", met=measured[1][2] >= LEAST_KB_PER_SECOND)


if __name__ == "__main__":
    main()
