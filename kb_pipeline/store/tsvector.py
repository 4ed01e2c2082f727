"""Sending a tsvector to PostgreSQL in its binary form, so that COPY BINARY can carry it.

The wire format is that of `tsvectorrecv` in PostgreSQL's source: the number of lexemes, then each
lexeme as a zero-terminated string, the number of its positions and the positions.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from kb_pipeline.chunking.lexemes import LONGEST_LEXEME

TSVECTOR_OID = 3614
MOST_POSITIONS = 256  # per lexeme; PostgreSQL keeps no more
LAST_POSITION = 16_383  # later occurrences all count as standing here
MOST_BYTES = 1_000_000  # a tsvector must stay below 1 MiB; what comes after is left out
_ONCE = struct.Struct("!BHH")  # what follows a lexeme that occurs once: its end, 1, its position


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
    """The binary tsvector of `tokens`, whose positions count from 1. PostgreSQL sorts the lexemes itself."""
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, token in enumerate(tokens, start=1):
        positions[token].append(position)
    parts = []
    size = 0
    for token, at in positions.items():
        lexeme = token.encode()
        size += len(lexeme) + 2 * len(at) + 12  # the text, its positions, their count and the entry itself
        if len(lexeme) > LONGEST_LEXEME or size > MOST_BYTES:
            continue
        if len(at) == 1 and at[0] <= LAST_POSITION:  # most are so, and this is half the time
            parts.append(lexeme + _ONCE.pack(0, 1, at[0]))
            continue
        kept = at if at[-1] <= LAST_POSITION else sorted({min(position, LAST_POSITION) for position in at})
        count = min(len(kept), MOST_POSITIONS)
        parts.append(lexeme + b"\0" + struct.pack(f"!H{count}H", count, *kept[:count]))
    return struct.pack("!i", len(parts)) + b"".join(parts)


def register_tsvector(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(TsVector, TsVectorBinaryDumper)
