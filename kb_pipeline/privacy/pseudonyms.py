"""What stands in a stored text instead of a personal value.

A pseudonym is `<TYPE_digits>`, digits being the head of HMAC-SHA256(site key, type and normalised value).
Equal values get equal pseudonyms, however they were written, so they stay searchable; nobody can compute
or test one without the key. Ten hex digits: among a million distinct values less than one pair is expected
to collide (six digits would make every sixteenth of them look like another's).

A masked value shows a few of its characters and stars for the others: 138****5678.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

PSEUDONYM_DIGITS = 10

PSEUDONYM = re.compile(rf"<[A-Z][A-Z_]*_[0-9a-f]{{{PSEUDONYM_DIGITS}}}>")


def pseudonym(entity: str, canonical: str, key: bytes) -> str:
    """The pseudonym of a value that all its spellings share: `canonical`."""
    message = f"{entity}\0{canonical}".encode()
    return f"<{entity}_{hmac.digest(key, message, 'sha256').hex()[:PSEUDONYM_DIGITS]}>"


def key_id(key: bytes) -> str:
    """Eight hex digits that tell two keys apart and reveal neither."""
    return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:8]


def term_hash(term: str, key: bytes) -> str:
    """What a term of the site's own lists is known by outside its settings."""
    return hmac.new(key, f"term\0{term}".encode(), hashlib.sha256).hexdigest()[:32]


def partly_shown(entity: str, value: str) -> str:
    """`value` with stars: what a clerk needs to recognise it, and no more."""
    return _PARTLY.get(entity, _ends)(value)


def _ends(value: str) -> str:
    """The first three and the last four characters of a long value, the first one of a short one."""
    if len(value) < 11:
        return value[:1] + "***"
    return f"{value[:3]}****{value[-4:]}"


def _email(value: str) -> str:
    local, _, domain = value.partition("@")
    return f"{local[:1]}***@{domain}"


def _address(value: str) -> str:
    place = re.match(r"(?:[^\d\s]{2,8}?(?:省|自治区))?(?:[^\d\s]{2,8}?市)?", value)
    return (place[0] if place else "") + "***"


def _amount(value: str) -> str:
    return re.sub(r"[\d.,]+|[零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟]+", "***", value)


def _person(value: str) -> str:
    return value[:1] + ("*" * min(len(value) - 1, 3) if value[:1] > "\u3400" else "***")


def _birth_date(value: str) -> str:
    return value[:4] + re.sub(r"\d", "*", value[4:]) if value[:4].isdigit() else "***"


def _nothing(value: str) -> str:  # noqa: ARG001 - every value alike
    return "***"


_PARTLY: dict[str, Callable[[str], str]] = {
    "EMAIL_ADDRESS": _email,
    "ADDRESS": _address,
    "CREDENTIAL": _nothing,
    "DENIED": _nothing,
    "AMOUNT": _amount,
    "PERSON": _person,
    "DATE_OF_BIRTH": _birth_date,
}
