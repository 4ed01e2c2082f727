"""A file's bytes -> its elements, by the reader of its format.

Whatever a library raises becomes one of our document errors here. Their texts name the kind of the error
only: what libraries say may quote the document.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from kb_pipeline.errors import (
    DocumentError,
    EmptyDocument,
    EncryptedDocument,
    LimitExceeded,
    MalformedDocument,
    SettingsError,
    UnsupportedFormat,
)
from kb_pipeline.parsing.archive import check_archive
from kb_pipeline.parsing.formats import ZIP_FORMATS, Format, detect_format
from kb_pipeline.parsing.offline import allow_heavy_imports
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.readers import READERS, File, Reader


def partition(
    data: bytes, *, name: str, limits: ParseLimits, readers: Mapping[str, str] = MappingProxyType({})
) -> ParsedDocument:
    """Read the document. `name` is its file name; only the extension counts. Raises DocumentError.

    `readers`: those that its collection wants instead of ours, for some formats.
    """
    if not data:
        raise EmptyDocument("The file is empty (0 bytes).")
    kind = detect_format(name, data)
    try:
        if kind in ZIP_FORMATS:
            check_archive(data, unzipped_mb=limits.unzipped_mb)
        document = _reader(kind, readers)(File(data, name, kind, limits))
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


def _reader(kind: Format, readers: Mapping[str, str]) -> Reader:
    wanted = readers.get(kind.value)
    if wanted is None:
        return READERS[kind]
    from kb_pipeline.parsing.exchange import chosen_reader

    allow_heavy_imports()
    try:
        return chosen_reader(wanted)
    except SettingsError as error:
        raise UnsupportedFormat(str(error)) from None
