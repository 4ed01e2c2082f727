"""Evaluation sets as others publish them and as sites write them, read into questions.

    a folder            BEIR: corpus.jsonl, queries.jsonl and qrels/*.tsv
    *.qrels *.qrel      TREC judgements (question, 0, document, grade), with a file of questions (number, tab, question)
    *.json              SQuAD and what has its form; or a list of questions as below
    *.jsonl *.yaml      questions, each with question, document, quote, page, kind, language and grade; or with
                        `answers`, a list of the like
    *.csv *.tsv         the same names as columns; a question that stands twice has two answers

What is named `document` is a path as a search shows it, or the name of a file without its folder or its ending. Where
no document is named, the quote finds it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import yaml

from kb_pipeline.chunking.language import language_of
from kb_pipeline.chunking.sentences import sentences
from kb_pipeline.errors import SettingsError
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.store.quality.questions import Answer, Provenance, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MOST_BYTES = 1_000_000_000
LONGEST_QUOTE = 600  # characters; a longer one is split by the next chunking
LONGEST_QUESTION = 2_000
_NAMES = {
    "question": "question",
    "query": "question",
    "document": "document",
    "source_file": "document",
    "quote": "quote",
    "evidence": "quote",
    "page": "page",
    "page_number": "page",
    "kind": "kind",
    "type": "kind",
    "language": "language",
    "grade": "grade",
}
_SUFFIXES = ".json, .jsonl, .yaml, .csv, .tsv, .qrels, or a folder of BEIR's form"


@dataclass(frozen=True, slots=True)
class Imported:
    """`whole_documents`: an answer is a document, and its quote only there to find it by."""

    questions: tuple[Question, ...]
    whole_documents: bool = False


def read_questions(path: Path, asked: Path | None = None) -> Imported:
    """What `path` holds; `asked`: the questions of TREC judgements. Raises SettingsError, which names the place."""
    if not path.exists():
        raise SettingsError(f"There is no {path}; name a file or folder of questions.")
    if path.is_dir():
        return _beir(path)
    suffix = path.suffix.lower()
    if suffix in (".qrels", ".qrel"):
        return _trec(path, asked)
    provenance: Provenance = "file"
    if suffix in (".csv", ".tsv"):
        found = _entries(path, _rows(path, "\t" if suffix == ".tsv" else ","))
    elif suffix == ".jsonl":
        found = _entries(path, _json_lines(path))
    elif suffix in (".json", ".yaml", ".yml"):
        content = _parsed(path, is_yaml=suffix != ".json")
        if isinstance(content, dict) and isinstance(content.get("data"), list):
            provenance, found = "import", _squad(path, content["data"])
        elif isinstance(content, list):
            found = _entries(path, enumerate(content, start=1))
        else:
            raise SettingsError(f"{path} is no list of questions and not of SQuAD's form; see kb eval import --help.")
    else:
        raise SettingsError(f"{path} is no set of questions; give {_SUFFIXES}.")
    return Imported(_merged(path, found, provenance))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SettingsError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB; divide it.")
        return decode_text(path.read_bytes())[0]
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); correct that and import it again.") from None


def _parsed(path: Path, *, is_yaml: bool) -> Any:
    try:
        return yaml.load(_text(path), yaml.CSafeLoader) if is_yaml else json.loads(_text(path))
    except (ValueError, yaml.YAMLError) as error:
        place = error.problem_mark.line + 1 if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else None
        line = error.lineno if isinstance(error, json.JSONDecodeError) else place
        kind = "YAML" if is_yaml else "JSON"
        raise SettingsError(f"{path} is no {kind}{f' from line {line} on' if line else ''}; correct it.") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                raise SettingsError(f"Line {number} of {path} is no JSON; correct it.") from None


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(_text(path).splitlines(), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in reader.fieldnames or []]
    if not {"question", "query"} & set(names):
        raise SettingsError(f"{path} has no column question; its first line has to name the columns.")
    reader.fieldnames = names
    try:
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if name and value}
    except csv.Error as error:
        raise SettingsError(f"Line {reader.line_num} of {path} is no CSV ({error}); correct it.") from None


# --- a site's own -------------------------------------------------------------------------------------


def _entries(path: Path, entries: Iterable[tuple[int, Any]]) -> Iterator[Question]:
    for number, entry in entries:
        where = f"Entry {number} of {path}"
        if not isinstance(entry, dict):
            raise SettingsError(f"{where} is no question; write question, document and quote by name.")
        said = {_NAMES[name]: value for name, value in entry.items() if name in _NAMES}
        several = entry.get("answers", [said])
        if not isinstance(several, list) or not all(isinstance(answer, dict) for answer in several):
            raise SettingsError(f"{where} has answers that are no list of documents and quotes; correct them.")
        answers = [_answer(where, {_NAMES.get(name, name): value for name, value in each.items()}) for each in several]
        question = str(said.get("question") or "").strip()
        if not question:
            raise SettingsError(f"{where} has no question; fill it in or take it out.")
        yield Question(
            question, tuple(answers), str(said.get("kind") or "").strip(), str(said.get("language") or "").strip()
        )


def _answer(where: str, said: Mapping[str, Any]) -> Answer:
    document, quote = str(said.get("document") or "").strip(), str(said.get("quote") or "").strip()
    if not document and not quote:
        raise SettingsError(f"{where} names neither a document nor a quote; say where its answer stands.")
    grade = _number(where, "grade", said.get("grade"))
    return Answer(
        document or None,
        quote[:LONGEST_QUOTE],
        _number(where, "page", said.get("page")),
        1 if grade is None else grade,
    )


def _number(where: str, name: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number < 2**31:
        raise SettingsError(f"{where} has a {name} that is no number from 1 on; correct it.")
    return number


# --- published forms ----------------------------------------------------------------------------------


def _squad(path: Path, articles: Sequence[Any]) -> Iterator[Question]:
    try:
        for article in articles:
            for paragraph in article["paragraphs"]:
                for entry in paragraph["qas"]:
                    if not entry["answers"]:  # SQuAD 2 asks what nothing answers
                        continue
                    quote = _around(paragraph["context"], entry["answers"][0])
                    name = article.get("title") or paragraph.get("title")
                    yield Question(entry["question"].strip(), (Answer(name, quote),))
    except (KeyError, TypeError, AttributeError, IndexError):
        raise SettingsError(
            f"{path} is not of SQuAD's form; each of data needs paragraphs with context and qas with question and "
            "answers."
        ) from None


def _around(context: str, answer: Mapping[str, Any]) -> str:
    """The sentence that an answer begins in: a number alone stands in many places."""
    start = int(answer.get("answer_start", -1))
    if not context.startswith(answer["text"], max(start, 0)):  # the offsets of some sets count otherwise
        start = context.find(answer["text"])
    if start < 0:
        return str(answer["text"])[:LONGEST_QUOTE]
    end = 0
    for sentence in sentences(context, LONGEST_QUOTE):
        end = context.index(sentence, end) + len(sentence)
        if start < end:
            return sentence.strip()
    return str(answer["text"])[:LONGEST_QUOTE]


def _beir(folder: Path) -> Imported:
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    judged = sorted((folder / "qrels").glob("*.tsv"))
    if not corpus.is_file() or not queries.is_file() or not judged:
        raise SettingsError(f"{folder} lacks corpus.jsonl, queries.jsonl or qrels/*.tsv; give a folder of BEIR's form.")
    asked = {str(entry.get("_id")): str(entry.get("text", "")) for _, entry in _json_lines(queries)}
    texts = {str(entry.get("_id")): str(entry.get("text", "")) for _, entry in _json_lines(corpus)}
    lines = chain.from_iterable(_judged(file, skip_head=True) for file in judged)
    return Imported(_merged(folder, _from_judgements(folder, lines, asked, texts), "import"), whole_documents=True)


def _trec(path: Path, asked: Path | None) -> Imported:
    if asked is None:
        raise SettingsError(f"{path} holds judgements only; give the questions, too: --questions FILE.")
    questions = {}
    for line in _text(asked).splitlines():
        number, tab, question = line.partition("\t")
        if line.strip() and not tab:
            raise SettingsError(
                f"{asked} is no list of questions; write a number, a tab and the question on each line."
            )
        questions[number.strip()] = question.strip()
    return Imported(_merged(path, _from_judgements(path, _judged(path), questions, {}), "import"), whole_documents=True)


def _judged(path: Path, *, skip_head: bool = False) -> Iterator[tuple[str, str, int]]:
    """Question, document and grade of each line; of three columns, or of four with one between that says nothing."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        columns = line.split()
        if not columns or (skip_head and number == 1):
            continue
        try:
            yield columns[0], columns[-2], int(float(columns[-1]))
        except (IndexError, ValueError):
            raise SettingsError(
                f"Line {number} of {path} is no judgement; it needs a question, a document and a grade."
            ) from None


def _from_judgements(
    path: Path, judged: Iterable[tuple[str, str, int]], asked: Mapping[str, str], texts: Mapping[str, str]
) -> Iterator[Question]:
    for question, document, grade in judged:
        if question not in asked:
            raise SettingsError(f"{path} judges question {question}, which is not among the questions; add it.")
        if grade > 0:
            answer = Answer(document, texts.get(document, "").strip()[:LONGEST_QUOTE], grade=grade)
            yield Question(asked[question].strip(), (answer,))


def _merged(path: Path, questions: Iterable[Question], provenance: Provenance) -> tuple[Question, ...]:
    """Each question once, with all its answers."""
    found: dict[str, Question] = {}
    for question in questions:
        text = question.question
        if len(text) > LONGEST_QUESTION or "\0" in text:
            raise SettingsError(
                f"{path} holds a question that no search takes, of more than {LONGEST_QUESTION:,} characters or with "
                "a NUL; correct it."
            )
        known = found.get(text)
        answers = tuple(dict.fromkeys([*(known.answers if known else ()), *question.answers]))
        found[text] = replace(
            known or question,
            answers=answers,
            language=question.language or language_of(text),
            provenance=provenance,
        )
    if not found:
        raise SettingsError(f"{path} holds no question; give one that does.")
    return tuple(found.values())
