"""Sending a tsvector to PostgreSQL in its binary form, so that COPY BINARY can carry it.

The wire format is that of `tsvectorrecv` in PostgreSQL's source: the number of lexemes, then each
lexeme as a zero-terminated string, the number of its positions and the positions. A position is a place with a
weight in its upper two bits: A of a word, B of one that has its stem beside it, D of such a stem.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from kb_pipeline.chunking.lexemes import LONGEST_LEXEME, PlainOccurrence, Role

TSVECTOR_OID = 3614
MOST_POSITIONS = 256  # per lexeme; PostgreSQL keeps no more
LAST_POSITION = 16_383  # later occurrences all count as standing here
MOST_BYTES = 1_000_000  # a tsvector must stay below 1 MiB; what comes after is left out
_WEIGHTS: dict[Role, int] = {"word": 3 << 14, "beside": 2 << 14, "stem": 0}
_ONCE = struct.Struct("!BHH")  # what follows a lexeme that occurs once: its end, 1, its position


@dataclass(frozen=True, slots=True)
class TsVector:
    """What a text says, in order."""

    occurrences: Sequence[PlainOccurrence]


class TsVectorBinaryDumper(Dumper):
    format = Format.BINARY
    oid = TSVECTOR_OID

    def dump(self, obj: TsVector) -> bytes:
        return encode(obj.occurrences)


def encode(occurrences: Iterable[PlainOccurrence]) -> bytes:
    """The binary tsvector of `occurrences`. PostgreSQL sorts the lexemes itself."""
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for lexeme, place, role in occurrences:
        positions[lexeme].append(min(LAST_POSITION, place) | _WEIGHTS[role])
    parts = []
    size = 0
    for token, at_places in positions.items():
        encoded = token.encode()
        size += len(encoded) + 2 * len(at_places) + 12  # the text, its positions, their count and the entry itself
        if len(encoded) > LONGEST_LEXEME or size > MOST_BYTES:
            continue
        if len(at_places) == 1:  # most are so, and this is half the time
            parts.append(encoded + _ONCE.pack(0, 1, at_places[0]))
            continue
        kept = _in_order(at_places)
        parts.append(encoded + b"\0" + struct.pack(f"!H{len(kept)}H", len(kept), *kept))
    return struct.pack("!i", len(parts)) + b"".join(parts)


def _in_order(positions: Sequence[int]) -> list[int]:
    """One position a place, in the order of places, as many as PostgreSQL keeps; of two at a place the weightier."""
    in_order = sorted(set(positions))
    if in_order[0] >> 14 == in_order[-1] >> 14:  # of one weight, as most are
        return in_order[:MOST_POSITIONS]
    at_place: dict[int, int] = {}
    for position in positions:
        place = position & LAST_POSITION
        at_place[place] = max(position, at_place.get(place, 0))
    return [at_place[place] for place in sorted(at_place)[:MOST_POSITIONS]]


def register_tsvector(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(TsVector, TsVectorBinaryDumper)
