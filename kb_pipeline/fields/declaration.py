"""What may be declared under [fields]: names and types.

A field becomes a column of a table and of the view `knowledge_chunks`, so its name is a word in small letters that is
no column of that view and means nothing to a filter or to PostgreSQL.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

FieldType = Literal["text", "number", "date", "boolean", "list of text"]

LONGEST_NAME = 60  # bytes of UTF-8; PostgreSQL cuts names after 63
MOST_FIELDS = 100
# Columns of the view, words of the filter language, and columns that every table of PostgreSQL has.
RESERVED = frozenset(
    [
        "id",
        "content",
        "embedding",
        "source_file",
        "page_number",
        "section_title",
        "created_at",
        "collection",
        "page_end",
        "section_path",
        "language",
        "token_count",
        "metadata",
        "document_id",
        "chunk_key",
        "ordinal",
        "lexemes",
        "and",
        "or",
        "not",
        "in",
        "like",
        "ilike",
        "is",
        "null",
        "between",
        "true",
        "false",
        "tableoid",
        "xmin",
        "cmin",
        "xmax",
        "cmax",
        "ctid",
    ]
)
_WORD = re.compile(r"[^\W\d]\w*")
_GAPS = re.compile(r"[\s.-]+")


def complaint_about_name(name: str) -> str | None:
    """Why a field cannot be called so; None for a good name."""
    if name in RESERVED:
        return f"{name} is the name of a column or a word of filters, so it cannot be a field; choose another name"
    if not _WORD.fullmatch(name) or name != field_name(name):
        return f"{name[:40]!r} cannot be a field; a name is one word in small letters, such as department"
    if len(name.encode()) > LONGEST_NAME:
        return f"the field {name[:40]} has a name of more than {LONGEST_NAME} bytes; choose a shorter one"
    return None


def field_name(key: str) -> str:
    """The name that a key in a sidecar, a manifest or a file means: `Doc No` and `doc-no` are doc_no."""
    return _GAPS.sub("_", unicodedata.normalize("NFC", key).strip().lower())
