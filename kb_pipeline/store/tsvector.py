"""Sending a tsvector to PostgreSQL in its binary form, so that COPY BINARY can carry it.

The wire format is that of `tsvectorrecv` in PostgreSQL's source: the number of lexemes, then each
lexeme as a zero-terminated string, the number of its positions and the positions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

TSVECTOR_OID = 3614
MOST_POSITIONS = 255  # per lexeme; PostgreSQL keeps no more
LAST_POSITION = 16_383  # later occurrences all count as standing here
LONGEST_LEXEME = 2_046  # bytes


@dataclass(frozen=True, slots=True)
class TsVector:
    """The tokens of a text, in order."""

    tokens: tuple[str, ...]


class TsVectorBinaryDumper(Dumper):
    format = Format.BINARY
    oid = TSVECTOR_OID

    def dump(self, obj: TsVector) -> bytes:
        return encode(obj.tokens)


def encode(tokens: Iterable[str]) -> bytes:
    """The binary tsvector of `tokens`, whose positions count from 1."""
    positions: dict[str, list[int]] = {}
    for index, token in enumerate(tokens, start=1):
        at = min(index, LAST_POSITION)
        found = positions.setdefault(token, [])
        if len(found) < MOST_POSITIONS and not (found and found[-1] == at):
            found.append(at)
    encoded = {token: token.encode()[:LONGEST_LEXEME] for token in positions}
    parts = [struct.pack("!i", len(positions))]
    # PostgreSQL orders lexemes by length and then by bytes, and re-sorts whatever comes otherwise.
    for token in sorted(positions, key=lambda token: (len(encoded[token]), encoded[token])):
        found = positions[token]
        parts.append(encoded[token] + b"\0" + struct.pack(f"!H{len(found)}H", len(found), *found))
    return b"".join(parts)


def register_tsvector(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(TsVector, TsVectorBinaryDumper)
