"""Counting tokens as the model does, where its tokenizer is on this machine, else by an estimate.

A server says where its tokenizer comes from: a folder, or a name on the model hub. The file tokenizer.json is
looked for there, or in the hub's cache; nothing is downloaded. A folder of that name may hold another
model's: what it counts in a sample must be what the server counted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kb_pipeline.embedding.tokens import estimate_tokens

TokenCounter = Callable[[Sequence[str]], list[int]]

TEXTS_AT_ONCE = 256  # so many encodings are held at a time

_log = logging.getLogger(__name__)


def estimated_tokens(texts: Sequence[str]) -> list[int]:
    """The counter that needs no tokenizer; on the high side."""
    return list(map(estimate_tokens, texts))


def token_counter(location: str | None, revision: str | None, sample: str, tokens: int) -> TokenCounter:
    """The counter of the tokenizer at `location`, when it finds `tokens` in `sample`; else the estimate."""
    file = _tokenizer_file(location, revision) if location else None
    if file is None:
        return estimated_tokens
    try:
        count = own_counter(file)
    except Exception as error:  # noqa: BLE001  what the tokenizers package raises has no class of its own
        _log.warning("The tokenizer %s cannot be read (%s); token counts are estimated.", file, type(error).__name__)
        return estimated_tokens
    if count([sample]) != [tokens]:
        _log.warning("The tokenizer %s counts otherwise than the server; token counts are estimated.", file)
        return estimated_tokens
    return count


def own_counter(file: Path) -> TokenCounter:
    """A counter of tokens, with the special ones around a text, by a tokenizer.json. Raises what reading it raises."""
    # One thread: the others send and receive. Set before the first use, and said aloud, because the package
    # warns on standard error when a process forks after it used several.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [
            len(encoding)
            for start in range(0, len(texts), TEXTS_AT_ONCE)
            for encoding in tokenizer.encode_batch_fast(texts[start : start + TEXTS_AT_ONCE])
        ]

    return count


def _tokenizer_file(location: str, revision: str | None) -> Path | None:
    folder = Path(location).expanduser()
    if folder.is_dir():
        file = folder / "tokenizer.json"
        return file if file.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(location, "tokenizer.json", revision=revision)
    except HFValidationError:  # no name that the hub could have
        return None
    return Path(cached) if isinstance(cached, str) else None
