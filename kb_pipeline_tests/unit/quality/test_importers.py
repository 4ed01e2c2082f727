"""What others publish and what sites write becomes the same questions; a mistake is one sentence with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.quality.importers import read_questions
from kb_pipeline.store.quality.questions import Answer

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = "The bank opened in 1998. Its head office is in Linxi, in a house of 12 floors. It has 40 branches."


def test_squad_quotes_the_sentence_of_the_answer(tmp_path: Path) -> None:
    entry = {"question": "How many floors?", "answers": [{"text": "12", "answer_start": CONTEXT.index("12")}]}
    unanswerable = {"question": "Who?", "answers": []}
    data = {"data": [{"title": "bank", "paragraphs": [{"context": CONTEXT, "qas": [entry, unanswerable]}]}]}
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(data))
    (question,) = read_questions(file).questions
    assert question.answers == (Answer("bank", "Its head office is in Linxi, in a house of 12 floors."),)
    assert (question.language, question.provenance) == ("en", "import")


def test_a_wrong_offset_is_looked_for(tmp_path: Path) -> None:
    entry = {"question": "When?", "answers": [{"text": "1998", "answer_start": 70}]}
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": [entry]}]}]}))
    assert read_questions(file).questions[0].answers == (Answer(None, "The bank opened in 1998."),)


def test_beir_names_documents_and_quotes_their_beginning(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "", "text": "one text"}\n{"_id": "d2", "text": "two"}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "what is one?"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    imported = read_questions(tmp_path)
    assert imported.whole_documents
    assert imported.questions[0].answers == (Answer("d1", "one text", grade=2),)


def test_trec_judgements_need_their_questions(tmp_path: Path) -> None:
    judged, asked = tmp_path / "a.qrels", tmp_path / "asked.tsv"
    judged.write_text("7 0 doc-1 1\n7 0 doc-2 1\n7 0 doc-3 0\n")
    asked.write_text("7\twhat flows?\n")
    with pytest.raises(SettingsError, match="--questions FILE"):
        read_questions(judged)
    (question,) = read_questions(judged, asked).questions
    assert [answer.path for answer in question.answers] == ["doc-1", "doc-2"]


def test_a_table_in_a_chinese_encoding(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = "question,document,quote,page,kind\n年假几天?,休假.docx,至多五天,2,number\n年假几天?,手册.pdf,,,number\n"
    file.write_bytes(rows.encode("gb18030"))
    (question,) = read_questions(file).questions
    assert question.answers == (Answer("休假.docx", "至多五天", 2), Answer("手册.pdf"))
    assert (question.kind, question.language, question.provenance) == ("number", "zh", "file")


def test_a_list_may_give_several_answers(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("- question: q\n  answers:\n  - {document: a.md, evidence: b}\n  - {source_file: c.md, grade: 3}\n")
    assert read_questions(file).questions[0].answers == (Answer("a.md", "b"), Answer("c.md", grade=3))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "frage,antwort\n1,2\n", "has no column question"),
        ("a.json", '[\n{"question": "q"}\n]', "Entry 1 of .* names neither a document nor a quote"),
        ("a.json", "[\n{,\n]", "no JSON from line 2"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": [{}]}]}]}', "not of SQuAD's form"),
        ("a.json", "7", "no list of questions"),
        ("a.jsonl", '{"question": "q", "quote": "x"}\nnothing\n', "Line 2 of .* is no JSON"),
        ("a.yaml", "- question: q\n  quote: x\n  page: none\n", "page that is no number"),
        ("a.yaml", "- q\n", "Entry 1 of .* is no question"),
        ("a.yaml", "- {question: q, answers: 3}\n", "answers that are no list"),
        ("a.yaml", "- a: [", "no YAML from line"),
        ("a.csv", "question,quote\n,x\n", "has no question"),
        ("a.csv", "question,quote\n", "holds no question"),
        ("a.doc", "", "is no set of questions"),
        ("a.csv", f"question,quote\n{'x' * 2001},y\n", "no search takes"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(SettingsError, match=said):
        read_questions(file)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no"):
        read_questions(tmp_path / "none.csv")
    with pytest.raises(SettingsError, match="lacks corpus"):
        read_questions(tmp_path)
