"""Several servers of one model behind one client: which of them gets the next request.

A *replica* is one server. It *rests* after it did not answer, twice as long each time, so that a dead one
costs a refused connection now and then and no more; after a 503 it only rests as long as it asks for. A
request goes to the replica with the fewest requests in flight among those awake; what fails at once is tried
with the next one, and only when all have failed is it the caller's to wait.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.embedding.wire import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import openai

    from kb_pipeline.embedding.wire import Outcome

FIRST_REST = 0.5  # seconds
LONGEST_REST = 30.0  # seconds
AT_ONCE = 1.0  # seconds; a failure that took longer is not repeated elsewhere before its caller knows


@dataclass(eq=False, slots=True)
class Replica:
    """`model` and `answers_as` are None until the server has been asked who it is.

    `prioritises`: it knows SGLang's field `priority`; other servers refuse a request for it.
    """

    url: str
    client: openai.OpenAI
    model: str | None = None
    answers_as: str | None = None
    prioritises: bool = False
    in_flight: int = 0
    failures: int = 0
    awake_at: float = 0.0


class Replicas:
    """The servers of one client; safe to use from several threads."""

    def __init__(self, members: Sequence[Replica]) -> None:
        self.members = tuple(members)
        self._lock = threading.Lock()

    def request(self, ask: Callable[[Replica], Outcome], *, resting: bool = False) -> Outcome:
        """What the first replica answers that does not fail at once. `resting`: those that rest are tried, too."""
        tried: list[Replica] = []
        while True:
            replica = self._take(tried)
            sent_at = time.monotonic()
            outcome: Outcome | None = None
            try:
                outcome = ask(replica)
            finally:
                self._give_back(replica, outcome)
            tried.append(replica)
            slow = time.monotonic() - sent_at > AT_ONCE
            others = len(tried) < len(self.members) if resting else self._others_awake(tried)
            if not isinstance(outcome, Overloaded) or slow or not others:
                return outcome

    def _take(self, tried: Iterable[Replica]) -> Replica:
        """The idlest replica that is awake; the one that wakes first when none is."""
        with self._lock:
            now = time.monotonic()
            choices = [replica for replica in self.members if replica not in tried]
            chosen = min(choices, key=lambda replica: (max(replica.awake_at, now), replica.in_flight))
            chosen.in_flight += 1
            return chosen

    def _give_back(self, replica: Replica, outcome: Outcome | None) -> None:
        with self._lock:
            replica.in_flight -= 1
            if not isinstance(outcome, Overloaded):
                replica.failures = 0
                return
            rest = outcome.retry_after or 0.0
            if not outcome.answered:
                rest = min(LONGEST_REST, FIRST_REST * 2**replica.failures)
                replica.failures = min(replica.failures + 1, 10)
            replica.awake_at = time.monotonic() + rest

    def _others_awake(self, tried: Iterable[Replica]) -> bool:
        with self._lock:
            now = time.monotonic()
            return any(replica not in tried and replica.awake_at <= now for replica in self.members)
