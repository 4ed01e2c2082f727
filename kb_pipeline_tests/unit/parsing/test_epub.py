"""EPUB: the chapters in the order of the book."""

from __future__ import annotations

import io
import zipfile

import pytest

from kb_pipeline.errors import EncryptedDocument, MalformedDocument
from kb_pipeline.parsing.epub import read_epub

CONTAINER = "<container><rootfiles><rootfile full-path='OPS/book.opf'/></rootfiles></container>"
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>一本书</dc:title><dc:creator>Ann</dc:creator><dc:language>zh</dc:language></metadata><manifest>
<item id="b" href="text/second.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/first%201.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="missing" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="missing"/></spine></package>"""
NAVIGATION = """<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>
<li><a href="text/first%201.xhtml">第一章</a></li><li><a href="text/second.xhtml#x">Second</a></li>
</ol></nav></body></html>"""


def book(**parts: str) -> bytes:
    files = {
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": PACKAGE,
        "OPS/nav.xhtml": NAVIGATION,
        "OPS/text/first 1.xhtml": "<html><head><title>x</title></head><body><p>起初。</p></body></html>",
        "OPS/text/second.xhtml": "<html><body><h2>Two</h2><p>The end.</p></body></html>",
        **parts,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            if text:
                archive.writestr(name, text)
    return buffer.getvalue()


def test_chapters_come_in_the_order_of_the_spine_with_the_headings_of_the_contents() -> None:
    document = read_epub(book())
    assert [(element.text, element.heading_level) for element in document.elements] == [
        ("第一章", 1),
        ("起初。", None),
        ("Two", 2),
        ("The end.", None),
    ]
    assert document.metadata == {"title": "一本书", "author": "Ann", "language": "zh"}
    assert document.source_characters == len("起初。TwoTheend.")


def test_a_protected_book_says_so() -> None:
    def encrypted(algorithm: str) -> bytes:
        method = f"<encryption><EncryptedData><EncryptionMethod Algorithm='{algorithm}'/></EncryptedData></encryption>"
        return book(**{"META-INF/encryption.xml": method})

    with pytest.raises(EncryptedDocument, match="protected"):
        read_epub(encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc"))
    assert read_epub(encrypted("http://www.idpf.org/2008/embedding")).elements  # fonts only


@pytest.mark.parametrize(
    "missing", [{"META-INF/container.xml": "", "OPS/book.opf": ""}, {"OPS/book.opf": "<package/>"}]
)
def test_a_book_without_chapters_is_malformed(missing: dict[str, str]) -> None:
    with pytest.raises(MalformedDocument):
        read_epub(book(**missing))
