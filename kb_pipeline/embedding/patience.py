"""How long an answer of an embedding server is waited for where a person waits."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING

import openai

from kb_pipeline.embedding.backpressure import Backpressure
from kb_pipeline.embedding.stream import unavailable
from kb_pipeline.embedding.wire import Outcome, Overloaded, Refused, Vectors

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT = 5.0  # seconds
SHORT_PATIENCE = 10.0  # seconds, where a person waits


def impatient(client: openai.OpenAI, seconds: float) -> openai.OpenAI:
    return client.with_options(timeout=openai.Timeout(seconds, connect=CONNECT_TIMEOUT))


def ask_patiently(ask: Callable[[], Outcome], url: str, patience: float) -> Vectors | Refused:
    """Ask for one text until there is an answer. Raises EmbeddingServerUnavailable after `patience` seconds, and at
    once where nothing can be connected to."""
    backpressure = Backpressure(most_in_flight=1, most_texts=1)
    while True:
        sent_at = time.monotonic()
        outcome = in_time(ask, patience)
        if isinstance(outcome, Refused) or (isinstance(outcome, Vectors) and outcome.usable[0]):
            return outcome
        if isinstance(outcome, Overloaded) and outcome.unreachable:
            raise unavailable(url, outcome.reason)
        now = time.monotonic()
        backpressure.failed(
            sent_at=sent_at,
            now=now,
            jitter=random.random(),  # noqa: S311  not a secret
            retry_after=outcome.retry_after if isinstance(outcome, Overloaded) else None,
        )
        if backpressure.paused_until - sent_at > patience or backpressure.lost_patience(
            backpressure.paused_until, patience
        ):
            reason = "an unusable vector" if isinstance(outcome, Vectors) else outcome.reason
            raise unavailable(url, reason)
        time.sleep(backpressure.paused_until - now)


def in_time(ask: Callable[[], Outcome], seconds: float) -> Outcome:
    """What `ask` returns or raises; Overloaded after `seconds`, whatever trickles in. Its thread is left behind."""
    answers: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except BaseException as error:  # noqa: BLE001  raised again in the thread of the caller
            answers.put(error)

    threading.Thread(target=work, name="embedding-query", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        return Overloaded("no answer in time", too_large=True)
    if isinstance(answer, BaseException):
        raise answer
    return answer
