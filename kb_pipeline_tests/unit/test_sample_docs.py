"""The committed sample documents: what they cover, that the script makes them, that they answer the questions."""

from __future__ import annotations

import csv
import email
import email.policy
import html
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import docx
import openpyxl
import pptx
import pypdfium2
import pytest
from stdnum import luhn
from stdnum.cn import ric, uscc

ROOT = Path(__file__).parents[2]
SAMPLE_DOCS = ROOT / "sample_docs"
QUESTIONS = json.loads((ROOT / "kb_pipeline_tests/data/sample_questions.json").read_text(encoding="utf-8"))

sys.path.insert(0, str(ROOT))  # the script is not part of the installed package
from scripts.sample_docs.__main__ import CONTENT, find_font, write_documents  # noqa: E402
from scripts.sample_docs.markup import Document, load_documents  # noqa: E402

FONT = find_font()
DOCUMENTS = {document.target: document for document in load_documents(CONTENT)}
REPRODUCIBLE = [target for target, document in DOCUMENTS.items() if FONT or not document.needs_chinese_font]
COVERED = "all documents" if FONT else "without Chinese PDFs, whose font is not installed"


def committed() -> list[str]:
    return sorted(p.relative_to(SAMPLE_DOCS).as_posix() for p in SAMPLE_DOCS.rglob("*") if p.is_file())


def pages_of(path: Path) -> list[str]:
    """The text of each page, or one text where pages mean nothing; no white space."""
    return [re.sub(r"[\s>]", "", text) for text in _texts(path)]


def _texts(path: Path) -> list[str]:
    match path.suffix:
        case ".pdf":
            with pypdfium2.PdfDocument(path) as file:
                return [page.get_textpage().get_text_range() for page in file]
        case ".docx":
            body = docx.Document(str(path))
            lines = [paragraph.text for paragraph in body.paragraphs]
            rows = [[cell.text for cell in row.cells] for table in body.tables for row in table.rows]
            return ["\n".join(lines + [" ".join(row) for row in rows])]
        case ".pptx":
            frames = [shape for slide in pptx.Presentation(str(path)).slides for shape in slide.shapes]
            lines = [shape.text_frame.text for shape in frames if shape.has_text_frame]
            cells = [cell.text for s in frames if s.has_table for row in s.table.rows for cell in row.cells]
            return ["\n".join(lines + cells)]
        case ".xlsx":
            rows = [row for sheet in openpyxl.load_workbook(path) for row in sheet.iter_rows(values_only=True)]
            titles = openpyxl.load_workbook(path).sheetnames
            return ["\n".join(titles + [" ".join(str(value) for value in row if value is not None) for row in rows])]
        case ".html":
            return [html.unescape(re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8")))]
        case ".eml":
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body_part = message.get_body(("plain",))
            assert body_part is not None
            return [body_part.get_content()]
        case _:
            return [path.read_text(encoding="utf-8-sig")]


def test_there_are_at_least_24_documents_in_three_collections_and_nine_formats() -> None:
    names = committed()
    assert len(names) >= 24
    assert {name.split("/")[0] for name in names} == {"contracts", "policies", "products"}
    formats = Counter(name.rpartition(".")[2] for name in names)
    assert set(formats) == {"pdf", "docx", "xlsx", "pptx", "html", "md", "txt", "csv", "eml"}
    assert sum((SAMPLE_DOCS / name).stat().st_size for name in names) < 3_000_000


def test_roughly_half_of_the_documents_are_chinese() -> None:
    chinese = sum(document.chinese for document in DOCUMENTS.values())
    assert 0.4 <= chinese / len(DOCUMENTS) <= 0.6


def test_the_committed_files_are_those_that_the_script_makes() -> None:
    assert committed() == sorted(DOCUMENTS)


@pytest.fixture(scope="module")
def made_in_two_processes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = (tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second"))
    for seed, folder in enumerate(folders, start=1):
        command = [sys.executable, "-m", "scripts.sample_docs", "--out", str(folder)]
        command += [] if FONT else ["--without-chinese-pdf"]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return folders


@pytest.mark.parametrize("covered", [COVERED])
def test_two_runs_of_the_script_give_the_same_bytes(made_in_two_processes: tuple[Path, Path], covered: str) -> None:
    first, second = made_in_two_processes
    differing = [name for name in REPRODUCIBLE if (first / name).read_bytes() != (second / name).read_bytes()]
    assert differing == []


@pytest.mark.parametrize("covered", [COVERED])
def test_the_script_makes_what_is_committed(made_in_two_processes: tuple[Path, Path], covered: str) -> None:
    """Office files are compared member by member and PDFs by their text: another zlib packs differently."""
    first, _ = made_in_two_processes
    differing = [name for name in REPRODUCIBLE if _content(first / name) != _content(SAMPLE_DOCS / name)]
    assert differing == [], "run `python -m scripts.sample_docs` and commit the result"


def _content(path: Path) -> object:
    match path.suffix:
        case ".pdf":
            return _texts(path)
        case ".docx" | ".pptx" | ".xlsx":
            with zipfile.ZipFile(path) as archive:
                return {name: archive.read(name) for name in archive.namelist()}
        case _:
            return path.read_bytes()


def test_without_a_chinese_font_the_error_says_what_to_install(tmp_path: Path) -> None:
    chinese_pdf = [document for document in DOCUMENTS.values() if document.needs_chinese_font]
    with pytest.raises(ValueError, match=r"fonts-wqy-microhei.*--font"):
        write_documents(chinese_pdf, tmp_path, font=None)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["question"])
def test_the_expected_source_of_a_question_holds_its_evidence(question: dict[str, str | int | None]) -> None:
    pages = pages_of(SAMPLE_DOCS / str(question["source_file"]))
    evidence = re.sub(r"\s", "", str(question["evidence"]))
    if question["page"] is None:
        assert any(evidence in page for page in pages)
    else:
        assert [number for number, page in enumerate(pages, start=1) if evidence in page] == [question["page"]]
    if question["section"]:
        assert any(re.sub(r"\s", "", str(question["section"])) in page for page in pages)


def test_there_are_forty_questions_in_both_languages_over_most_documents() -> None:
    languages = Counter(question["language"] for question in QUESTIONS)
    assert min(languages["zh"], languages["en"]) >= 20
    assert len({question["source_file"] for question in QUESTIONS}) >= 24


def _all_bodies() -> str:
    return "\n".join(document.body for document in DOCUMENTS.values())


def test_identifiers_have_right_check_digits_and_cannot_belong_to_anyone() -> None:
    text = _all_bodies()
    ids = re.findall(r"(?<![0-9A-Z])[1-6]\d{16}[\dX](?![0-9A-Z])", text)
    assert len(set(ids)) >= 8
    for number in ids:
        ric.validate(number)
        assert number[14:17] >= "996"
    cards = re.findall(r"(?<!\d)62\d{14,17}(?!\d)", text)
    assert len(set(cards)) >= 5
    for card in cards:
        luhn.validate(card)
        assert card.startswith("629999")
    for company in re.findall(r"(?<![0-9A-Z])91[0-9A-Z]{16}(?![0-9A-Z])", text):
        uscc.validate(company)
    mobiles = re.findall(r"(?<!\d)1[3-9]\d ?\d{4} ?\d{4}(?!\d)", text)
    assert len(set(mobiles)) >= 10
    assert all(mobile.replace(" ", "")[3:7] == "0000" for mobile in mobiles)
    for domain in re.findall(r"@([a-z0-9.-]+[a-z])", text):
        assert domain.endswith(("example.com", "example.net", "example.org"))


def test_one_chinese_pdf_has_bookmarks_and_another_has_none() -> None:
    def bookmarks(name: str) -> int:
        with pypdfium2.PdfDocument(SAMPLE_DOCS / name) as file:
            return len(list(file.get_toc()))

    assert bookmarks("contracts/自助终端采购合同_LJ-CG-2024-018.pdf") > 20
    assert bookmarks("contracts/清溪支行房屋租赁合同.pdf") == 0


def test_the_list_of_suspicious_features_runs_over_a_page_and_repeats_its_header() -> None:
    pages = pages_of(SAMPLE_DOCS / "policies/反洗钱和客户尽职调查管理办法.pdf")
    with_table = [page for page in pages if re.search(r"S\d\d", page)]
    assert len(with_table) == 2
    assert all("编号业务类型可疑特征建议措施" in page for page in with_table)


def test_branch_terminals_add_up_to_the_sixty_that_were_bought() -> None:
    with (SAMPLE_DOCS / "products/branches.csv").open(encoding="utf-8-sig", newline="") as file:
        assert sum(int(row["self_service_terminals"]) for row in csv.DictReader(file)) == 60


def test_merged_cells_survive_in_word_and_spreadsheet() -> None:
    word = docx.Document(str(SAMPLE_DOCS / "policies/员工休假管理办法.docx"))
    assert any(row.cells[1]._tc is row.cells[2]._tc for table in word.tables for row in table.rows)
    sheet = openpyxl.load_workbook(SAMPLE_DOCS / "products/服务价目表_2025.xlsx").worksheets[0]
    assert len(sheet.merged_cells.ranges) >= 5


def test_a_document_of_another_shape_is_refused_by_name() -> None:
    broken = Document("x/y.pdf", {"language": "en"}, "| a | b |\n|---|---|\n| c |\n")
    with pytest.raises(ValueError, match=r"x/y\.pdf.*differ in length"):
        broken.blocks()
