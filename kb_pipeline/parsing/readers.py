"""The readers: which one reads which format.

A *reader* takes a File and gives a ParsedDocument, or raises a DocumentError; whatever else it raises becomes one in
`partition`. Its module is imported for the first file of its format, since libraries for a format are slow to
import. A new format is a line in this table and a line in `formats`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

from kb_pipeline.parsing.formats import IMAGE_FORMATS, Format
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits


@dataclass(frozen=True, slots=True)
class File:
    """What a reader gets: the bytes, the name (without folders), the format that they were found to be in."""

    data: bytes
    name: str
    format: Format
    limits: ParseLimits = field(default_factory=ParseLimits)


Reader = Callable[[File], ParsedDocument]


def _of(function: str, *options: str) -> Reader:
    """The reader `module.function` of this package; `options`: what of a File it takes beside the bytes."""
    module, _, name = function.rpartition(".")

    def read(file: File) -> ParsedDocument:
        reader: Callable[..., ParsedDocument] = getattr(import_module(f"kb_pipeline.parsing.{module}"), name)
        return reader(file.data, **{option: getattr(file, option) for option in options})

    return read


def _converted(target: Format) -> Reader:
    """The reader of what LibreOffice makes of the file."""

    def read(file: File) -> ParsedDocument:
        from kb_pipeline.parsing.office.legacy import convert

        data = convert(file.data, source=file.format, target=target, seconds=file.limits.seconds)
        return READERS[target](replace(file, data=data, format=target))

    return read


def _carrying(reader: Reader) -> Reader:
    """The reader, and a warning for what the file carries and cannot be a document of its own."""

    def read(file: File) -> ParsedDocument:
        from kb_pipeline.parsing.carriers import left_out

        document = reader(file)
        reasons = left_out(io.BytesIO(file.data), f"a.{file.format}", unzipped_mb=file.limits.unzipped_mb)
        return replace(document, warnings=(*document.warnings, *reasons))

    return read


READERS: Mapping[Format, Reader] = {
    Format.PDF: _of("pdf.read_pdf", "limits"),
    Format.DOCX: _of("office.docx.read_docx"),
    Format.DOC: _converted(Format.DOCX),
    Format.XLSX: _of("office.xlsx.read_xlsx"),
    Format.XLS: _of("office.xls.read_xls"),
    Format.PPTX: _of("office.pptx.read_pptx", "limits"),
    Format.PPT: _converted(Format.PPTX),
    Format.ODT: _of("office.odt.read_odt"),
    Format.ODS: _converted(Format.XLSX),
    Format.ODP: _converted(Format.PPTX),
    Format.EPUB: _of("epub.read_epub"),
    Format.OFD: _of("ofd.read_ofd", "limits"),
    Format.RTF: _of("rtf.read_rtf"),
    Format.HTML: _of("html.reader.read_html"),
    Format.MARKDOWN: _of("markdown.read_markdown"),
    Format.TEXT: _of("text.read_text"),
    Format.CSV: _of("delimited.read_delimited"),
    Format.TSV: _of("delimited.read_tsv"),
    Format.EML: _carrying(_of("mail.reader.read_eml")),
    Format.MSG: _carrying(_of("mail.reader.read_msg")),
    Format.MHTML: _of("mail.reader.read_mhtml"),
    Format.IPYNB: _of("notebook.read_notebook"),
    Format.ASCIIDOC: _of("asciidoc.read_asciidoc"),
    Format.ORG: _of("org.read_org"),
    Format.VTT: _of("subtitles.read_subtitles"),
    Format.SRT: _of("subtitles.read_subtitles"),
    Format.ICS: _of("calendars.read_calendar"),
    Format.ZIP: _of("carriers.read_zip", "limits"),
    Format.CODE: _of("code.reader.read_code", "name"),
    **dict.fromkeys(IMAGE_FORMATS, _of("images.read_image", "limits")),
}
