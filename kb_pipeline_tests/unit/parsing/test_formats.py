"""Content decides what a file is; the extension settles what content cannot tell."""

from __future__ import annotations

import io
import zipfile

import pytest

from kb_pipeline.errors import MalformedDocument, UnsupportedFormat
from kb_pipeline.parsing.formats import Format, detect_format
from kb_pipeline.parsing.readers import READERS


def archive(*names: str, mimetype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        if mimetype:
            target.writestr("mimetype", mimetype)
        for name in names:
            target.writestr(name, "<x/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.pdf", b"%PDF-1.7\n", Format.PDF),
        ("a.docx", b"junk\n%PDF-1.4\n", Format.PDF),
        ("a.bin", archive("word/document.xml"), Format.DOCX),
        ("a.docx", archive("xl/workbook.xml"), Format.XLSX),
        ("a.ppt", archive("ppt/presentation.xml"), Format.PPTX),
        ("a.zip", archive(mimetype="application/epub+zip"), Format.EPUB),
        ("a.odt", archive(mimetype="application/vnd.oasis.opendocument.text"), Format.ODT),
        ("a.zip", archive("OFD.xml", "Doc_0/Document.xml"), Format.OFD),
        ("a.doc", rb"{\rtf1 text}", Format.RTF),
        ("a.xls", b"<html><table></table></html>", Format.HTML),
        ("a.txt", b"<!DOCTYPE html><p>x", Format.HTML),
        ("a.txt", b"about %PDF-1.7 files", Format.TEXT),
        ("README", b"plain", Format.TEXT),
        ("a.MD", "# 标题".encode(), Format.MARKDOWN),
        ("a.md", "标题".encode("utf-16"), Format.MARKDOWN),
        ("a.tsv", b"a\tb", Format.TSV),
        ("a.csv", b"a,b", Format.CSV),
        ("a.eml", b"Subject: x\n\nbody", Format.EML),
    ],
)
def test_a_file_is_what_its_content_says(name: str, data: bytes, expected: Format) -> None:
    assert detect_format(name, data) is expected


def test_an_unknown_extension_is_refused_naming_what_is_supported() -> None:
    with pytest.raises(UnsupportedFormat, match=r"\.wav are not supported.*PDF, DOCX"):
        detect_format("a.wav", b"RIFF")


@pytest.mark.parametrize("names", [("a.txt",), ("word/notes.txt", "xl/numbers.txt")])
def test_an_archive_of_files_is_one_by_its_ending(names: tuple[str, ...]) -> None:
    assert detect_format("a.zip", archive(*names)) is Format.ZIP
    with pytest.raises(UnsupportedFormat, match=r"type \.zip are not supported: give its name the ending \.zip"):
        detect_format("a.docx", archive(*names))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (archive("META-INF/MANIFEST.MF", "a/B.class"), "jar"),
        (archive("AndroidManifest.xml", "META-INF/MANIFEST.MF"), "apk"),
        (archive("[Content_Types].xml", "visio/document.xml"), "vsdx"),
        (archive("[Content_Types].xml", "xl/workbook.bin"), "xlsb"),
        (archive("FixedDocumentSequence.fdseq"), "xps"),
        (archive("Index/Document.iwa"), "pages"),
        (archive(mimetype="application/vnd.oasis.opendocument.graphics"), "odg"),
        (b"Rar!\x1a\x07\x01\0", "rar"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
        (b"\x1f\x8b\x08\0", "gz"),
        (bytes(257) + b"ustar\x0000", "tar"),
        (b"SQLite format 3\0", "sqlite"),
    ],
)
@pytest.mark.parametrize("name", ["a.pdf", "a.zip", "a.docx", "a"])
def test_a_refusal_names_what_the_file_is_and_not_what_its_name_says(name: str, data: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedFormat, match=rf"type \.{kind} are not supported"):
        detect_format(name, data)


@pytest.mark.parametrize("text", [b"GIF8 or PNG?", b"ID3 tags", b"BZh is a magic number", b"AC10 is a rule"])
def test_a_text_may_begin_with_the_letters_of_another_kind(text: bytes) -> None:
    assert detect_format("a.txt", text) is Format.TEXT


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("word\\document.xml",), Format.DOCX),
        (("[Content_Types].xml", "WORD/document2.xml"), Format.DOCX),
        (("META-INF/container.xml", "OPS/book.opf"), Format.EPUB),
    ],
)
def test_a_careless_producer_is_understood(names: tuple[str, ...], expected: Format) -> None:
    assert detect_format("a.zip", archive(*names)) is expected


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.txt"])
def test_binary_junk_under_a_known_name_is_malformed(name: str) -> None:
    with pytest.raises(MalformedDocument):
        detect_format(name, bytes(range(256)) * 4)


def test_a_truncated_archive_is_malformed() -> None:
    with pytest.raises(MalformedDocument, match="DOCX"):
        detect_format("a.docx", archive("word/document.xml")[:40])


def test_every_format_has_a_reader() -> None:
    assert set(READERS) == set(Format)
