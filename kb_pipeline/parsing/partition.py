"""A file's bytes -> its elements, by the reader of its format.

Whatever a library raises becomes one of our document errors here. Their texts name the kind of the error
only: what libraries say may quote the document.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace

from kb_pipeline.errors import (
    DocumentError,
    EmptyDocument,
    EncryptedDocument,
    LimitExceeded,
    MalformedDocument,
    UnsupportedFormat,
)
from kb_pipeline.parsing.archive import check_archive
from kb_pipeline.parsing.formats import IMAGE_FORMATS, ZIP_FORMATS, Format, detect_format
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits

# What LibreOffice makes of the formats that it converts.
CONVERTED_INTO = {
    Format.DOC: Format.DOCX,
    Format.PPT: Format.PPTX,
    Format.ODS: Format.XLSX,
    Format.ODP: Format.PPTX,
}


def partition(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """Read the document. `name` is its file name; only the extension counts. Raises DocumentError."""
    if not data:
        raise EmptyDocument("The file is empty (0 bytes).")
    kind = detect_format(name, data)
    try:
        if kind in ZIP_FORMATS:
            check_archive(data, unzipped_mb=limits.unzipped_mb)
        document = _read(kind, data, name, limits)
    except DocumentError:
        raise
    except MemoryError:
        raise LimitExceeded(
            f"Reading the file takes more than {limits.memory_mb} MiB; raise limits.memory_mb or split the file."
        ) from None
    except RecursionError:
        raise LimitExceeded("The file is nested too deeply; save it in a simpler form.") from None
    except subprocess.TimeoutExpired:
        raise LimitExceeded(
            f"Converting the file takes more than {limits.seconds:.0f} s; raise limits.seconds or split the file."
        ) from None
    except ImportError:
        raise UnsupportedFormat(
            f"A package for reading {kind.value.upper()} is missing; install kb_pipeline with all it requires,"
            " then run kb failures retry."
        ) from None
    except Exception as error:  # noqa: BLE001 (any library, any damage: this document fails, the others go on)
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise EncryptedDocument("The file is protected by a password; save it without one.") from None
        raise MalformedDocument(
            f"The file cannot be read as {kind.value.upper()} ({type(error).__name__}); open it and save it again."
        ) from None
    return replace(document, metadata={"format": kind.value, **document.metadata})


def _read(kind: Format, data: bytes, name: str, limits: ParseLimits) -> ParsedDocument:
    """Call the reader. The import of its libraries waits for the first file of that kind."""
    if kind in IMAGE_FORMATS:
        from kb_pipeline.parsing.images import read_image

        return read_image(data, limits=limits)
    match kind:
        case Format.PDF:
            from kb_pipeline.parsing.pdf import read_pdf

            return read_pdf(data, limits=limits)
        case Format.EPUB:
            from kb_pipeline.parsing.epub import read_epub

            return read_epub(data)
        case Format.RTF:
            from kb_pipeline.parsing.rtf import read_rtf

            return read_rtf(data)
        case Format.DOCX | Format.ODT | Format.PPTX | Format.XLSX | Format.XLS:
            return _read_office(kind, data, limits)
        case Format.DOC | Format.PPT | Format.ODS | Format.ODP:
            from kb_pipeline.parsing.office.legacy import convert

            target = CONVERTED_INTO[kind]
            return _read_office(target, convert(data, source=kind, target=target, seconds=limits.seconds), limits)
        case _:
            return _read_text_format(kind, data, name)


def _read_office(kind: Format, data: bytes, limits: ParseLimits) -> ParsedDocument:
    match kind:
        case Format.DOCX:
            from kb_pipeline.parsing.office.docx import read_docx

            return read_docx(data)
        case Format.ODT:
            from kb_pipeline.parsing.office.odt import read_odt

            return read_odt(data)
        case Format.PPTX:
            from kb_pipeline.parsing.office.pptx import read_pptx

            return read_pptx(data, limits=limits)
        case Format.XLSX:
            from kb_pipeline.parsing.office.xlsx import read_xlsx

            return read_xlsx(data)
        case _:
            from kb_pipeline.parsing.office.xls import read_xls

            return read_xls(data)


def _read_text_format(kind: Format, data: bytes, name: str) -> ParsedDocument:
    match kind:
        case Format.MARKDOWN:
            from kb_pipeline.parsing.markdown import read_markdown

            return read_markdown(data)
        case Format.CSV | Format.TSV:
            from kb_pipeline.parsing.delimited import read_delimited

            return read_delimited(data, delimiter="\t" if kind is Format.TSV else None)
        case Format.HTML:
            from kb_pipeline.parsing.html.reader import read_html

            return read_html(data)
        case Format.CODE:
            from kb_pipeline.parsing.code.reader import read_code

            return read_code(data, name=name)
        case Format.EML:
            from kb_pipeline.parsing.mail.reader import read_eml

            return read_eml(data)
        case Format.MHTML:
            from kb_pipeline.parsing.mail.reader import read_mhtml

            return read_mhtml(data)
        case Format.IPYNB:
            from kb_pipeline.parsing.notebook import read_notebook

            return read_notebook(data)
        case Format.MSG:
            from kb_pipeline.parsing.mail.reader import read_msg

            return read_msg(data)
        case _:
            from kb_pipeline.parsing.text import read_text

            return read_text(data)
