"""Files that no reader reads, known by what they hold: a refusal calls them what they are, whatever their name says.

A *kind* is the extension that files of it usually have, and what to do with one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`hint`: what a person can do to have it read, with `; ` behind it; empty where nothing helps."""

    extension: str
    hint: str = ""


_UNPACK = "unpack it, or add its files as a .zip; "
_SAVE_AS_PDF = "save it as PDF; "
ZIP = Kind(".zip", "give its name the ending .zip; ")

_STARTS = {
    b"7z\xbc\xaf\x27\x1c": Kind(".7z", _UNPACK),
    b"Rar!\x1a\x07": Kind(".rar", _UNPACK),
    b"\x1f\x8b\x08": Kind(".gz", _UNPACK),
    b"BZh": Kind(".bz2", _UNPACK),
    b"\xfd7zXZ\x00": Kind(".xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": Kind(".zst", _UNPACK),
    b"MSCF\0\0\0\0": Kind(".cab", _UNPACK),
    b"!BDN": Kind(".pst", "export its messages as EML or MSG; "),
    b"SQLite format 3\0": Kind(".sqlite"),
    b"\x7fELF": Kind(".elf"),
    b"AC10": Kind(".dwg", _SAVE_AS_PDF),
    b"8BPS\0": Kind(".psd"),
    b"GIF8": Kind(".gif"),
    b"ID3": Kind(".mp3"),
    b"\x1aE\xdf\xa3": Kind(".mkv"),
    b"ITSF": Kind(".chm", "decompile it and add the pages inside; "),
    b"%!PS": Kind(".ps", _SAVE_AS_PDF),
}
_TAR = Kind(".tar", _UNPACK)
_TAR_MAGIC_AT = 257
_VIDEO = Kind(".mp4")
_TEXTS = frozenset({b"BZh", b"AC10", b"GIF8", b"ID3", b"%!PS", b"ITSF"})  # letters, with which a text may begin, too

# The part of a zip archive that tells its kind; the first that is there counts.
_PARTS = {
    "xl/workbook.bin": Kind(".xlsb", "save it as XLSX; "),
    "visio/document.xml": Kind(".vsdx", _SAVE_AS_PDF),
    "FixedDocumentSequence.fdseq": Kind(".xps", _SAVE_AS_PDF),
    "FixedDocSeq.fdseq": Kind(".xps", _SAVE_AS_PDF),
    "Index/Presentation.iwa": Kind(".key", _SAVE_AS_PDF),
    "Index/Slide.iwa": Kind(".key", _SAVE_AS_PDF),
    "Index/CalculationEngine.iwa": Kind(".numbers", "export it as XLSX; "),
    "Index/Document.iwa": Kind(".pages", "export it as DOCX or PDF; "),
    "AndroidManifest.xml": Kind(".apk"),
    "WEB-INF/web.xml": Kind(".war"),
    "META-INF/MANIFEST.MF": Kind(".jar"),
    "doc.kml": Kind(".kmz"),
}
_MIMETYPES = {
    b"application/vnd.oasis.opendocument.graphics": Kind(".odg", _SAVE_AS_PDF),
    b"application/vnd.oasis.opendocument.formula": Kind(".odf", _SAVE_AS_PDF),
    b"application/vnd.oasis.opendocument.database": Kind(".odb"),
    b"application/vnd.oasis.opendocument.text-template": Kind(".ott", "save it as ODT; "),
    b"application/vnd.oasis.opendocument.spreadsheet-template": Kind(".ots", "save it as ODS; "),
    b"application/vnd.oasis.opendocument.presentation-template": Kind(".otp", "save it as ODP; "),
    b"application/vnd.oasis.opendocument.text-master": Kind(".odm", "save it as ODT; "),
}
# The stream of an OLE file that tells its kind.
_STREAMS = {
    "VisioDocument": Kind(".vsd", _SAVE_AS_PDF),
    "Quill": Kind(".pub", _SAVE_AS_PDF),
    "HwpSummaryInformation": Kind(".hwp", _SAVE_AS_PDF),
    "WordPerfect": Kind(".wpd", _SAVE_AS_PDF),
    "SwDocContentMgr": Kind(".sldprt"),
    "Catalog": Kind(".db"),
}


def kind_of(data: bytes, *, is_text: bool) -> Kind | None:
    """The kind of a file that is no zip archive and no OLE file, by its first bytes.

    `is_text`: by its name and content it is a text, which may begin with any letters.
    """
    for start, kind in _STARTS.items():
        if data.startswith(start) and not (is_text and start in _TEXTS):
            return kind
    if data[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar" and not is_text:
        return _TAR
    return _VIDEO if data[4:8] == b"ftyp" and not is_text else None


def archive_kind(names: Collection[str], mimetype: bytes) -> Kind:
    """The kind of a zip archive with files of these names; `mimetype`: what its file of that name says."""
    if mimetype in _MIMETYPES:
        return _MIMETYPES[mimetype]
    return next((kind for part, kind in _PARTS.items() if part in names), ZIP)


def ole_kind(streams: Collection[str]) -> Kind | None:
    """The kind of an OLE file with streams of these names at its top."""
    return next((kind for stream, kind in _STREAMS.items() if stream in {name.strip("\x05") for name in streams}), None)
