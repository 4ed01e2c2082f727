"""What was written for a field -> a value of its type.

A value that was masked is a pseudonym or holds stars: as a text it stays what it is, and as anything else it counts as
not given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, date, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from kb_pipeline.fields.declaration import FieldType, field_name
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

Written = str | list[str]
Given = Mapping[str, Written]
Typed = str | bool | list[str]  # as JSON holds it: numbers and dates are texts, so that no digit is lost

LONGEST_TEXT = 500  # characters of a value; an index entry holds 2,700 bytes
LONGEST_NUMBER = 30  # characters
MOST_ITEMS = 200  # of a list
MOST_KEYS = 200
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)
_BETWEEN_ITEMS = re.compile(r"[;；|、,，\n]")
_TRUTH = dict.fromkeys(("true", "yes", "on", "1", "是", "真"), True) | dict.fromkeys(
    ("false", "no", "off", "0", "否", "假"), False
)
_EXAMPLES: dict[FieldType, str] = {
    "text": f"a text of at most {LONGEST_TEXT} characters",
    "number": "a number such as 12.5",
    "date": "a date such as 2024-06-30",
    "boolean": "true or false",
    "list of text": f"a list of at most {MOST_ITEMS} texts of {LONGEST_TEXT} characters",
}


def typed(written: Written, kind: FieldType) -> Typed | None:
    """The value as `kind`; None where it is none of that type, or says nothing."""
    if kind == "list of text":
        return _list(written)
    if isinstance(written, list):
        return None
    text = unicodedata.normalize("NFC", written).strip()
    if kind == "text":
        return text if 0 < len(text) <= LONGEST_TEXT else None
    plain = unicodedata.normalize("NFKC", text)
    if kind == "boolean":
        return _TRUTH.get(plain.lower())
    if kind == "number":
        return _number(plain)
    found = read_date(plain) or _mail_date(plain)
    return None if found is None else f"{found:%Y-%m-%d}".rjust(10, "0")


def complaint(given: Given, declared: Mapping[str, FieldType]) -> str | None:
    """What is wrong with the first value that is not of its field's type; None where there is none. Names no value."""
    for name, written in given.items():
        kind = declared.get(name)
        if kind is not None and written and not is_masked(written) and typed(written, kind) is None:
            return f"{name} is not {_EXAMPLES[kind]}"
    return None


def is_masked(written: Written) -> bool:
    """Whether something was taken out of it."""
    texts = written if isinstance(written, list) else [written]
    return any("***" in text or PSEUDONYM.search(text) for text in texts)


def read_date(text: str) -> date | datetime | None:
    """A day, or a moment where a time stands with it: `2024-06-30`, `2024/6/30`, `2024年6月30日`, ISO 8601."""
    try:
        if (day := _DAY.fullmatch(text)) is not None:
            found = date(*(int(part) for part in day.groups()))
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year < MAXYEAR else None  # there must be a day after it


def as_labelled(name: str, text: str) -> str:
    """How a value is looked at for personal data: behind the name of its field, which may say what it is."""
    return f"{name.capitalize()}: {text}"


def without_label(name: str, text: str) -> str | None:
    """The value of a masked `as_labelled`; None where the name itself was masked."""
    label = as_labelled(name, "")
    return text.removeprefix(label) if text.startswith(label) else None


def plain_given(values: Mapping[str, Any]) -> dict[str, Written]:
    """What a parsed file or a JSON object says, as far as it is texts, numbers, truth values and lists of them."""
    given: dict[str, Written] = {}
    for key, value in values.items():
        written = _written(value)
        if written:
            given.setdefault(field_name(str(key)), written)
    return given


def _written(value: Any) -> Written | None:
    if isinstance(value, list | tuple):
        items = [_scalar(item) for item in value]
        return [item for item in items if item] if all(item is not None for item in items) else None
    return _scalar(value)


def _scalar(value: Any) -> str | None:
    """ "" for nothing, None for what is no plain value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float | Decimal | date) else None


def _list(written: Written) -> list[str] | None:
    items: Sequence[str] = _BETWEEN_ITEMS.split(written) if isinstance(written, str) else written
    texts = list(dict.fromkeys(filter(None, (unicodedata.normalize("NFC", item).strip() for item in items))))
    if not texts or len(texts) > MOST_ITEMS or any(len(text) > LONGEST_TEXT for text in texts):
        return None
    return texts


def _number(text: str) -> str | None:
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    try:
        return f"{Decimal(text.replace(',', '')):f}"
    except InvalidOperation:
        return None


def _mail_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
