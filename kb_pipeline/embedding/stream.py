"""Embedding a stream of texts: what is sent, what is retried, what is given up.

One thread, the caller's, takes every decision; *workers* only wait for answers. A batch that the
server refuses is halved until the one bad text is found; a batch that it cannot take now is sent
again; nothing that was yielded is ever lost or yielded twice.
"""

from __future__ import annotations

import logging
import math
import queue
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.embedding.backpressure import Backpressure
from kb_pipeline.embedding.packing import (
    BATCH_TEXTS,
    BATCH_TOKENS,
    PendingText,
    Whole,
    pack,
    padded_tokens,
    split_text,
    that_fit,
    windows,
)
from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.embedding.wire import Broken, Outcome, Overloaded, Refused, Vectors
from kb_pipeline.errors import EmbeddingServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.embedding.tokenizer import TokenCounter

BROKEN_ATTEMPTS = 3  # how often a batch may get a broken answer before it is taken apart
LAST_ANSWERS = 5.0  # seconds; how long what is in flight is waited for when the stream has to end
PART_SHARE = 0.8  # parts of a text that is too long aim at this share of the limit

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """`vector`: (native dimension,), float32, length 1."""

    key: bytes
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RejectedText:
    """A text that the server does not take; `reason` is a sentence that does not hold the text."""

    key: bytes
    reason: str


Result = EmbeddedText | RejectedText


@dataclass(slots=True)
class Usage:
    """Totals of one client. `tokens` as the server counts them; `averaged`: texts embedded in parts.

    `counted`, `padded`: tokens as the client counts them, as they are and if every text of a request were as long as
    its longest. A server that pads (the CPU server) computes the difference for nothing; SGLang does not pad.
    """

    texts: int = 0
    rejected: int = 0
    averaged: int = 0
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    counted: int = 0
    padded: int = 0

    @property
    def padding_share(self) -> float:
        """Share of `padded` that is padding, from 0 to 1."""
        return 1 - self.counted / self.padded if self.padded else 0.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """`deadline`: seconds for one request. `patience`: seconds without an answer until the server is given up."""

    url: str
    context_length: int | None
    deadline: float
    patience: float
    most_in_flight: int
    average_long_texts: bool
    count_tokens: TokenCounter


@dataclass(slots=True, eq=False)
class _Batch:
    texts: list[PendingText]
    broken: int = 0


@dataclass(frozen=True, slots=True)
class _Sent:
    batch: _Batch
    at: float


class Workers:
    """Threads that wait for answers. One that never gets one is left behind, so nobody waits for it."""

    def __init__(self, request: Callable[[list[str]], Outcome]) -> None:
        self._request = request
        self._jobs: queue.SimpleQueue[tuple[int, list[str]] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[int, Outcome | BaseException]] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    def submit(self, ticket: int, texts: list[str]) -> None:
        self._busy += 1
        if self._busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name=f"embedding-{self._threads}", daemon=True).start()
        self._jobs.put((ticket, texts))

    def next(self, timeout: float) -> tuple[int, Outcome | BaseException] | None:
        """The next answer; None when there is none within `timeout` seconds."""
        try:
            answer = self._answers.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        self._busy -= 1
        return answer

    def close(self) -> None:
        """Let the threads end as soon as they have their answer."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            ticket, texts = job
            try:
                self._answers.put((ticket, self._request(texts)))
            except BaseException as error:  # noqa: BLE001  raised again in the thread of the caller
                self._answers.put((ticket, error))


class EmbeddingStream:
    """The state of one call of `embed`.

    `request`: asks for the vectors of some texts. `is_alive`: does the server embed an ordinary text?
    """

    def __init__(
        self,
        request: Callable[[list[str]], Outcome],
        is_alive: Callable[[], bool],
        settings: StreamSettings,
        usage: Usage,
    ) -> None:
        self._workers = Workers(request)
        self._is_alive = is_alive
        self._settings = settings
        self._usage = usage
        self._backpressure = Backpressure(
            most_in_flight=settings.most_in_flight, most_texts=BATCH_TEXTS, ceiling_tokens=BATCH_TOKENS
        )
        self._ready: deque[_Batch] = deque()
        self._in_flight: dict[int, _Sent] = {}
        self._tickets = 0
        self._fatal: BaseException | None = None  # raised once the answers to what is in flight are there
        self._last_moment = math.inf  # or at this time

    def run(self, texts: Iterable[tuple[bytes, str]]) -> Iterator[Result]:
        """Yield one result for each (key, text)."""
        source = windows(texts)
        window: list[tuple[bytes, str]] | None = []
        try:
            while True:
                while self._fatal is None and window is not None and len(self._ready) < self._backpressure.limit:
                    window = next(source, None)
                    yield from self._admit(window or ())
                if self._fatal is not None:
                    self._ready.clear()
                self._send_ready()
                over = not self._in_flight and not self._ready
                if self._fatal is not None and (over or time.monotonic() >= self._last_moment):
                    raise self._fatal
                if over:
                    return
                answer = self._workers.next(self._seconds_to_wait())
                yield from self._expire()
                if answer is not None:
                    yield from self._receive(*answer)
        finally:
            self._workers.close()

    # --- sending

    def _admit(self, window: Iterable[tuple[bytes, str]]) -> Iterator[RejectedText]:
        """Queue the texts of a window as batches; yield those that no server would take."""
        good: list[tuple[bytes, str]] = []
        for key, text in window:
            if not text or text.isspace():
                yield self._reject(key, "The text is blank.")
            elif not _is_unicode(text):
                yield self._reject(key, "The text holds half of a character (a lone surrogate).")
            else:
                good.append((key, text))
        self._ready.extend(self._batches(good))

    def _batches(self, texts: Sequence[tuple[bytes, str]], whole: Whole | None = None) -> Iterator[_Batch]:
        counts = self._settings.count_tokens([text for _, text in texts])
        waiting = [PendingText(key, text, tokens, whole) for (key, text), tokens in zip(texts, counts, strict=True)]
        return map(_Batch, pack(waiting, self._settings.context_length))

    def _send_ready(self) -> None:
        now = time.monotonic()
        while (
            self._ready and len(self._in_flight) < self._backpressure.limit and now >= self._backpressure.paused_until
        ):
            batch = self._ready.popleft()
            count = that_fit(batch.texts, self._backpressure.most_texts, self._backpressure.most_tokens)
            if count < len(batch.texts):
                self._ready.appendleft(_Batch(batch.texts[count:], batch.broken))
                batch = _Batch(batch.texts[:count], batch.broken)
            self._tickets += 1
            self._in_flight[self._tickets] = _Sent(batch, now)
            self._usage.requests += 1
            self._workers.submit(self._tickets, [text.text for text in batch.texts])

    def _seconds_to_wait(self) -> float:
        """Until the next thing that happens without an answer: a deadline, or the end of a pause."""
        moments = [sent.at + self._settings.deadline for sent in self._in_flight.values()]
        moments.append(self._last_moment)
        if self._ready and len(self._in_flight) < self._backpressure.limit:
            moments.append(self._backpressure.paused_until)
        return min(moments) - time.monotonic()

    # --- receiving

    def _expire(self) -> Iterator[Result]:
        """Give up requests that trickle on beyond their deadline; their late answers are ignored."""
        now = time.monotonic()
        late = [ticket for ticket, sent in self._in_flight.items() if now - sent.at > self._settings.deadline]
        for ticket in late:
            yield from self._receive(ticket, Overloaded("no answer in time", too_large=True))

    def _receive(self, ticket: int, outcome: Outcome | BaseException) -> Iterator[Result]:
        sent = self._in_flight.pop(ticket, None)
        if sent is None:
            return
        match outcome:
            case Vectors():
                yield from self._accept(sent, outcome)
            case Refused():
                self._backpressure.answered()
                yield from self._take_apart(sent.batch, outcome)
            case Overloaded():
                self._try_again(sent, outcome)
            case Broken():
                yield from self._doubt(sent, outcome.reason)
            case _:
                self._fatal = self._fatal or outcome
                self._last_moment = min(self._last_moment, time.monotonic() + LAST_ANSWERS)

    def _accept(self, sent: _Sent, vectors: Vectors) -> Iterator[Result]:
        texts = sent.batch.texts
        if not vectors.usable.any():
            yield from self._doubt(sent, "unusable vectors")
            return
        seconds = time.monotonic() - sent.at
        self._backpressure.succeeded(texts=len(texts), tokens=padded_tokens(texts), seconds=seconds)
        self._usage.tokens += vectors.tokens
        self._usage.counted += sum(text.tokens for text in texts)
        self._usage.padded += len(texts) * max(text.tokens for text in texts)
        for text, row, usable in zip(texts, vectors.rows, vectors.usable.tolist(), strict=True):
            if not usable:
                self._ready.append(_Batch([text]))
            elif text.whole is None:
                self._usage.texts += 1
                yield EmbeddedText(text.key, row)
            else:
                yield from self._add_part(text, text.whole, row)

    def _take_apart(self, batch: _Batch, refused: Refused) -> Iterator[Result]:
        """Halve a refused batch; a lone text is rejected, or embedded in parts when it is only too long."""
        if len(batch.texts) > 1:
            self._halve(batch)
            return
        text = batch.texts[0]
        if self._settings.average_long_texts and refused.tokens and refused.limit and len(text.text) > 1:
            parts = split_text(text.text, math.ceil(refused.tokens / (refused.limit * PART_SHARE)))
            whole = text.whole or Whole(missing=1)
            whole.missing += len(parts) - 1
            self._ready.extendleft(self._batches([(text.key, part) for part in parts], whole))
            return
        yield from self._reject_once(text, refusal_reason(refused))

    def _try_again(self, sent: _Sent, overloaded: Overloaded) -> None:
        self._note_failure(sent, overloaded.reason, overloaded)
        self._ready.appendleft(sent.batch)

    def _doubt(self, sent: _Sent, reason: str) -> Iterator[Result]:
        """A broken answer may be the server's fault or that of one text; an ordinary text tells which."""
        batch = sent.batch
        batch.broken += 1
        self._note_failure(sent, reason)
        if batch.broken < BROKEN_ATTEMPTS:
            self._ready.append(batch)
        elif not self._is_alive():
            batch.broken = BROKEN_ATTEMPTS - 1
            self._ready.append(batch)
        elif len(batch.texts) > 1:
            self._backpressure.answered()
            self._halve(batch, broken=BROKEN_ATTEMPTS - 1)
        else:
            self._backpressure.answered()
            yield from self._reject_once(
                batch.texts[0], f"The embedding server fails on this text ({reason}) but not on others."
            )

    def _halve(self, batch: _Batch, *, broken: int = 0) -> None:
        """Queue both halves; `broken` attempts count against them, but a lone text has all its attempts again."""
        middle = len(batch.texts) // 2
        for half in (batch.texts[middle:], batch.texts[:middle]):
            self._ready.appendleft(_Batch(half, broken if len(half) > 1 else 0))

    def _note_failure(self, sent: _Sent, reason: str, overloaded: Overloaded | None = None) -> None:
        """Slow down; raise EmbeddingServerUnavailable when nothing has worked for too long."""
        now = time.monotonic()
        self._usage.retries += 1
        self._backpressure.failed(
            sent_at=sent.at,
            now=now,
            jitter=random.random(),  # noqa: S311  not a secret
            retry_after=overloaded.retry_after if overloaded else None,
            too_large=len(sent.batch.texts) if overloaded and overloaded.too_large else None,
        )
        if self._backpressure.lost_patience(now, self._settings.patience):
            raise unavailable(self._settings.url, reason)
        _log.info(
            "Embedding request of %d texts failed (%s); at most %d in flight",
            len(sent.batch.texts),
            reason,
            self._backpressure.limit,
        )

    # --- results

    def _add_part(self, text: PendingText, whole: Whole, row: NDArray[np.float32]) -> Iterator[EmbeddedText]:
        weighted = row * len(text.text)
        whole.total = weighted if whole.total is None else whole.total + weighted
        whole.missing -= 1
        if whole.missing == 0 and not whole.rejected:
            self._usage.texts += 1
            self._usage.averaged += 1
            yield EmbeddedText(text.key, normalized(whole.total[None, :])[0])

    def _reject_once(self, text: PendingText, reason: str) -> Iterator[RejectedText]:
        if text.whole is not None:
            if text.whole.rejected:
                return
            text.whole.rejected = True
        yield self._reject(text.key, reason)

    def _reject(self, key: bytes, reason: str) -> RejectedText:
        self._usage.rejected += 1
        return RejectedText(key, reason)


def refusal_reason(refused: Refused) -> str:
    if refused.tokens is not None:
        return f"The text has {refused.tokens} tokens and the model takes {refused.limit}; make it shorter."
    return f"The embedding server refused the text (status {refused.status})."


def unavailable(url: str, reason: str) -> EmbeddingServerUnavailable:
    return EmbeddingServerUnavailable(
        f"The embedding server at {url} does not answer ({reason}); start it or correct KB_EMBEDDING_URL, "
        "then run again: what was embedded is kept."
    )


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
