"""Which format a file is in: its content decides, its extension settles what content cannot tell.

Text formats look alike (a Markdown file is a text file), so among them the extension counts. A binary
format is recognised by its content whatever the file is called.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from enum import StrEnum
from pathlib import PurePosixPath

from kb_pipeline.errors import EncryptedDocument, MalformedDocument, UnsupportedFormat
from kb_pipeline.parsing.code.languages import LANGUAGES, language_of_file
from kb_pipeline.parsing.encodings import is_binary
from kb_pipeline.parsing.foreign import ZIP, Kind, archive_kind, kind_of, ole_kind


class Format(StrEnum):
    """The formats that have a reader; the value is what metadata and messages call it."""

    PDF = "pdf"
    DOCX = "docx"
    DOC = "doc"
    XLSX = "xlsx"
    XLS = "xls"
    PPTX = "pptx"
    PPT = "ppt"
    ODT = "odt"
    ODS = "ods"
    ODP = "odp"
    EPUB = "epub"
    OFD = "ofd"
    RTF = "rtf"
    HTML = "html"
    MARKDOWN = "md"
    TEXT = "txt"
    CSV = "csv"
    TSV = "tsv"
    EML = "eml"
    MSG = "msg"
    MHTML = "mhtml"
    IPYNB = "ipynb"
    ASCIIDOC = "adoc"
    ORG = "org"
    VTT = "vtt"
    SRT = "srt"
    ICS = "ics"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    BMP = "bmp"
    WEBP = "webp"
    ZIP = "zip"
    CODE = "code"


EXTENSIONS: dict[str, Format] = {
    **dict.fromkeys(LANGUAGES, Format.CODE),
    **{f".{kind.value}": kind for kind in Format},
    ".docm": Format.DOCX,
    ".dotx": Format.DOCX,
    ".dotm": Format.DOCX,
    ".dot": Format.DOC,
    ".wps": Format.DOC,
    ".xlsm": Format.XLSX,
    ".xltx": Format.XLSX,
    ".et": Format.XLS,
    ".pptm": Format.PPTX,
    ".ppsx": Format.PPTX,
    ".potx": Format.PPTX,
    ".pps": Format.PPT,
    ".dps": Format.PPT,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".mht": Format.MHTML,
    ".markdown": Format.MARKDOWN,
    ".text": Format.TEXT,
    ".rst": Format.TEXT,
    ".asciidoc": Format.ASCIIDOC,
    ".log": Format.TEXT,
    ".tab": Format.TSV,
    ".jpg": Format.JPEG,
    ".tif": Format.TIFF,
    "": Format.TEXT,
}
# Kinds of files that hold no text for any reader: they are passed over and counted, not tried. Archives are not among
# them: documents lie in those, and whoever drops one is told to unpack it.
UNREADABLE_EXTENSIONS = frozenset(
    f".{extension}"
    for kind in (
        "mp4 m4v mov avi mkv webm wmv flv mpg mpeg 3gp vob m2ts ogv",  # video
        "mp3 wav flac aac ogg oga opus wma m4a aiff mid midi amr",  # sound
        "gif svg ico icns heic heif avif psd psb cr2 nef arw dng raw xcf tga hdr exr",  # pictures without text
        "ttf otf woff woff2 eot",  # fonts
        "exe dll so dylib sys msi com o obj lib pdb class jar war pyc pyo pyd whl wasm apk ipa deb rpm appimage",
        "iso img dmg vmdk vdi vhd vhdx qcow2",  # disks
        "db sqlite sqlite3 mdb accdb mdf ldf frm ibd parquet orc avro feather npy npz h5 hdf5 pkl pickle",  # data
        "pt pth onnx safetensors gguf ckpt pb tflite",  # models
        "dwg dxf stl step stp iges blend fbx glb skp",  # drawings
        "lnk url pem p12 pfx jks keystore kdbx gpg pgp",  # links and keys
    )
    for extension in kind.split()
)
ZIP_FORMATS = frozenset(
    {Format.DOCX, Format.XLSX, Format.PPTX, Format.ODT, Format.ODS, Format.ODP, Format.EPUB, Format.OFD}
)
TEXT_FORMATS = frozenset(
    {
        Format.HTML,
        Format.MARKDOWN,
        Format.TEXT,
        Format.CSV,
        Format.TSV,
        Format.EML,
        Format.MHTML,
        Format.IPYNB,
        Format.ASCIIDOC,
        Format.ORG,
        Format.VTT,
        Format.SRT,
        Format.ICS,
        Format.CODE,
    }
)
IMAGE_FORMATS = frozenset({Format.PNG, Format.JPEG, Format.TIFF, Format.BMP, Format.WEBP})

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORD_FLAGS = 10  # bytes into a Word document before 2007; bit 8 says that it is encrypted ([MS-DOC] 2.5.1)
_PDF_HEADER_WITHIN = 1024  # bytes; readers accept junk before the header
# A folder of that name alone is none: an archive of other files may have it, too.
_ZIP_FOLDERS = {"word/": Format.DOCX, "xl/": Format.XLSX, "ppt/": Format.PPTX}
_ZIP_LISTS = ("[content_types].xml", "_rels/.rels")  # each Office file has these; some that were repaired have one
_ZIP_MAIN_PARTS = ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml")
_ZIP_MIMETYPES = {
    b"application/epub+zip": Format.EPUB,
    b"application/vnd.oasis.opendocument.text": Format.ODT,
    b"application/vnd.oasis.opendocument.spreadsheet": Format.ODS,
    b"application/vnd.oasis.opendocument.presentation": Format.ODP,
}
_IMAGE_STARTS = {
    b"\x89PNG\r\n\x1a\n": Format.PNG,
    b"\xff\xd8\xff": Format.JPEG,
    b"II*\0": Format.TIFF,
    b"MM\0*": Format.TIFF,
    b"II+\0": Format.TIFF,
    b"MM\0+": Format.TIFF,
}
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_SUPPORTED = ", ".join(kind.value.upper() for kind in Format)


def is_readable_name(name: str) -> bool:
    """Whether a file of that name may be one that a reader knows; what it holds decides."""
    return bool(language_of_file(name)) or PurePosixPath(name).suffix.lower() in EXTENSIONS


def detect_format(name: str, data: bytes) -> Format:
    """The format of the file called `name` that holds `data`.

    Raises UnsupportedFormat, EncryptedDocument (a password-protected Office file) or MalformedDocument
    (the extension promises a binary format and the content is nothing known).
    """
    extension = PurePosixPath(name).suffix.lower()
    by_name = Format.CODE if language_of_file(name) else EXTENSIONS.get(extension)
    if b"%PDF-" in data[:_PDF_HEADER_WITHIN] and not (by_name in TEXT_FORMATS and not data.startswith(b"%PDF-")):
        return Format.PDF
    if data.startswith(_ZIP):
        return _zip_format(by_name, data)
    if data.startswith(_OLE):
        return _ole_format(data)
    if data.startswith(b"{\\rtf"):
        return Format.RTF
    if image := _image_format(data):
        return image
    if foreign := kind_of(data, is_text=by_name in TEXT_FORMATS and not is_binary(data)):
        raise _refused(foreign)
    if by_name is None:
        raise _unsupported(extension)
    if by_name in TEXT_FORMATS:
        return _text_format(by_name, extension, data)
    if _looks_like_html(data):
        return Format.HTML
    raise MalformedDocument(
        f"The file is not a {by_name.value.upper()} although its name says so; open it and save it again."
    )


def _text_format(by_name: Format, extension: str, data: bytes) -> Format:
    if is_binary(data):
        raise (
            _unsupported(extension)
            if extension == ""
            else MalformedDocument(
                f"The file holds binary data although its name says {by_name.value.upper()}; save it as text."
            )
        )
    return Format.HTML if by_name is Format.TEXT and _looks_like_html(data) else by_name


def _image_format(data: bytes) -> Format | None:
    for start, kind in _IMAGE_STARTS.items():
        if data.startswith(start):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Format.WEBP
    # "BM" may begin a text; a bitmap has zeros where its header says so and the size of the header after them.
    return Format.BMP if data.startswith(b"BM") and data[6:10] == bytes(4) and data[14:18] in _BMP_HEADERS else None


def _looks_like_html(data: bytes) -> bool:
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _zip_format(by_name: Format | None, data: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            mimetype = archive.open("mimetype").read(200).strip() if "mimetype" in names else b""
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        expected = by_name.value.upper() if by_name in ZIP_FORMATS else "ZIP"
        raise MalformedDocument(
            f"The file cannot be opened as {expected} ({type(error).__name__}); open it and save it again."
        ) from None
    kind = archive_format(names, mimetype)
    if kind is Format.ZIP and by_name is not Format.ZIP:
        raise _refused(ZIP)
    return kind


def archive_format(names: Collection[str], mimetype: bytes) -> Format:
    """The format of a zip archive with files of these names; `mimetype`: what its file of that name says.

    Raises UnsupportedFormat for one of a kind that no reader reads.
    """
    if mimetype in _ZIP_MIMETYPES:
        return _ZIP_MIMETYPES[mimetype]
    # Some producers write the names with back slashes, or another case than the one they are named by.
    parts = {name.replace("\\", "/").lower() for name in names}
    foreign = archive_kind(names, mimetype)
    if foreign.extension != ".zip":
        raise _refused(foreign)
    if not parts.isdisjoint((*_ZIP_LISTS, *_ZIP_MAIN_PARTS)):
        for folder, kind in _ZIP_FOLDERS.items():
            if any(name.startswith(folder) for name in parts):
                return kind
    if "META-INF/container.xml" in names:
        return Format.EPUB
    if "ofd.xml" in parts:  # GB/T 33190
        return Format.OFD
    return Format.ZIP


def _ole_format(data: bytes) -> Format:
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            streams = {entry[0] for entry in ole.listdir()}
            word = ole.openstream("WordDocument").read(_WORD_FLAGS + 2) if "WordDocument" in streams else b""
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise MalformedDocument(
            f"The file cannot be opened as an Office file ({type(error).__name__}); open it and save it again."
        ) from None
    if streams & {"EncryptedPackage", "EncryptedSummary"} or _is_encrypted_word(word):
        raise EncryptedDocument("The file is protected by a password; save it without one.")
    if streams & {"Workbook", "Book"}:
        return Format.XLS
    if "__properties_version1.0" in streams:
        return Format.MSG
    if "WordDocument" in streams:
        return Format.DOC
    if "PowerPoint Document" in streams:
        return Format.PPT
    foreign = ole_kind(streams)
    raise _refused(foreign) if foreign else _unsupported("")


def _is_encrypted_word(stream: bytes) -> bool:
    return bool(int.from_bytes(stream[_WORD_FLAGS : _WORD_FLAGS + 2], "little") & 0x100)


def _refused(kind: Kind) -> UnsupportedFormat:
    return _unsupported(kind.extension, kind.hint)


def _unsupported(extension: str, hint: str = "") -> UnsupportedFormat:
    what = f"Files of type {extension}" if extension.isascii() and extension else "Files of this kind"
    return UnsupportedFormat(f"{what} are not supported: {hint}supported are {_SUPPORTED}.")
