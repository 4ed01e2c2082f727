"""Walking a local folder with `os.scandir`, which costs a tenth of fsspec's local walk."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from kb_pipeline.errors import SourceUnavailable
from kb_pipeline.source.boundary import Boundary
from kb_pipeline.source.selection import Selection

IGNORED_SUFFIXES = (".part", ".tmp", ".crdownload", ".swp", "~")
IGNORED_PREFIXES = (".", "~$")
IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})


def is_ignored(name: str) -> bool:
    lower = name.lower()
    return lower.startswith(IGNORED_PREFIXES) or lower.endswith(IGNORED_SUFFIXES) or lower in IGNORED_NAMES


# One look at the first letter and the last two spares most names the full comparison.
_MAYBE_IGNORED_FIRST = frozenset(".~")
_MAYBE_IGNORED_LAST = frozenset(
    "".join(letters)
    for name in (*IGNORED_SUFFIXES, *IGNORED_NAMES)
    for letters in product(*((letter, letter.upper()) for letter in name[-2:]))
)


def printable_path(path: str) -> str:
    """`path` with undecodable bytes written out, so that PostgreSQL and terminals can hold it."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to read: where it is, its path below the root, and the identities of it and the folders above."""

    where: str
    prefix: str
    lineage: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Walk:
    """A source that is being read: its rules, and what was found; see `listing.Listing` for the terms.

    `looked_at`: entries so far, by which another thread sees that the disk or share answers.
    """

    selection: Selection
    boundary: Boundary
    signatures: list[str] = field(default_factory=list)
    unlisted: dict[str, str] = field(default_factory=dict)
    sidecars: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    looked_at: int = 0
    _real_root: str = ""
    _pending: list[_Folder] = field(default_factory=list)

    def read_all(self, root: str) -> None:
        """Read the folder `root` and all below it. Raises SourceUnavailable when it is not there."""
        try:
            identity = Path(root).stat()
        except OSError as error:
            raise SourceUnavailable(
                f"The source {root} cannot be opened ({error.strerror}); mount or create it."
            ) from None
        if not stat.S_ISDIR(identity.st_mode):
            raise SourceUnavailable(f"The source {root} is not a folder; name the folder that holds it.")
        self._real_root = os.path.realpath(root)
        if self.boundary.is_home(self._real_root):
            raise SourceUnavailable(
                f"The source {root} lies in KB_HOME, which holds no documents; name another folder."
            )
        self._pending = [_Folder(root, "", ((identity.st_dev, identity.st_ino),))]
        while self._pending:
            folder = self._pending.pop()
            try:
                self._read(folder)
            except OSError as error:
                if not folder.prefix:
                    raise SourceUnavailable(
                        f"The source {root} cannot be listed ({error.strerror}); check its permissions."
                    ) from None
                self.unlisted[printable_path(folder.prefix)] = error.strerror or "cannot be listed"

    def _read(self, folder: _Folder) -> None:
        """Read one folder: its files become signatures, its folders pending."""
        prefix = folder.prefix
        with os.scandir(folder.where) as entries:
            for entry in entries:
                self.looked_at += 1
                name = entry.name
                end = name[-2:]
                suspect = name[0] in _MAYBE_IGNORED_FIRST or end in _MAYBE_IGNORED_LAST or end[-1] == "~"
                if suspect and is_ignored(name):
                    self.ignored += 1
                    continue
                try:
                    if entry.is_symlink() and not self.boundary.holds_link(entry.path, self._real_root):
                        self.ignored += 1
                    elif entry.is_dir():
                        self._take_folder(entry, f"{prefix}{name}/", folder.lineage)
                    else:
                        self._take_file(entry.stat(), f"{prefix}{name}", name)
                except FileNotFoundError:
                    continue  # a dangling link, or gone since the folder was read
                except OSError as error:
                    self.unlisted[printable_path(f"{prefix}{name}")] = error.strerror or "cannot be read"

    def _take_folder(self, entry: os.DirEntry[str], path: str, above: tuple[tuple[int, int], ...]) -> None:
        info = entry.stat()
        if self.selection.excludes(path) or self.boundary.is_home_folder(info):
            self.ignored += 1
        elif (key := (info.st_dev, info.st_ino)) not in above:  # a link back to a folder above is a loop
            self._pending.append(_Folder(entry.path, path, (*above, key)))

    def _take_file(self, info: os.stat_result, path: str, name: str) -> None:
        if not stat.S_ISREG(info.st_mode):
            return
        if self.selection.describes(path, name):
            if not self.selection.excludes_sidecar(path):
                self.sidecars.append(f"{path}\t{info.st_size}\t{info.st_mtime_ns}\t")
        elif self.selection.excludes(path):
            self.ignored += 1
        elif kind := self.selection.unreadable_kind(name):
            self.skipped[kind] += 1
        else:
            self.signatures.append(f"{path}\t{info.st_size}\t{info.st_mtime_ns}\t")
