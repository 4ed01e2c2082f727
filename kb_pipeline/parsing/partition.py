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
from kb_pipeline.parsing.formats import ZIP_FORMATS, Format, detect_format
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits

NEED_PANDOC = (Format.EPUB, Format.ODT, Format.RTF)


def partition(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """Read the document. `name` is its file name; only the extension counts. Raises DocumentError."""
    if not data:
        raise EmptyDocument("The file is empty (0 bytes).")
    kind = detect_format(name, data)
    try:
        if kind in ZIP_FORMATS:
            check_archive(data, unzipped_mb=limits.unzipped_mb)
        document = _read(kind, data, limits)
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
        # unstructured reports its missing extras by a plain ImportError; all but pandoc's are always installed.
        extra = "kb_pipeline[pandoc]" if kind in NEED_PANDOC else "kb_pipeline with all it requires"
        raise UnsupportedFormat(
            f"A package for reading {kind.value.upper()} is missing; install {extra}, then run kb failures retry."
        ) from None
    except Exception as error:  # noqa: BLE001 (any library, any damage: this document fails, the others go on)
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise EncryptedDocument("The file is protected by a password; save it without one.") from None
        raise MalformedDocument(
            f"The file cannot be read as {kind.value.upper()} ({type(error).__name__}); open it and save it again."
        ) from None
    return replace(document, metadata={"format": kind.value, **document.metadata})


def _read(kind: Format, data: bytes, limits: ParseLimits) -> ParsedDocument:
    """Call the reader. The import of its libraries waits for the first file of that kind."""
    match kind:
        case Format.PDF:
            from kb_pipeline.parsing.pdf import read_pdf

            return read_pdf(data, limits=limits)
        case Format.EPUB | Format.RTF:
            from kb_pipeline.parsing.web import read_with_pandoc

            return read_with_pandoc(data, source_format=kind.value, seconds=limits.seconds)
        case Format.DOCX | Format.ODT | Format.PPTX | Format.XLSX | Format.XLS:
            return _read_office(kind, data, limits)
        case _:
            return _read_text_format(kind, data)


def _read_office(kind: Format, data: bytes, limits: ParseLimits) -> ParsedDocument:
    from kb_pipeline.parsing import office

    match kind:
        case Format.DOCX:
            return office.read_docx(data)
        case Format.ODT:
            return office.read_odt(data)
        case Format.PPTX:
            return office.read_pptx(data, limits=limits)
        case _:
            return office.read_workbook(data)


def _read_text_format(kind: Format, data: bytes) -> ParsedDocument:
    match kind:
        case Format.MARKDOWN:
            from kb_pipeline.parsing.markdown import read_markdown

            return read_markdown(data)
        case Format.CSV | Format.TSV:
            from kb_pipeline.parsing.delimited import read_delimited

            return read_delimited(data, delimiter="\t" if kind is Format.TSV else None)
        case Format.HTML:
            from kb_pipeline.parsing.web import read_html

            return read_html(data)
        case Format.EML:
            from kb_pipeline.parsing.mail import read_eml

            return read_eml(data)
        case Format.MSG:
            from kb_pipeline.parsing.mail import read_msg

            return read_msg(data)
        case _:
            from kb_pipeline.parsing.text import read_text

            return read_text(data)
