"""How fast an embedding server is: texts and tokens a second, by the length of texts and the size of batches.

The *loop* sends one text, waits, sends the next; a *batch* sends several in one request, again one request
at a time; the *stream* is what ingestion does (see `client`): batches packed by tokens, as many requests in
flight as the server takes. Texts are random words, no two alike and none alike in its beginning: SGLang keeps what
it computed for a beginning that it has seen. Lengths are those that the server counted.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.embedding.client import EmbeddedText
from kb_pipeline.embedding.wire import Refused, Vectors
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kb_pipeline.embedding.client import EmbeddingClient

LENGTHS = (16, 128, 512, 2048)  # tokens
BATCH_SIZES = (8, 32, 128)  # texts
SECONDS = 2.0  # per cell
STREAM_FACTOR = 3  # the stream gets this many times the texts that the best batches do in that time
CALIBRATION_WORDS = (2, 100)
CALIBRATION_TEXTS = 32  # so many of each length, since words differ
SHARE_OF_CONTEXT = 0.9  # a text stays below the limit, whatever its words
MOST_OVERRUN = 10.0  # a batch that would take this many times the seconds of a cell is left out
_SYLLABLES = ("ba", "co", "den", "fi", "gor", "hu", "jin", "ka", "lem", "mo", "nar", "pu", "ri", "sta", "tor", "vel")


@dataclass(frozen=True, slots=True)
class Rate:
    """`failed`: requests that the server did not take; their texts do not count."""

    texts: int
    tokens: int
    requests: int
    failed: int
    seconds: float

    @property
    def texts_per_second(self) -> float:
        return round(self.texts / self.seconds, 2) if self.seconds else 0.0

    @property
    def tokens_per_second(self) -> float:
        return round(self.tokens / self.seconds, 1) if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class LengthResult:
    """`length` asked for and `counted` by the server, in tokens. `batches`: by texts per request; None: too slow."""

    length: int
    counted: float
    loop: Rate
    stream: Rate
    batches: dict[int, Rate | None]

    @property
    def stream_over_loop(self) -> float:
        loop = self.loop.texts_per_second
        return round(self.stream.texts_per_second / loop, 2) if loop else 0.0


class Words:
    """Random texts of about as many tokens as asked for."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self.tokens_per_word = 1.0
        self.tokens_around = 0.0  # what the model adds to every text

    def calibrate(self, client: EmbeddingClient) -> None:
        """Learn the model's tokens per word from texts of two lengths."""
        few, many = CALIBRATION_WORDS
        short, long = self._mean_tokens(client, few), self._mean_tokens(client, many)
        self.tokens_per_word = max((long - short) / (many - few), 0.1)
        self.tokens_around = max(short - self.tokens_per_word * few, 0.0)

    def _mean_tokens(self, client: EmbeddingClient, words: int) -> float:
        return _tokens(client, [self._text(words) for _ in range(CALIBRATION_TEXTS)]) / CALIBRATION_TEXTS

    def text(self, tokens: int) -> str:
        return self._text(max(1, round((tokens - self.tokens_around) / self.tokens_per_word)))

    def texts(self, tokens: int, count: int) -> list[str]:
        return [self.text(tokens) for _ in range(count)]

    def _text(self, words: int) -> str:
        return " ".join("".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4))) for _ in range(words))


def measure(
    client: EmbeddingClient,
    *,
    lengths: Sequence[int] = LENGTHS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    seconds: float = SECONDS,
    seed: str | None = None,
) -> Iterator[LengthResult]:
    """One result per length, as it is measured; lengths beyond the model's context are left out.

    `seed`: of the texts; None for others than ever before, which no server can know already.
    Raises EmbeddingServerUnavailable, SettingsError.
    """
    words = Words(seed or str(time.time_ns()))
    words.calibrate(client)
    limit = client.identity.context_length
    fitting = [length for length in lengths if limit is None or length <= limit * SHARE_OF_CONTEXT]
    if not fitting:
        raise SettingsError(f"The model takes {limit} tokens; choose shorter texts with --length.")
    for length in fitting:
        yield _measure_length(client, words, length, batch_sizes, seconds)


def _measure_length(
    client: EmbeddingClient, words: Words, length: int, batch_sizes: Sequence[int], seconds: float
) -> LengthResult:
    loop = _requests(client, words, length, 1, seconds)
    batches: dict[int, Rate | None] = {}
    fastest = loop.texts_per_second
    for size in batch_sizes:
        too_slow = fastest == 0 or size / fastest > MOST_OVERRUN * seconds
        rate = None if too_slow else _requests(client, words, length, size, seconds)
        batches[size] = rate
        fastest = max(fastest, rate.texts_per_second if rate else 0.0)
    stream = _stream(client, words.texts(length, math.ceil(fastest * seconds * STREAM_FACTOR)))
    return LengthResult(length, round(loop.tokens / loop.texts, 1) if loop.texts else 0.0, loop, stream, batches)


def _tokens(client: EmbeddingClient, texts: list[str]) -> int:
    outcome = client.request(texts)
    if not isinstance(outcome, Vectors):
        reason = f"status {outcome.status}" if isinstance(outcome, Refused) else outcome.reason
        raise EmbeddingServerUnavailable(
            f"The embedding server does not embed ordinary texts ({reason}); see kb server logs."
        )
    if not outcome.tokens:
        raise SettingsError("The embedding server does not count tokens, so nothing can be measured; use another.")
    return outcome.tokens


def _requests(client: EmbeddingClient, words: Words, length: int, size: int, seconds: float) -> Rate:
    """One request of `size` texts after another; at least one."""
    texts = tokens = requests = failed = 0
    elapsed = 0.0
    while elapsed < seconds:
        batch = words.texts(length, size)  # made while the clock stands
        begun = time.perf_counter()
        outcome = client.request(batch)
        elapsed += time.perf_counter() - begun
        requests += 1
        if isinstance(outcome, Vectors):
            texts += size
            tokens += outcome.tokens
        else:
            failed += 1
    return Rate(texts, tokens, requests, failed, elapsed)


def _stream(client: EmbeddingClient, texts: Sequence[str]) -> Rate:
    """From the first request to the last answer."""
    usage = client.usage
    tokens, requests, failed = usage.tokens, usage.requests, usage.retries
    begun = time.perf_counter()
    results = client.embed((number.to_bytes(8, "big"), text) for number, text in enumerate(texts))
    embedded = sum(isinstance(result, EmbeddedText) for result in results)
    return Rate(
        texts=embedded,
        tokens=usage.tokens - tokens,
        requests=usage.requests - requests,
        failed=usage.retries - failed,
        seconds=time.perf_counter() - begun,
    )
