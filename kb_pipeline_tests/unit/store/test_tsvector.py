from __future__ import annotations

import random
import struct

from kb_pipeline.chunking.lexemes import LONGEST_LEXEME, Occurrence
from kb_pipeline.store.tsvector import LAST_POSITION, MOST_BYTES, MOST_POSITIONS, encode


def decode(data: bytes) -> dict[str, list[int]]:
    (count,) = struct.unpack_from("!i", data)
    found = {}
    at = 4
    for _ in range(count):
        end = data.index(b"\0", at)
        (length,) = struct.unpack_from("!H", data, end + 1)
        found[data[at:end].decode()] = list(struct.unpack_from(f"!{length}H", data, end + 3))
        at = end + 3 + 2 * length
    assert at == len(data)
    return found


WORD, BESIDE = 3 << 14, 2 << 14


def words(tokens: list[str]) -> list[Occurrence]:
    return [Occurrence(token, place) for place, token in enumerate(tokens, start=1)]


def test_a_position_is_a_place_and_the_weight_of_its_role() -> None:
    assert decode(encode(words(["利率", "loan", "利率"]))) == {"利率": [WORD | 1, WORD | 3], "loan": [WORD | 2]}
    said = [Occurrence("loans", 1, "beside"), Occurrence("loan", 1, "stem"), Occurrence("loan", 2)]
    assert decode(encode(said)) == {"loans": [BESIDE | 1], "loan": [1, WORD | 2]}
    assert decode(encode([])) == {}


def test_a_long_text_stays_within_what_postgresql_takes() -> None:
    seed = random.Random(1)
    tokens = [f"word{seed.randrange(40_000)}" for _ in range(60_000)] + ["x"] * 1000 + ["y" * 3000]
    found = decode(encode(words(tokens)))
    assert all(len(lexeme.encode()) <= LONGEST_LEXEME for lexeme in found)
    for positions in found.values():
        assert len(positions) <= MOST_POSITIONS
        assert positions == sorted(set(positions))
        assert positions[-1] & LAST_POSITION <= LAST_POSITION
    assert sum(len(lexeme) + 2 * len(positions) + 12 for lexeme, positions in found.items()) < MOST_BYTES
