"""File names that hold personal data: how they are stored, and which files they mean.

A *stored path* is a file's path with the values in its names replaced by pseudonyms; nothing else of a path is
ever written anywhere. A pseudonym cannot be turned back, so the file of a stored path is found by masking the
names in its folder again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kb_pipeline.errors import UnreadableFile
from kb_pipeline.privacy.masking import Maskers
from kb_pipeline.privacy.pseudonyms import PSEUDONYM
from kb_pipeline.source.listing import collection_of, is_local, list_names, printable_path


@dataclass
class Names:
    """`_folders`: (source uri, folder) -> the real names of the masked ones in it."""

    maskers: Maskers
    _folders: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict, repr=False)

    @property
    def policy(self) -> str:
        """What stored paths depend on besides the real ones."""
        return self.maskers.fingerprint

    def stored(self, paths: Iterable[str]) -> dict[str, str]:
        """The stored path of each of `paths` whose stored path is another."""
        by_collection: dict[str, list[str]] = {}
        for path in paths:
            by_collection.setdefault(collection_of(path), []).append(path)
        changed: dict[str, str] = {}
        for collection, members in by_collection.items():
            masked = self.maskers.of(collection).mask_paths(members)
            changed.update((path, stored) for path, stored in zip(members, masked, strict=True) if path != stored)
        return changed

    def stored_path(self, path: str) -> str:
        return self.stored([path]).get(path, path)

    def real_path(self, uri: str, path: str) -> str:
        """The path of the file that is stored as `path`. Raises UnreadableFile when there is none any more."""
        if not PSEUDONYM.search(path):
            return path
        real: list[str] = []
        parts = path.split("/")
        for depth, part in enumerate(parts, start=1):
            masked = PSEUDONYM.search(part)
            real.append(self._real_name(uri, "/".join(real), part, depth == len(parts)) if masked else part)
        return "/".join(real)

    def _real_name(self, uri: str, folder: str, name: str, is_file: bool) -> str:
        for fresh in (False, True):
            if fresh or (uri, folder) not in self._folders:
                self._folders[uri, folder] = self._masked_names(uri, folder, is_file)
            if name in self._folders[uri, folder]:
                return self._folders[uri, folder][name]
        raise UnreadableFile("The file vanished before it was read; the next scan looks again.")

    def _masked_names(self, uri: str, folder: str, is_file: bool) -> dict[str, str]:
        try:
            names = os.listdir(Path(uri, folder)) if is_local(uri) else list_names(uri, folder)  # noqa: PTH208
        except OSError as error:
            raise UnreadableFile(
                f"The file's folder cannot be listed ({error.strerror}); correct its permissions."
            ) from None
        found: dict[str, str] = {}
        for name in map(printable_path, names):
            # A name at the top is a collection, or a file of the default one.
            place = f"{folder}/{name}" if folder else (name if is_file else f"{name}/")
            stored = self.stored_path(place).rstrip("/")
            found[stored.rpartition("/")[2]] = name
        return found
