"""Public retrieval sets as passages, questions and which passages answer them.

Read from files as their authors publish them: XQuAD (deepmind/xquad) and CMRC 2018 (ymcui/cmrc2018) in SQuAD's
form, where the passage that a question was asked of is its answer; MED, CISI and Cranfield in SMART's form
(`.I` begins an item, `.W` its text), with a file of judgements.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """`relevant`: question -> places in `passages` of those that answer it."""

    name: str
    passages: tuple[str, ...]
    relevant: Mapping[str, frozenset[int]]

    def sampled(self, most: int, seed: int = 7) -> RetrievalSet:
        """At most `most` of the questions."""
        chosen = sorted(self.relevant)
        random.Random(seed).shuffle(chosen)
        return RetrievalSet(self.name, self.passages, {question: self.relevant[question] for question in chosen[:most]})


def load(name: str, folder: Path) -> RetrievalSet:
    """Raises FileNotFoundError when its files are not in `folder`."""
    passages, relevant = _READERS[name](folder)
    return RetrievalSet(name, tuple(passages), {question: frozenset(places) for question, places in relevant.items()})


def names() -> list[str]:
    return list(_READERS)


_Read = tuple[list[str], dict[str, set[int]]]


def _squad(passages: Path, questions: Path | None = None) -> _Read:
    """`questions`: the same set in another language, whose paragraphs stand in the same order."""
    asked = _paragraphs(questions or passages)
    contexts = [paragraph["context"] for paragraph in _paragraphs(passages)]
    places = {text: place for place, text in reversed(list(enumerate(contexts)))}  # a paragraph may stand there twice
    relevant: dict[str, set[int]] = {}
    for paragraph, context in zip(asked, contexts, strict=True):
        for entry in paragraph["qas"]:
            relevant.setdefault(entry["question"].strip(), set()).add(places[context])
    return contexts, relevant


def _half_translated(folder: Path, language: str) -> _Read:
    """As a bilingual company's: every other article is there in Chinese, the others in English."""
    chinese, english = folder / "xquad.zh.json", folder / "xquad.en.json"
    passages, relevant = _squad(chinese, folder / f"xquad.{language}.json")
    translated = _squad(english)[0]
    articles = json.loads(chinese.read_text("utf-8"))["data"]
    article_of = [number for number, article in enumerate(articles) for _ in article["paragraphs"]]
    return [translated[place] if article_of[place] % 2 else passages[place] for place in range(len(passages))], relevant


def _paragraphs(file: Path) -> list[dict[str, Any]]:
    return [paragraph for article in json.loads(file.read_text("utf-8"))["data"] for paragraph in article["paragraphs"]]


def _smart(stem: Path) -> _Read:
    documents = _items(stem.with_suffix(".ALL"), ".TW")
    questions = _items(stem.with_suffix(".QRY"), ".W")
    places = {number: place for place, number in enumerate(documents)}
    judged: dict[int, set[int]] = {}
    for line in stem.with_suffix(".REL").read_text("utf-8").splitlines():
        question, document, *_ = line.split()
        judged.setdefault(int(question), set()).add(places[int(document)])
    return list(documents.values()), {questions[number]: found for number, found in judged.items()}


def _items(file: Path, sections: str) -> dict[int, str]:
    """Number -> the text of its `sections` (letters), in one line."""
    texts: dict[int, list[str]] = {}
    section = number = None
    for line in file.read_text("utf-8", errors="replace").splitlines():
        if head := re.fullmatch(r"\.I\s+(\d+)", line.strip()):
            number, section = int(head[1]), None
            texts[number] = []
        elif re.fullmatch(r"\.[A-Z]", line.strip()):
            section = line.strip()[1]
        elif number is not None and section in list(sections):
            texts[number].append(line.strip())
    return {number: " ".join(lines) for number, lines in texts.items()}


_READERS: dict[str, Callable[[Path], _Read]] = {
    "XQuAD zh": lambda folder: _squad(folder / "xquad.zh.json"),
    "XQuAD zh→en": lambda folder: _squad(folder / "xquad.en.json", folder / "xquad.zh.json"),
    "XQuAD zh→both": lambda folder: _half_translated(folder, "zh"),
    "MED": lambda folder: _smart(folder / "med" / "MED"),
    "XQuAD en": lambda folder: _squad(folder / "xquad.en.json"),
    "XQuAD en→zh": lambda folder: _squad(folder / "xquad.zh.json", folder / "xquad.en.json"),
    "XQuAD en→both": lambda folder: _half_translated(folder, "en"),
    "CMRC": lambda folder: _squad(folder / "cmrc2018_dev.json"),
    "CISI": lambda folder: _smart(folder / "cisi" / "CISI"),
}
