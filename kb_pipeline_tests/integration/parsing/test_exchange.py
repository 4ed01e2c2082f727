"""A collection may have its files read by another reader, in the same confinement."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb_pipeline.errors import DocumentError, SettingsError
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.exchange import check_choice, choice_identity
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy

PACKAGE = """
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.parsed import ParsedDocument


def read(file, option="plain"):
    text = f"{file.format.value} {option}: " + file.data.decode()
    return ParsedDocument((Element("Title", "Read elsewhere", heading_level=1), Element("NarrativeText", text)))


def fail(file):
    raise RuntimeError("the text of the document")
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that registers two readers."""
    site = tmp_path / "site"
    metadata = site / "elsewhere-1.2.dist-info"
    metadata.mkdir(parents=True)
    (site / "elsewhere.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(
        "[kb_pipeline.readers]\nelsewhere = elsewhere:read\nfailing = elsewhere:fail\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))


def parsed(path: Path, readers: dict[str, str]) -> CleanedDocument | DocumentError:
    mask = Masker(MaskingPolicy(), b"k" * 32).mask_document
    with ParserPool(1) as pool:
        ((_, result),) = pool.parse([ParseJob(None, path, path.name, None, mask, readers)])
    return result


@pytest.mark.usefixtures("elsewhere")
def test_a_reader_of_another_package_reads_and_its_text_is_cleaned_and_masked(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("call  13812345678\u200b")
    document = parsed(path, {"txt": "elsewhere:carefully"})
    assert isinstance(document, CleanedDocument)
    title, text = document.elements
    assert (title.text, text.section_path) == ("Read elsewhere", ("Read elsewhere",))
    assert text.text.startswith("txt carefully: call <")
    assert "13812345678" not in repr(document)


@pytest.mark.usefixtures("elsewhere")
def test_a_reader_that_fails_fails_one_document_and_tells_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    error = parsed(path, {"txt": "failing"})
    assert str(error) == "The file cannot be read as TXT (RuntimeError); open it and save it again."
    assert "nothing behind a colon" in str(parsed(path, {"txt": "failing:x"}))


@pytest.mark.usefixtures("elsewhere")
def test_the_reader_and_its_version_are_part_of_what_elements_depend_on() -> None:
    assert choice_identity({"txt": "elsewhere:x"}) == {"txt": "elsewhere:x 1.2"}
    check_choice({"txt": "elsewhere", "pdf": "failing"})


@pytest.mark.parametrize(
    ("readers", "message"),
    [
        ({"pdf": "nobody"}, "reader nobody, which is not installed; there are docling, unstructured"),
        ({"paper": "docling"}, "format paper, which is none; write one of pdf, docx"),
    ],
)
def test_an_unknown_reader_or_format_is_one_sentence(readers: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_choice(readers)


def test_a_missing_extra_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"^The reader docling is not installed; install kb_pipeline\[docling\]\.$"):
        check_choice({"pdf": "docling"})
