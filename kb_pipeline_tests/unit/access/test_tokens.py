"""API keys as text."""

from __future__ import annotations

import pytest

from kb_pipeline.access.tokens import ALPHABET, SECRET_LENGTH, new_token, read_token
from kb_pipeline.errors import Unauthenticated


def test_a_key_holds_256_random_bits_and_says_whose_it_is() -> None:
    assert len(ALPHABET) ** SECRET_LENGTH > 2**256
    one, other = new_token(), new_token()
    assert one.startswith("kb_")
    assert one != other
    token = read_token(one)
    assert one[3:11] == token.key_id
    assert token.is_of(read_token(one).digest)
    assert not token.is_of(read_token(other).digest)


def test_any_one_wrong_character_is_a_typo_and_not_an_unknown_key() -> None:
    text = new_token()
    for place in range(len("kb_"), len(text)):
        wrong = "a" if text[place] != "a" else "b"
        with pytest.raises(Unauthenticated, match="mistyped"):
            read_token(text[:place] + wrong + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "kb_", "sk-1234", "kb_" + "a" * 56, "kb_" + "a" * 58, "kb_" + "é" * 57])
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        read_token(text)
    assert "no key of this server" in str(refused.value)
    assert len(text) < len("kb_x") or text not in str(refused.value)


def test_a_key_with_a_line_end_is_no_key() -> None:
    with pytest.raises(Unauthenticated):
        read_token(new_token() + "\n")
