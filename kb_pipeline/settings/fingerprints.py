"""What decides whether the work of a stage is done again.

A *stage fingerprint* is a short hash over everything besides the input that a stage's output depends
on. Change the chunk size and only the chunk fingerprint moves: nothing is parsed again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Raise when the code of a stage changes its output for the same input.
PARSE_CODE_VERSION = 10
CHUNK_CODE_VERSION = 3


def fingerprint(*parts: Any) -> str:
    """16 hex digits over the JSON of `parts`."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
