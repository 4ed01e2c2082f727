"""File names that hold personal data: how they are stored, and which files they mean.

A *stored path* is a file's path with the values in its names replaced by pseudonyms; nothing else of a path is
ever written anywhere. A pseudonym cannot be turned back, so the file of a stored path is found by masking the
names in its folder again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kb_pipeline.errors import UnreadableFile
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.pseudonyms import PSEUDONYM
from kb_pipeline.source.kinds import Sources
from kb_pipeline.source.listing import collection_of
from kb_pipeline.source.walk import printable_path


@dataclass
class Names:
    """`_folders`: (source uri, folder) -> stored name -> the real names in it that are stored so."""

    maskers: Maskers
    sources: Sources
    _folders: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict, repr=False)

    @property
    def policy(self) -> str:
        """What stored paths depend on besides the real ones."""
        return self.maskers.fingerprint

    def look_again(self) -> None:
        """Forget which files were where: a scan found it out anew."""
        self._folders.clear()

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
        for fresh in (False, True):
            found = next(self._candidates(uri, "", path.split("/"), fresh=fresh), None)
            if found is not None:
                return found
        raise UnreadableFile("The file vanished before it was read; the next scan looks again.")

    def _candidates(
        self, uri: str, folder: str, parts: list[str], *, fresh: bool, certain: bool = True
    ) -> Iterator[str]:
        """The real paths in `folder` that are stored as `parts`, in order.

        `certain`: no other folder is stored as this one, so what is not masked needs no look.
        """
        part, *rest = parts
        if certain and not PSEUDONYM.search(part):
            names = [part]
        else:
            names = self._real_names(uri, folder, part, is_file=not rest, fresh=fresh)
        for name in names:
            real = f"{folder}/{name}" if folder else name
            if rest:
                yield from self._candidates(uri, real, rest, fresh=fresh, certain=certain and len(names) == 1)
            else:
                yield real

    def _real_names(self, uri: str, folder: str, name: str, *, is_file: bool, fresh: bool) -> list[str]:
        if fresh or (uri, folder) not in self._folders:
            self._folders[uri, folder] = self._stored_names(uri, folder, is_file)
        return self._folders[uri, folder].get(name, [])

    def _stored_names(self, uri: str, folder: str, is_file: bool) -> dict[str, list[str]]:
        try:
            names = self.sources.of(uri).names(folder)
        except TimeoutError:
            raise UnreadableFile(
                "The file's folder cannot be listed: its disk or share does not answer; check it, the next scan looks "
                "again."
            ) from None
        except OSError as error:
            raise UnreadableFile(
                f"The file's folder cannot be listed ({error.strerror}); correct its permissions."
            ) from None
        found: dict[str, list[str]] = {}
        for name in sorted(map(printable_path, names)):
            # A name at the top is a collection, or a file of the default one.
            place = f"{folder}/{name}" if folder else (name if is_file else f"{name}/")
            stored = self.stored_path(place).rstrip("/")
            found.setdefault(stored.rpartition("/")[2], []).append(name)
        return found
