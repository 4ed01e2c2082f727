"""Patterns on paths that give fields: `{department}/{year}/` says of `finance/2024/plan.pdf` two things.

A pattern is written as one of `source.selection`, from the source down, with `{field}` for a part of one name. What
matches a folder holds for all that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from kb_pipeline.fields.layers import Layer
from kb_pipeline.source.selection import wildcards

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`names`: of the groups of `expression`, in order."""

    text: str
    names: tuple[str, ...]
    expression: re.Pattern[str]


def layers_of_path(path: str, patterns: Sequence[str]) -> list[Layer]:
    """What the patterns that match `path` say of it, in their order."""
    found = []
    for pattern in map(_compiled, patterns):
        match = pattern.expression.fullmatch(path)
        if match:
            given = dict(zip(pattern.names, match.groups(), strict=True))
            found.append(Layer(f"the path, by {pattern.text}", given))
    return found


@cache
def _compiled(text: str) -> PathPattern:
    plain = text.strip().lstrip("/")
    pieces = _FIELD.split(plain.rstrip("/"))
    expression = "".join("([^/]+?)" if number % 2 else wildcards(piece) for number, piece in enumerate(pieces))
    below = "/.*" if plain.endswith("/") else "(?:/.*)?"
    return PathPattern(text, tuple(pieces[1::2]), re.compile(expression + below, re.IGNORECASE | re.DOTALL))
