"""Raised and lowered text in plain text, one notation for all formats.

10⁶, CO₂: the characters that Unicode has for it, where it has one for each; else `^(…)` and `_(…)`. Without a
notation 10⁶ would read 106.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import chain


def _forms(kind: str) -> Mapping[int, str]:
    """Plain character -> its raised (`<super>`) or lowered (`<sub>`) form, as Unicode's own decompositions tell."""
    found: dict[int, str] = {}
    blocks = (0xB2, 0xB3, 0xB9), range(0x2070, 0x209D), range(0x2B0, 0x2B9), range(0x1D2C, 0x1D6B), (0x2C7C, 0x2C7D)
    for code in chain(*blocks):
        mark, _, plain = unicodedata.decomposition(chr(code)).partition(" ")
        if mark == kind and " " not in plain:
            found.setdefault(int(plain, 16), chr(code))
    if ord("\N{MINUS SIGN}") in found:
        found[ord("-")] = found[ord("\N{EN DASH}")] = found[ord("\N{MINUS SIGN}")]
    return found


_RAISED, _LOWERED = _forms("<super>"), _forms("<sub>")


def superscript(text: str) -> str:
    """Raised text: `⁶`, `⁽¹⁾`, `^(*)`. Blanks around it stay outside."""
    return _written(text, _RAISED, "^")


def subscript(text: str) -> str:
    """Lowered text: `₂`, `ₘₐₓ`, `_(总)`. Blanks around it stay outside."""
    return _written(text, _LOWERED, "_")


def _written(text: str, forms: Mapping[int, str], sign: str) -> str:
    inner = text.strip()
    if not inner:
        return text
    raised = inner.translate(forms) if all(ord(character) in forms for character in inner) else f"{sign}({inner})"
    return text.replace(inner, raised, 1)
