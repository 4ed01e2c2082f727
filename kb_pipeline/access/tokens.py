"""API keys as text: `kb_`, 8 characters that name the key, 43 that are its secret, 6 that check the rest.

All are of the alphabet 0–9 A–Z a–z, so that a double click selects the whole key, and a scanner of repositories can
recognise one. The checksum (CRC-32) tells a mistyped or cut key from one that was revoked without asking the database.

Only SHA-256 of a key is stored. A slow hash such as argon2 protects secrets that people choose, which can be guessed
faster than at random. The 43 characters are drawn at random and hold 256 bits: whoever has the hash cannot try them
all, however fast the hash is, and a fast one costs a request nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from hmac import compare_digest

from kb_pipeline.errors import Unauthenticated

PREFIX = "kb_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
NAME_LENGTH = 8
SECRET_LENGTH = 43  # the first for which 62 ** length exceeds 2 ** 256
CHECK_LENGTH = 6  # 62 ** 6 exceeds 2 ** 32

_SHAPE = re.compile(rf"{PREFIX}(?P<name>[0-9A-Za-z]{{{NAME_LENGTH}}})[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Token:
    """`key_id` may be shown and logged; `digest` is what is stored, 32 bytes."""

    key_id: str
    digest: bytes

    def is_of(self, digest: bytes) -> bool:
        """In a time that says nothing about how much of it is right."""
        return compare_digest(self.digest, digest)


def new_token() -> str:
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(NAME_LENGTH + SECRET_LENGTH))
    return body + _checksum(body)


def read_token(text: str) -> Token:
    """Raises Unauthenticated for what cannot be a key."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise Unauthenticated(f"This is no key of this server, which begin with {PREFIX}; copy the whole key.")
    if _checksum(text[:-CHECK_LENGTH]) != text[-CHECK_LENGTH:]:
        raise Unauthenticated("The key is mistyped or was cut; copy the whole key.")
    return Token(shape["name"], hashlib.sha256(text.encode()).digest())


def _checksum(body: str) -> str:
    rest = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECK_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
