"""A file's bytes -> its elements, by the reader of its format.

Whatever a library raises becomes one of our document errors here. Their texts name the kind of the error
only: what libraries say may quote the document.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

from kb_pipeline.errors import DocumentError, EmptyDocument, EncryptedDocument, LimitExceeded, MalformedDocument
from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.archive import check_archive
from kb_pipeline.parsing.formats import ZIP_FORMATS, Format, detect_format
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits


def partition(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """Read the document. `name` is its file name; only the extension counts. Raises DocumentError."""
    if not data:
        raise EmptyDocument("The file is empty (0 bytes).")
    format = detect_format(name, data)
    try:
        if format in ZIP_FORMATS:
            check_archive(data, unzipped_mb=limits.unzipped_mb)
        document = _reader(format)(data, limits)
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
    except ModuleNotFoundError as error:
        raise UnsupportedFormat(
            f"Reading {format.value.upper()} needs the package {error.name}; install kb_pipeline with all it requires."
        ) from None
    except Exception as error:  # any library, any damage: the document fails, the others go through
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise EncryptedDocument("The file is protected by a password; save it without one.") from None
        raise MalformedDocument(
            f"The file cannot be read as {format.value.upper()} ({type(error).__name__}); open it and save it again."
        ) from None
    return replace(document, metadata={"format": format.value, **document.metadata})


def _reader(format: Format) -> Callable[[bytes, ParseLimits], ParsedDocument]:
    """The reader of a format; the import of its libraries waits for the first file of that kind."""
    match format:
        case Format.MARKDOWN:
            from kb_pipeline.parsing.markdown import read_markdown

            return lambda data, limits: read_markdown(data)
        case Format.TEXT:
            from kb_pipeline.parsing.text import read_text

            return lambda data, limits: read_text(data)
        case Format.CSV | Format.TSV:
            from kb_pipeline.parsing.delimited import read_delimited

            delimiter = "\t" if format is Format.TSV else None
            return lambda data, limits: read_delimited(data, delimiter=delimiter)
        case Format.PDF:
            from kb_pipeline.parsing.pdf import read_pdf

            return lambda data, limits: read_pdf(data, limits=limits)
        case Format.DOCX:
            from kb_pipeline.parsing.office import read_docx

            return lambda data, limits: read_docx(data)
        case Format.ODT:
            from kb_pipeline.parsing.office import read_odt

            return lambda data, limits: read_odt(data)
        case Format.PPTX:
            from kb_pipeline.parsing.office import read_pptx

            return lambda data, limits: read_pptx(data, limits=limits)
        case Format.XLSX | Format.XLS:
            from kb_pipeline.parsing.office import read_workbook

            return lambda data, limits: read_workbook(data)
        case Format.HTML:
            from kb_pipeline.parsing.web import read_html

            return lambda data, limits: read_html(data)
        case Format.EPUB | Format.RTF:
            from kb_pipeline.parsing.web import read_with_pandoc

            return lambda data, limits: read_with_pandoc(data, source_format=format.value, seconds=limits.seconds)
        case Format.EML:
            from kb_pipeline.parsing.mail import read_eml

            return lambda data, limits: read_eml(data)
        case Format.MSG:
            from kb_pipeline.parsing.mail import read_msg

            return lambda data, limits: read_msg(data)
