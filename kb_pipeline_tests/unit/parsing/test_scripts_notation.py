"""Raised and lowered text keeps its meaning in plain text."""

from __future__ import annotations

import unicodedata

import pytest

from kb_pipeline.parsing.scripts_notation import subscript, superscript


@pytest.mark.parametrize(
    ("plain", "raised"), [("6", "⁶"), ("-12", "⁻¹²"), ("(1)", "⁽¹⁾"), ("th", "ᵗʰ"), ("n+1", "ⁿ⁺¹")]
)
def test_raised_text_has_the_characters_that_unicode_has_for_it(plain: str, raised: str) -> None:
    assert superscript(plain) == raised
    assert unicodedata.normalize("NFKC", raised).replace("\N{MINUS SIGN}", "-") == plain


@pytest.mark.parametrize(("plain", "lowered"), [("2", "₂"), ("max", "ₘₐₓ"), ("i+1", "ᵢ₊₁")])
def test_lowered_text_has_the_characters_that_unicode_has_for_it(plain: str, lowered: str) -> None:
    assert subscript(plain) == lowered


def test_what_has_no_such_character_stands_in_brackets() -> None:
    assert superscript("2*") == "^(2*)"
    assert superscript("注") == "^(注)"
    assert subscript("总") == "_(总)"


def test_blanks_stay_outside_and_nothing_stays_nothing() -> None:
    assert superscript(" 2 ") == " ² "
    assert subscript("2x ") == "₂ₓ "
    assert superscript(" ") == " "
