"""Chunking: answers that are cut in two, chunks that reach over a heading, and what one inserted paragraph changes.

Side by side, on the same elements: this project, `chunk_by_title` of unstructured with the same sizes over whole
documents, and windows of a fixed number of characters. An answer is *split* when no chunk holds all of it in the
place where it stands. A chunk *crosses* when it holds body text of two sections. *Changed* chunks are those of the
edited document whose text no chunk of the original has; a page is 1,500 characters.

Without --data the documents are made up. With it, they are made of the paragraphs of the files *.json in SQuAD form
that lie in that folder, one section for each article.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import MarkdownMaker, say, table, verdict

from kb_pipeline.chunking.chunk import chunk_document
from kb_pipeline.parsing.document import with_section_paths
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.offline import silence_unstructured
from kb_pipeline.settings import ChunkingSettings

SECTIONS_PER_DOCUMENT = 10
PAGE_CHARACTERS = 1500
PAGES = 300
MOST_SPLIT = 0.01
MOST_CHANGED = 3
SETTINGS = ChunkingSettings()
HANZI = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]

Chunker = Callable[[Sequence[Element]], list[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, its paragraphs, and the answers in them as (paragraph, start, end)."""

    title: str
    paragraphs: tuple[str, ...]
    answers: tuple[tuple[int, int, int], ...]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--data", type=Path, help="a folder of JSON files in SQuAD form")
    options.add_argument("--edits", type=int, default=20, help="how many places are tried for a new paragraph")
    choice = options.parse_args()
    corpora = (
        dict(_squad(choice.data))
        if choice.data
        else {"made up, en": _made_up(_english), "made up, zh": _made_up(_chinese)}
    )
    silence_unstructured()
    splits, crossings, edits = [], [], []
    for name, sections in corpora.items():
        say(name)
        rows = [(chunker, *_cuts(chunk, sections)) for chunker, chunk in CHUNKERS.items()]
        splits += [[name, *row] for row in rows]
        crossings.append(rows[0][-1])
        for kind, elements in (("", _elements(sections)), (", no headings", _without_headings(sections))):
            document = _long_document(elements)
            for chunker, chunk in CHUNKERS.items():
                edits.append([name + kind, chunker, *_edits(chunk, document, choice.edits)])
    columns = ["corpus", "chunker", "chunks", "mean length", "MB/CPU s", "answers", "split", "split %", "crossing"]
    table("Answers and sections", columns, splits)
    table(f"One paragraph inserted into {PAGES} pages: chunks changed", ["corpus", "chunker", "median", "most"], edits)
    split = max(float(str(row[7])) for row in splits if row[1] == OURS) / 100
    changed = max(int(str(row[3])) for row in edits if row[1] == OURS)
    verdict("answers split", split, f"at most {MOST_SPLIT}", met=split <= MOST_SPLIT)
    verdict("chunks over two sections", max(crossings), "none", met=not any(crossings))
    verdict("chunks changed", changed, f"at most {MOST_CHANGED}", met=changed <= MOST_CHANGED)


# --- documents ---------------------------------------------------------------------------------------


def _squad(folder: Path) -> Iterator[tuple[str, list[Section]]]:
    for file in sorted(folder.glob("*.json")):
        articles = json.loads(file.read_text())["data"]
        sections = []
        for article in articles:
            paragraphs = [paragraph["context"] for paragraph in article["paragraphs"]]
            answers = {
                (number, answer["answer_start"], answer["answer_start"] + len(answer["text"]))
                for number, paragraph in enumerate(article["paragraphs"])
                for question in paragraph["qas"]
                for answer in question["answers"]
                if paragraph["context"][answer["answer_start"] :].startswith(answer["text"])
            }
            sections.append(Section(article["title"], tuple(paragraphs), tuple(sorted(answers))))
        yield file.stem, sections


def _made_up(sentence: Callable[[random.Random, int], str]) -> list[Section]:
    rng = random.Random(1)
    sections = []
    for number in range(300):
        paragraphs, answers = [], []
        for place in range(rng.randint(1, 12)):
            sentences = [sentence(rng, rng.randint(4, 25)) for _ in range(rng.randint(1, 12))]
            paragraphs.append(" ".join(sentences))
            chosen = rng.choice(sentences)
            start = paragraphs[-1].index(chosen)
            answers.append((place, start, start + len(chosen)))
        sections.append(Section(f"{number + 1} {sentence(rng, 3)[:-1]}", tuple(paragraphs), tuple(answers)))
    return sections


_WORDS = MarkdownMaker(1)


def _english(rng: random.Random, words: int) -> str:
    return f"{_WORDS.sentence(words)} {rng.randint(1, 999)}."


def _chinese(rng: random.Random, words: int) -> str:
    clauses = ["".join(rng.choices(HANZI, k=rng.randint(4, 14))) for _ in range(max(1, words // 5))]
    return "，".join(clauses) + "。"


def _elements(sections: Sequence[Section]) -> list[Element]:
    drafts = []
    for section in sections:
        drafts.append(Element("Title", section.title, heading_level=1))
        drafts += [Element("NarrativeText", " ".join(paragraph.split())) for paragraph in section.paragraphs]
    return list(with_section_paths(drafts))


# --- chunkers ----------------------------------------------------------------------------------------


def _ours(elements: Sequence[Element]) -> list[str]:
    return [chunk.content for chunk in chunk_document(elements, document_key="document", settings=SETTINGS)]


def _by_title(elements: Sequence[Element]) -> list[str]:
    from unstructured.chunking.title import chunk_by_title
    from unstructured.documents.elements import NarrativeText, Title

    found = chunk_by_title(
        [(Title if element.category == "Title" else NarrativeText)(element.text) for element in elements],
        max_characters=SETTINGS.max_characters,
        new_after_n_chars=SETTINGS.new_after_n_chars,
        combine_text_under_n_chars=SETTINGS.combine_under_n_chars,
    )
    return [chunk.text for chunk in found]


def _windows(elements: Sequence[Element]) -> list[str]:
    text = "\n\n".join(element.text for element in elements)
    size = SETTINGS.new_after_n_chars * 2 // 3
    return [text[start : start + size] for start in range(0, len(text), size)]


OURS = "kb_pipeline"
CHUNKERS: dict[str, Chunker] = {OURS: _ours, "chunk_by_title": _by_title, "windows of 1,000": _windows}


# --- measures ----------------------------------------------------------------------------------------


def _cuts(chunk: Chunker, sections: Sequence[Section]) -> tuple[int, float, float, int, int, float, int]:
    """(chunks, mean length, MB a CPU second, answers, split, split in percent, chunks with text of two sections)"""
    chunks = characters = answers = split = crossing = 0
    seconds = 0.0
    for start in range(0, len(sections), SECTIONS_PER_DOCUMENT):
        document = sections[start : start + SECTIONS_PER_DOCUMENT]
        elements = _elements(document)
        begun = time.process_time()
        texts = chunk(elements)
        seconds += time.process_time() - begun
        chunks += len(texts)
        characters += sum(map(len, texts))
        here, broken, crossed = _placed(texts, document)
        answers, split, crossing = answers + here, split + broken, crossing + crossed
    size = sum(len(p.encode()) for section in sections for p in section.paragraphs) / 1e6
    return chunks, characters / chunks, size / seconds, answers, split, 100 * split / answers, crossing


def _placed(texts: Sequence[str], document: Sequence[Section]) -> tuple[int, int, int]:
    """(answers, split ones, chunks with body text of two sections), by places in the text without blanks."""
    plain = ""
    spans: list[tuple[int, int]] = []
    bodies: list[tuple[int, int]] = []
    for section in document:
        plain += _bare(section.title)
        begin = len(plain)
        for number, paragraph in enumerate(section.paragraphs):
            offset = len(plain)
            for place, first, last in section.answers:
                if place == number:
                    spans.append((offset + len(_bare(paragraph[:first])), offset + len(_bare(paragraph[:last]))))
            plain += _bare(paragraph)
        bodies.append((begin, len(plain)))
    ranges = []
    position = 0
    for text in map(_bare, texts):
        found = plain.find(text, position)
        if found < 0:
            raise SystemExit("A chunk holds text that is not in the document; the benchmark cannot place it.")
        ranges.append((found, found + len(text)))
        position = found + len(text)
    starts = [start for start, _ in ranges]
    broken = 0
    for first, last in spans:
        holder = bisect_right(starts, first) - 1
        broken += holder < 0 or ranges[holder][1] < last
    crossed = sum(sum(begin < end and start < stop for start, end in bodies) > 1 for begin, stop in ranges)
    return len(spans), broken, crossed


def _bare(text: str) -> str:
    return "".join(text.split())


def _without_headings(sections: Sequence[Section]) -> list[Element]:
    return [Element("NarrativeText", " ".join(text.split())) for section in sections for text in section.paragraphs]


def _long_document(elements: Sequence[Element]) -> list[Element]:
    """The first pages of the elements, begun again as often as it takes."""
    document: list[Element] = []
    size = 0
    while size < PAGES * PAGE_CHARACTERS:
        element = elements[len(document) % len(elements)]
        document.append(element)
        size += len(element.text)
    return document


def _edits(chunk: Chunker, elements: Sequence[Element], edits: int) -> tuple[float, int]:
    """(median, most) of chunks that one new paragraph changes in the document."""
    rng = random.Random(2)
    before = set(chunk(elements))
    changed = []
    for _ in range(edits):
        place = rng.randrange(1, len(elements))
        path = elements[place - 1].section_path
        text = rng.choice([element.text for element in elements if element.category != "Title"])
        inserted = Element("NarrativeText", text[::-1][:400], section_path=path)
        changed.append(len(set(chunk([*elements[:place], inserted, *elements[place:]])) - before))
    changed.sort()
    return float(changed[len(changed) // 2]), changed[-1]


if __name__ == "__main__":
    main()
