"""Listing a source: a local folder, or anything that fsspec opens (s3://bucket/prefix, …).

Local folders are walked (`source.walk`); everything else goes through fsspec, where an etag stands in for the
modification time.

*Entry*: one file. *Signature*: one line of text over all that a listing says of a file; two equal
signatures mean that nothing needs to be read again. *Unlisted*: a folder (its path ends with a slash)
or file that could not be looked at; what lies there is neither present nor gone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count, product
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from kb_pipeline.errors import SettingsError, SourceUnavailable, UnreadableFile
from kb_pipeline.parsing.carriers import is_carrier
from kb_pipeline.source.boundary import Boundary
from kb_pipeline.source.selection import EVERYTHING, Selection
from kb_pipeline.source.walk import Walk, is_ignored, printable_path
from kb_pipeline.system.files import in_time, open_regular, while_it_moves
from kb_pipeline.system.scratch import remove_stale_folders, scratch_folder

# A file touched this recently may still be being written; it is looked at twice.
SETTLE_SECONDS = 1.0
RECENT_NS = 2_000_000_000
READ_BYTES = 1 << 20
PATIENCE_SECONDS = 30.0  # for a disk or share to open a file, or to give so many of its bytes
PATIENT_BYTES = 32 << 20
FETCHED_PREFIX = "fetched-"
# PostgreSQL indexes paths, and an index entry holds at most 2,704 bytes.
LONGEST_PATH = 2000  # bytes of UTF-8
OBJECT_STORES = frozenset({"s3", "gs", "abfs"})  # each is an extra of this package
DEFAULT_COLLECTION = "default"
ShardRange = tuple[str, str]  # the first and the last `shard_hash`
EVERY_SHARD: ShardRange = ("00", "ff")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a source: `path` is relative to it with forward slashes; `size` in bytes."""

    path: str
    size: int
    modified_ns: int | None
    etag: str | None

    @property
    def signature(self) -> str:
        return f"{self.path}\t{self.size}\t{self.modified_ns or ''}\t{self.etag or ''}"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds now. `signatures` has one line per file, `sidecars` one per file that describes others;
    `unlisted` maps path to reason; `skipped` maps the extension of files that nobody can read to their number."""

    uri: str
    signatures: frozenset[str]
    unlisted: dict[str, str]
    ignored: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    sidecars: frozenset[str] = frozenset()


def entry_of(signature: str) -> Entry:
    """The entry that a signature was made of."""
    path, size, modified, etag = signature.rsplit("\t", 3)
    return Entry(path, int(size), int(modified) if modified else None, etag or None)


def canonical_uri(uri: str) -> str:
    """The spelling under which a source is known: an absolute path, or a URL without a trailing slash.

    Raises SettingsError when it can be neither.
    """
    if "\0" in uri:
        raise SettingsError("The source's name holds a NUL character; correct it.")
    if not uri.strip():
        raise SettingsError("The source is empty; name a folder or a URL such as s3://bucket/prefix.")
    scheme, separator, rest = uri.partition("://")
    if separator and scheme != "file":
        if _holds_password(uri):
            raise SettingsError(
                "The URI of a source holds a password, and would be shown and stored with it; take it out, and name "
                'the environment variable that holds it: secrets = { password = "VARIABLE" } under [[sources]].'
            )
        return f"{scheme}://{rest.rstrip('/')}"
    try:
        path = Path(uri.removeprefix("file://")).expanduser()
        try:
            return str(in_time(path.resolve, PATIENCE_SECONDS))
        except TimeoutError:  # its share does not answer, and keeps the name under which it was registered
            return str(path.absolute())
    except (OSError, RuntimeError):
        raise SettingsError(
            f"The path {uri} leads nowhere (a link to itself, or an unknown user); correct it."
        ) from None


def _holds_password(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise SettingsError("The URI of a source cannot be read; correct its host and port.") from None
    queried = {name.lower() for name, _ in parse_qsl(parts.query)}
    return bool(parts.password) or bool(queried & {"password", "sslpassword", "passwd", "pwd"})


def is_local(uri: str) -> bool:
    return "://" not in uri


def collection_of(path: str) -> str:
    """First-level sub-folders are collections; files beside them, and what these carry, belong to the default one."""
    first, slash, _ = path.partition("/")
    return first if slash and not is_carrier(first) else DEFAULT_COLLECTION


def shard_hash(uri: str, path: str) -> str:
    """Two hex digits that spread the documents of all sources evenly."""
    return hashlib.sha256(f"{uri}\0{path}".encode()).hexdigest()[:2]


def shard_names(digits: int) -> list[str]:
    """All shards of `digits` hex digits, in order."""
    return ["".join(letters) for letters in product("0123456789abcdef", repeat=digits)]


def shard_range(first: str, last: str) -> ShardRange:
    """The first and the last `shard_hash` of the documents in the shards from `first` to `last`."""
    return first.ljust(2, "0"), last.ljust(2, "f")


def list_source(uri: str, selection: Selection = EVERYTHING, *, boundary: Boundary = Boundary()) -> Listing:  # noqa: B008
    """List what lies below `uri` and is selected. Raises SourceUnavailable when the source is not there, or silent."""
    if not is_local(uri):
        return _list_remote(uri, selection)
    walk = Walk(selection, boundary)
    try:
        while_it_moves(lambda: walk.read_all(uri), lambda: walk.looked_at, PATIENCE_SECONDS)
    except TimeoutError:
        raise _silent(uri) from None
    signatures = frozenset(_storable(walk.signatures, walk.unlisted))
    sidecars = frozenset(_storable(walk.sidecars, walk.unlisted))
    return Listing(uri, signatures, walk.unlisted, walk.ignored, walk.skipped, sidecars)


def _silent(uri: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"The source {uri} does not answer: its disk or share gave nothing for {PATIENCE_SECONDS:.0f} seconds; check "
        "it and run again."
    )


def _storable(signatures: list[str], unlisted: dict[str, str]) -> list[str]:
    """The signatures as PostgreSQL can hold them; paths that are too long for it are unlisted."""
    try:
        "".join(signatures).encode()  # one attempt to encode everything finds undecodable names cheaply
    except UnicodeEncodeError:
        signatures = _printable(signatures)
    if max(map(len, signatures), default=0) <= LONGEST_PATH // 4:
        return signatures
    kept = []
    for signature in signatures:
        path = entry_of(signature).path
        if len(path.encode()) > LONGEST_PATH:
            unlisted[path] = f"the path is longer than {LONGEST_PATH:,} bytes"
        else:
            kept.append(signature)
    return kept


def _printable(signatures: list[str]) -> list[str]:
    """The signatures with printable paths; a file whose path would then be another's gets a number, and cannot be read
    under that name, as none can whose name is not valid UTF-8."""
    written: dict[str, str] = {}
    for signature in sorted(signatures, key=lambda line: (printable_path(line) != line, line)):
        path = entry_of(signature).path
        rest = signature.removeprefix(path)
        stored = numbered(printable_path(path), written)
        written[stored] = stored + rest
    return list(written.values())


def numbered(path: str, taken: Container[str]) -> str:
    """`path`, or where it is `taken`, `path` with the first number behind its stem that is not."""
    if path not in taken:
        return path
    stem, suffix = os.path.splitext(path)  # noqa: PTH122 - a text, and not always that of a local file
    return next(name for number in count(2) if (name := f"{stem} [{number}]{suffix}") not in taken)


@cache
def _filesystem(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except ImportError:
        extra = uri.partition("://")[0]
        remedy = f"kb_pipeline[{extra}]" if extra in OBJECT_STORES else "the fsspec package of its kind"
        raise SettingsError(f"The source {uri} needs a package that is not installed; install {remedy}.") from None
    except ValueError:
        raise SettingsError(f"The source {uri} is of an unknown kind; name a folder or s3://bucket/prefix.") from None
    return filesystem, root.rstrip("/")


def _list_remote(uri: str, selection: Selection) -> Listing:
    filesystem, root = _filesystem(uri)
    filesystem.invalidate_cache()
    try:
        found: dict[str, dict[str, Any]] = filesystem.find(root, detail=True)
        if not found and not filesystem.exists(root.partition("/")[0]):
            raise SourceUnavailable(f"The source {uri} does not exist; create the bucket or correct the URL.")
    except SourceUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - each fsspec backend raises errors of its own kind
        raise _unreachable(uri, error) from None
    gathered = Gathered(uri, selection)
    for key, info in found.items():
        path = key[len(root) + 1 :]
        if path and not key.endswith("/"):
            etag = str(info.get("ETag") or info.get("etag") or "").strip('"') or None
            modified = info.get("LastModified")
            modified_ns = None if etag or modified is None else int(modified.timestamp() * 1e9)
            gathered.take(path, int(info["size"]), modified_ns, etag)
    return gathered.listing()


@dataclass
class Gathered:
    """Files of a server, sorted as they come into documents, sidecars and what is left out."""

    uri: str
    selection: Selection
    unlisted: dict[str, str] = field(default_factory=dict)
    ignored: int = 0
    _signatures: list[str] = field(default_factory=list)
    _sidecars: list[str] = field(default_factory=list)
    _skipped: Counter[str] = field(default_factory=Counter)

    def take(self, path: str, size: int, modified_ns: int | None, etag: str | None) -> None:
        describes = self.selection.describes(path, path.rpartition("/")[2])
        excluded = self.selection.excludes_sidecar(path) if describes else self.selection.excludes(path)
        if any(is_ignored(part) for part in path.split("/")) or excluded:
            self.ignored += 1
        elif not describes and (kind := self.selection.unreadable_kind(path)):
            self._skipped[kind] += 1
        else:
            (self._sidecars if describes else self._signatures).append(Entry(path, size, modified_ns, etag).signature)

    def listing(self) -> Listing:
        stored, described = _storable(self._signatures, self.unlisted), _storable(self._sidecars, self.unlisted)
        return Listing(self.uri, frozenset(stored), self.unlisted, self.ignored, self._skipped, frozenset(described))


def _unreachable(uri: str, error: Exception) -> SourceUnavailable:
    return SourceUnavailable(
        f"The source {uri} cannot be listed ({type(error).__name__}); check the address, the network and the "
        "credentials."
    )


def is_empty(uri: str) -> bool:
    """Whether a source holds nothing at all, at the cost of one look at it. Raises SourceUnavailable."""
    if is_local(uri):
        try:
            return in_time(lambda: _holds_nothing(uri), PATIENCE_SECONDS)
        except TimeoutError:
            raise _silent(uri) from None
        except OSError as error:
            raise SourceUnavailable(
                f"The source {uri} cannot be opened ({error.strerror}); mount or create it, or correct its permissions."
            ) from None
    try:
        return not list_names(uri, "")
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001 - each fsspec backend raises errors of its own kind
        raise _unreachable(uri, error) from None


def _holds_nothing(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def is_folder(path: str) -> bool:
    """Whether a local folder is there. Raises SourceUnavailable where nothing answers."""
    try:
        return in_time(Path(path).is_dir, PATIENCE_SECONDS)
    except TimeoutError:
        raise _silent(path) from None


def is_file(uri: str, path: str) -> bool:
    """Whether a file, and no folder, is there. Raises UnreadableFile where nothing answers."""
    with reading(uri, path):
        if is_local(uri):
            return in_time(Path(uri, path).is_file, PATIENCE_SECONDS)
        filesystem, root = _filesystem(uri)
        return bool(filesystem.isfile(f"{root}/{path}"))


def list_names(uri: str, folder: str) -> list[str]:
    """The names in one folder of a source. Raises OSError."""
    if is_local(uri):
        return in_time(lambda: os.listdir(Path(uri, folder)), PATIENCE_SECONDS)  # noqa: PTH208 - ten times faster
    filesystem, root = _filesystem(uri)
    filesystem.invalidate_cache()
    return [key.rstrip("/").rpartition("/")[2] for key in filesystem.ls(f"{root}/{folder}".rstrip("/"), detail=False)]


def settle(
    uri: str,
    entries: Iterable[Entry],
    real_paths: Mapping[str, str] = MappingProxyType({}),
    listed_ns: int | None = None,
) -> tuple[list[Entry], list[Entry]]:
    """Split entries into those that are at rest and those still being written.

    `real_paths`: the file's own path, for entries whose names are stored masked. `listed_ns`: when the listing began,
    now if it is not said; looking at names may have taken a while since.

    Only files modified in the two seconds before that or later are looked at a second time, all after one wait, so a
    folder at rest costs nothing.
    """
    at_rest: list[Entry] = []
    recent: list[Entry] = []
    now = time.time_ns()
    since = (listed_ns or now) - RECENT_NS
    for entry in entries:
        is_recent = entry.modified_ns is not None and since < entry.modified_ns < now + RECENT_NS
        (recent if is_recent and is_local(uri) else at_rest).append(entry)
    writing: list[Entry] = []
    if recent:
        time.sleep(SETTLE_SECONDS)
    for entry in recent:
        try:
            info = Path(uri, real_paths.get(entry.path, entry.path)).stat()
        except OSError:
            writing.append(entry)
            continue
        is_growing = (info.st_size, info.st_mtime_ns) != (entry.size, entry.modified_ns)
        (writing if is_growing else at_rest).append(entry)
    return at_rest, writing


@contextmanager
def local_copy(uri: str, path: str, scratch: Path) -> Iterator[Path]:
    """A local file with the bytes of `path`: the file itself, or a download that is removed afterwards.

    Raises UnreadableFile.
    """
    if is_local(uri):
        yield Path(uri, path)
        return
    filesystem, root = _filesystem(uri)
    with scratch_folder(scratch, FETCHED_PREFIX) as folder:
        target = folder / ("download" + Path(path).suffix)
        try:
            filesystem.get_file(f"{root}/{path}", str(target))
        except Exception as error:  # noqa: BLE001 - each fsspec backend raises errors of its own kind
            raise UnreadableFile(
                f"The file cannot be fetched ({type(error).__name__}); check the network and the permissions."
            ) from None
        yield target


def remove_leftovers(scratch: Path) -> None:
    """Remove the downloads of processes that were killed: they hold text that nobody has masked."""
    remove_stale_folders(scratch, FETCHED_PREFIX)


def read_start(uri: str, path: str, most: int) -> bytes:
    """The first `most` bytes of a file. Raises UnreadableFile."""

    def read(file: BinaryIO) -> bytes:
        with file:
            return file.read(most)

    with reading(uri, path):
        if is_local(uri):
            return in_time(lambda: read(open_regular(Path(uri, path))), PATIENCE_SECONDS)
        filesystem, root = _filesystem(uri)
        return read(filesystem.open(f"{root}/{path}", "rb"))


def open_file(uri: str, path: str) -> BinaryIO:
    """A file to read, from its beginning and again. Raises UnreadableFile."""
    with reading(uri, path):
        if is_local(uri):
            return in_time(lambda: open_regular(Path(uri, path)), PATIENCE_SECONDS)
        filesystem, root = _filesystem(uri)
        return filesystem.open(f"{root}/{path}", "rb")  # type: ignore[no-any-return]


def _hash_local(path: Path, digest: Any) -> bytes:
    """The hash of a local file, as long as its bytes come."""

    def read_on(file: BinaryIO) -> bool:
        piece = file.read(PATIENT_BYTES)
        digest.update(piece)
        return len(piece) == PATIENT_BYTES

    with in_time(lambda: open_regular(path), PATIENCE_SECONDS) as file:
        while in_time(lambda: read_on(file), PATIENCE_SECONDS):
            pass
    return digest.digest()  # type: ignore[no-any-return]


def hash_file(uri: str, path: str) -> bytes:
    """sha256 of the file's bytes, read in pieces. Raises UnreadableFile."""
    digest = hashlib.sha256()
    with reading(uri, path):
        if is_local(uri):
            return _hash_local(Path(uri, path), digest)
        filesystem, root = _filesystem(uri)
        with filesystem.open(f"{root}/{path}", "rb") as file:
            while piece := file.read(READ_BYTES):
                digest.update(piece)
    return digest.digest()


@contextmanager
def reading(uri: str, path: str) -> Iterator[None]:
    """Raises UnreadableFile for what keeps a file from being read."""
    try:
        yield
    except FileNotFoundError:
        if "\\x" in path:
            raise UnreadableFile("The file's name is not valid UTF-8; rename it.") from None
        raise UnreadableFile("The file vanished while it was being read; the next scan looks again.") from None
    except TimeoutError:
        raise UnreadableFile(
            "The file cannot be read: its disk or share does not answer; check it, the next scan looks again."
        ) from None
    except OSError as error:
        raise UnreadableFile(
            f"The file cannot be read ({error.strerror or type(error).__name__}); correct its permissions."
        ) from None
    except Exception as error:
        if is_local(uri):
            raise
        raise UnreadableFile(
            f"The file cannot be fetched ({type(error).__name__}); check the network and the permissions."
        ) from None
