"""Which files of a source are read: patterns of its own, and kinds of files that nobody can read.

A *pattern* is written as in .gitignore: `*` and `?` stand for anything but a slash, `**` for any folders, a class
like `[0-9]` for one of its characters. One without a slash, or with only one at its end, holds in every folder, any
other from the source down. Whoever matches a folder matches all that is in it. Capitals do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.sidecars import is_sidecar

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)
_WILD = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class Selection:
    """`include`: patterns of the files that are read, none meaning all; `exclude`: of those that are not.

    `unreadable`: extensions, in lower case with their dot, of files that are passed over and counted. `manifests`:
    paths of files that describe others, as sidecars do: neither is a document, and only `exclude` leaves them out.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()

    def describes(self, path: str, name: str) -> bool:
        """Whether the file `name` at `path` is a sidecar or a manifest."""
        return is_sidecar(name) or path in self.manifests

    def excludes_sidecar(self, path: str) -> bool:
        return self._excluded is not None and bool(self._excluded.fullmatch(unicodedata.normalize("NFC", path)))

    def excludes(self, path: str) -> bool:
        """Whether `path` is left out: a file, or with a slash at its end a folder with all that is in it."""
        if self._excluded is None and self._included is None:
            return False
        plain = path if path.isascii() else unicodedata.normalize("NFC", path)
        if self._excluded is not None and self._excluded.fullmatch(plain):
            return True
        return self._included is not None and not plain.endswith("/") and not self._included.fullmatch(plain)

    def unreadable_kind(self, name: str) -> str | None:
        """The extension of a file that nobody can read."""
        _, dot, extension = name.rpartition(".")
        kind = f"{dot}{extension}".lower()
        return kind if kind in self.unreadable else None

    @cached_property
    def _included(self) -> re.Pattern[str] | None:
        return _any_of(self.include)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        return _any_of(self.exclude)


EVERYTHING = Selection()


@cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """What matches one of `patterns`; None without any. Raises SettingsError."""
    if not patterns:
        return None
    try:
        return re.compile("|".join(map(_expression, patterns)), re.IGNORECASE | re.DOTALL)
    except re.error:
        raise SettingsError(
            f"One of the patterns {', '.join(patterns)} has a class such as [z-a] that holds nothing; correct it."
        ) from None


def matches(path: str, pattern: str) -> bool:
    """Whether the file at `path` is, or lies in, what one pattern names. Raises SettingsError."""
    expression = _any_of((pattern,))
    return expression is not None and bool(expression.fullmatch(unicodedata.normalize("NFC", path)))


def _expression(pattern: str) -> str:
    plain = unicodedata.normalize("NFC", pattern.strip())
    body = plain.strip("/")
    anywhere = "" if "/" in plain.rstrip("/") else "(?:.*/)?"
    below = "/.*" if plain.endswith("/") else "(?:/.*)?"
    return f"{anywhere}{wildcards(body)}{below}"


def wildcards(text: str) -> str:
    """A regular expression for a part of a pattern."""
    return "".join(map(_part, _PARTS.findall(text)))


def _part(part: str) -> str:
    if part in _WILD:
        return _WILD[part]
    if part.startswith("[") and len(part) > 1:
        negated = part[1] == "!"
        members = part[1 + negated : -1].replace("\\", r"\\").replace("^", r"\^")
        return f"[{'^' if negated else ''}{members}]"
    return re.escape(part)
