"""Pseudonyms: what stands in a stored text instead of a personal value.

A pseudonym is `<TYPE_digits>`, digits being the head of HMAC-SHA256(site key, type and normalised value).
Equal values get equal pseudonyms, however they were written, so they stay searchable; nobody can compute
or test one without the key. Ten hex digits: among a million distinct values less than one pair is expected
to collide (six digits would make every sixteenth of them look like another's).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from kb_pipeline.privacy.detection import DETECTORS

PSEUDONYM_DIGITS = 10

PSEUDONYM = re.compile(rf"<[A-Z][A-Z_]*_[0-9a-f]{{{PSEUDONYM_DIGITS}}}>")


def pseudonym(entity: str, value: str, key: bytes) -> str:
    """The pseudonym of `value`, written in any of its spellings."""
    message = f"{entity}\0{DETECTORS[entity].normalise(value)}".encode()
    return f"<{entity}_{hmac.new(key, message, hashlib.sha256).hexdigest()[:PSEUDONYM_DIGITS]}>"


def key_id(key: bytes) -> str:
    """Eight hex digits that tell two keys apart and reveal neither."""
    return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:8]
