"""From a stream of texts to batches for the server: pure, bounded memory.

Texts are read in *windows*; a window is sorted by length and cut into *batches* of similar length, so
that little is padded and one request never holds more than the token budget.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

WINDOW_TEXTS = 4096
WINDOW_CHARACTERS = 4_000_000
BATCH_TOKENS = 16_384
BATCH_TEXTS = 256

# Where a text that is too long may be cut, the best places first.
_BOUNDARIES = (re.compile(r"\n\s*"), re.compile(r"(?<=[。！？；])|(?<=[.!?;])\s+"), re.compile(r"\s+|(?<=[，、,])"))


@dataclass(slots=True, eq=False)
class Whole:
    """A text that is embedded in parts: the sum of their vectors, weighted by length, and how many are missing."""

    missing: int
    total: NDArray[np.float32] | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class PendingText:
    """A text, or a part of one, on its way to the server; `tokens` may be an estimate on the high side."""

    key: bytes
    text: str
    tokens: int
    whole: Whole | None = None


def windows(texts: Iterable[tuple[bytes, str]]) -> Iterator[list[tuple[bytes, str]]]:
    """Successive pieces of the stream, bounded in count and characters."""
    stream = iter(texts)
    while window := list(islice(stream, 1)):
        characters = len(window[0][1])
        for key, text in stream:
            window.append((key, text))
            characters += len(text)
            if len(window) >= WINDOW_TEXTS or characters >= WINDOW_CHARACTERS:
                break
        yield window


def pack(texts: Iterable[PendingText], context_length: int | None) -> Iterator[list[PendingText]]:
    """Batches, the longest texts first.

    A text that may be too long for `context_length` travels alone: the server refuses a whole batch for it. SGLang
    does so from that many tokens on.
    """
    batch: list[PendingText] = []
    longest = 0
    for text in sorted(texts, key=lambda item: item.tokens, reverse=True):
        if context_length is not None and text.tokens >= context_length:
            yield [text]
            continue
        if batch and (longest * (len(batch) + 1) > BATCH_TOKENS or len(batch) >= BATCH_TEXTS):
            yield batch
            batch = []
        longest = longest if batch else text.tokens
        batch.append(text)
    if batch:
        yield batch


def padded_tokens(batch: list[PendingText]) -> int:
    """What a batch costs a server that pads its texts to the longest."""
    return max(text.tokens for text in batch) * len(batch)


def that_fit(batch: list[PendingText], most_texts: int, most_tokens: int) -> int:
    """How many of the first texts of `batch`, the longest first, make a request within the limits; at least 1."""
    return max(1, min(len(batch), most_texts, most_tokens // batch[0].tokens))


def split_text(text: str, parts: int) -> list[str]:
    """Cut `text` into about `parts` pieces of similar length, at the ends of lines, sentences or words if possible."""
    size = -(-len(text) // parts)
    pieces = []
    while len(text) > size:
        cut = _cut(text, size)
        pieces.append(text[:cut])
        text = text[cut:]
    pieces.append(text)
    return [piece for piece in pieces if piece.strip()]


def _cut(text: str, size: int) -> int:
    """The best place to cut in the second half of the first `size` characters."""
    for boundary in _BOUNDARIES:
        ends = [match.end() for match in boundary.finditer(text, size // 2, size)]
        if ends and ends[-1] > 0:
            return ends[-1]
    return size
