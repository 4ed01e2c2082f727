"""Files that carry others: zip archives and e-mail. What they carry are documents of their own.

Terms
  carrier    a file that holds others: a zip archive that is no document itself, or a message with attachments.
  carried    a file inside one, by its path in it; a carrier inside a carrier is a file and a folder, too.
  left out   a file inside that cannot be a document: a link, one with a password, one whose name leads elsewhere.

What a carrier says of itself is checked before anything is unpacked, and nothing unpacks to more than it says.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

from kb_pipeline.errors import DocumentError, EncryptedDocument, LimitExceeded, MalformedDocument, UnreadableFile
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.formats import Format, archive_format
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits

DEEPEST = 3  # carriers in carriers
MOST_FILES = 2000
LARGEST_INNER = 64 << 20  # bytes of a carrier in a carrier, which is unpacked in memory
_ENDINGS = frozenset({".zip", ".eml", ".msg"})
_LARGEST_DIRECTORY = 4 << 20  # bytes
_END_OF_DIRECTORY = b"PK\x05\x06"
_END_WITHIN = 65_557  # bytes from the end of an archive
_UTF8_NAME = 0x800
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_PACKED_AS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True, slots=True)
class Carried:
    """`size` in bytes; `identity`: changes with the content. `read` gives the bytes."""

    path: str
    size: int
    identity: str
    read: Callable[[], bytes] = field(repr=False, compare=False)


@dataclass(slots=True)
class _Budget:
    """What may still be unpacked, and what was left out: reason -> how many files."""

    size: int
    most_mb: int
    files: int = MOST_FILES
    left_out: Counter[str] = field(default_factory=Counter)

    def take(self, files: int, size: int) -> None:
        if files > self.files:
            raise LimitExceeded(f"The file holds more than {MOST_FILES:,} files; unpack it or split it.")
        if size > self.size:
            raise LimitExceeded(
                f"The file unpacks to more than the limit of {self.most_mb} MiB; raise limits.unzipped_mb and save "
                "the file anew, or split it."
            )
        self.files -= files
        self.size -= size


def is_carrier(name: str) -> bool:
    """Whether a file of that name may carry others; what it holds decides."""
    return name[-4:].lower() in _ENDINGS


def contents(file: BinaryIO, name: str, *, unzipped_mb: int) -> list[Carried]:
    """The files in a carrier and in those inside it; none for what is no carrier. Raises DocumentError."""
    return list(_walk(file, name, _Budget(unzipped_mb << 20, unzipped_mb)))


def left_out(file: BinaryIO, name: str, *, unzipped_mb: int) -> list[str]:
    """A sentence for each reason why files in a carrier are no documents."""
    budget = _Budget(unzipped_mb << 20, unzipped_mb)
    try:
        for _ in _walk(file, name, budget):
            pass
    except DocumentError as error:
        return [f"What the file carries was not read. {error}"]
    return [f"{count} files inside were left out: {reason}." for reason, count in sorted(budget.left_out.items())]


def extract(file: BinaryIO, name: str, wanted: str, *, unzipped_mb: int) -> bytes:
    """The bytes of the file at the path `wanted` in a carrier. Raises DocumentError."""
    for carried in _walk(file, name, _Budget(unzipped_mb << 20, unzipped_mb), wanted):
        if carried.path == wanted:
            with _understood():
                return carried.read()
    raise UnreadableFile("The file that carried it changed; the next scan looks again.")


def read_zip(data: bytes, limits: ParseLimits) -> ParsedDocument:
    """An archive as a document: the names of what it carries. Raises DocumentError."""
    file = io.BytesIO(data)
    paths = [carried.path for carried in contents(file, "archive.zip", unzipped_mb=limits.unzipped_mb)]
    return ParsedDocument(
        tuple(Element("ListItem", path) for path in paths),
        warnings=tuple(left_out(file, "archive.zip", unzipped_mb=limits.unzipped_mb)),
    )


def _walk(file: BinaryIO, name: str, budget: _Budget, wanted: str | None = None, depth: int = 1) -> Iterator[Carried]:
    """What a carrier holds, in order; with `wanted`, only what lies on the way to it is opened."""
    taken: set[str] = set()
    with _understood():
        members = _members(file, name, budget)
    for member in members:
        path = _distinct(member.path, taken)
        taken.add(path)
        yield Carried(path, member.size, member.identity, member.read)
        if not is_carrier(path) or (wanted is not None and not wanted.startswith(path + "/")):
            continue
        if depth == DEEPEST or member.size > LARGEST_INNER:
            budget.left_out[f"more than {DEEPEST} deep, or in an archive of over {LARGEST_INNER >> 20} MiB"] += 1
            continue
        try:
            with _understood():
                inner = io.BytesIO(member.read())
            below = wanted.removeprefix(path + "/") if wanted is not None else None
            found = list(_walk(inner, path, budget, below, depth + 1))
        except LimitExceeded:
            budget.left_out["archives inside that go beyond the limits of files and size"] += 1
            continue
        except DocumentError:
            continue  # its own document says why
        yield from (Carried(f"{path}/{one.path}", one.size, one.identity, one.read) for one in found)


class _understood:  # noqa: N801 - reads as a statement
    """Whatever a library raises becomes one of our errors, whose texts never quote the file."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DocumentError | OSError):
            raise MalformedDocument(
                f"What the file carries cannot be read ({type(error).__name__}); open it and save it again."
            ) from None


def _members(file: BinaryIO, name: str, budget: _Budget) -> list[Carried]:
    """What a carrier holds itself, each under a name that leads nowhere else."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if name.lower().endswith(".zip"):
        members = _zip_members(file, budget) if start.startswith(b"PK\x03\x04") else []
    else:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        budget.take(0, size)
        from kb_pipeline.parsing.mail.attachments import eml_attachments, msg_attachments

        attached = (
            msg_attachments(file.read()) if start.startswith(b"\xd0\xcf\x11\xe0") else eml_attachments(file.read())
        )
        members = [Carried(one.name.replace("/", "_").replace("\\", "_"), *one[1:]) for one in attached]
        budget.take(len(members), sum(member.size for member in members))
    safe = []
    for member in members:
        path = _safe(member.path)
        if path is None:
            budget.left_out["their names lead out of the file"] += 1
        else:
            safe.append(Carried(path, member.size, member.identity, member.read))
    return safe


def _zip_members(file: BinaryIO, budget: _Budget) -> list[Carried]:
    _check_directory(file)
    archive = zipfile.ZipFile(file)
    mimetype = archive.open("mimetype").read(200).strip() if "mimetype" in archive.NameToInfo else b""
    if archive_format(archive.namelist(), mimetype) is not Format.ZIP:
        return []
    infos = [info for info in archive.infolist() if not info.is_dir()]
    budget.take(len(infos), sum(info.file_size for info in infos))
    if infos and all(info.flag_bits & 1 for info in infos):
        raise EncryptedDocument("The file is protected by a password; save it without one.")
    names = _names(infos)
    found = []
    for info, name in zip(infos, names, strict=True):
        if info.flag_bits & 1:
            budget.left_out["they are protected by a password"] += 1
        elif stat.S_ISLNK(info.external_attr >> 16):
            budget.left_out["they are links"] += 1
        elif info.compress_type not in _PACKED_AS:
            budget.left_out["they are packed in an unusual way"] += 1
        else:
            identity = f"{info.CRC:08x}{''.join(map(str, info.date_time))}"
            found.append(Carried(name, info.file_size, identity, _reading(archive, info)))
    return found


def _reading(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as member:
            return member.read(info.file_size)

    return read


def _check_directory(file: BinaryIO) -> None:
    """Raises LimitExceeded for an archive whose list of files alone would cost too much."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - _END_WITHIN, 0))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(_END_OF_DIRECTORY)
    count, length = int.from_bytes(tail[at + 10 : at + 12], "little"), int.from_bytes(tail[at + 12 : at + 16], "little")
    if at >= 0 and (count > 2 * MOST_FILES or length > _LARGEST_DIRECTORY):
        raise LimitExceeded(f"The file holds more than {MOST_FILES:,} files; unpack it or split it.")


def _names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """The names of files; those that do not say they are UTF-8 are in one encoding, which is guessed from all."""
    raw = [_raw_name(info) for info in infos if not info.flag_bits & _UTF8_NAME]
    guessed = iter(decode_text(b"\n".join(raw))[0].split("\n") if raw else ())
    return [info.orig_filename if info.flag_bits & _UTF8_NAME else next(guessed, info.filename) for info in infos]


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("cp437").replace(b"\n", b"_")


def _safe(name: str) -> str | None:
    """A name with forward slashes and without control characters; None for one that leads elsewhere."""
    name = _CONTROLS.sub("_", name.replace("\\", "/")).encode("utf-8", "replace").decode()
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or name.startswith("/") or _DRIVE.match(name) or ".." in parts:
        return None
    return "/".join(parts)


def _distinct(path: str, taken: set[str]) -> str:
    number = 2
    stem, suffix = path.removesuffix(PurePosixPath(path).suffix), PurePosixPath(path).suffix
    while path in taken:
        path = f"{stem} [{number}]{suffix}"
        number += 1
    return path
