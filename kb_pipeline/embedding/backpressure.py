"""How many requests may be in flight, how large, and how long to wait after a failure: pure decisions.

Additive increase, multiplicative decrease: the limit grows by one for each round of successes, and is
halved when the server says that it is overloaded. It stops growing once answers take long, because
from there on more requests only wait in the server's queue, where a search would have to wait too.
When even one request at a time is refused, the requests themselves are made smaller.

Requests begin small and double while their answers come soon, since a GPU takes in a second what keeps a
laptop busy for minutes; where answers take too long, they are halved again, well before any times out.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_LIMIT = 4
LONG_ANSWER = 1.0  # seconds; above this the server is busy enough
TOO_LONG_ANSWER = 4.0  # seconds; above this a request holds too much
FIRST_TOKENS = 1024
LEAST_TOKENS = 256
FIRST_DELAY = 0.05  # seconds
LONGEST_DELAY = 5.0  # seconds


@dataclass(slots=True)
class Backpressure:
    """All times are of one monotonic clock, in seconds.

    `most_in_flight`: ceiling of `limit`. `most_texts`: ceiling of the texts in one request. `ceiling_tokens`:
    of `most_tokens`, which is that of the padded tokens in one request.
    `failures`: rounds of failures since the last success. `failing_since`: when the first was noticed.
    """

    most_in_flight: int
    most_texts: int
    ceiling_tokens: int = FIRST_TOKENS
    most_tokens: int = FIRST_TOKENS
    failures: int = 0
    failing_since: float | None = None
    paused_until: float = 0.0
    _limit: float = FIRST_LIMIT
    _last_failure: float = float("-inf")

    @property
    def limit(self) -> int:
        """How many requests may be in flight now; at least 1."""
        return int(min(self._limit, self.most_in_flight))

    def answered(self) -> None:
        """The server is well, whatever it said about one request."""
        self.failures = 0
        self.failing_since = None

    def succeeded(self, *, texts: int, tokens: int, seconds: float) -> None:
        """A request of `texts` with `tokens`, padding included, was answered after `seconds`."""
        self.answered()
        if texts >= self.most_texts:
            self.most_texts += 1
        if seconds < LONG_ANSWER:
            self._limit = min(self.most_in_flight, self._limit + 1 / self._limit)
            if 2 * tokens > self.most_tokens:
                self.most_tokens = min(self.ceiling_tokens, 2 * self.most_tokens)
        elif seconds > TOO_LONG_ANSWER:
            self.most_tokens = min(self.most_tokens, max(LEAST_TOKENS, tokens // 2))

    def failed(
        self,
        *,
        sent_at: float,
        now: float,
        jitter: float,
        retry_after: float | None = None,
        too_large: int | None = None,
    ) -> None:
        """A request was refused or got no answer.

        What was sent before the last failure is of the same round and does not count again. `jitter` in
        [0, 1) spreads the retries of many clients. `too_large`: the request's texts, when fewer might pass.
        """
        if sent_at >= self._last_failure:
            self._last_failure = now
            self.failing_since = now if self.failing_since is None else self.failing_since
            if too_large is not None and too_large > 1 and self.limit == 1:
                self.most_texts = max(1, too_large // 2)
            else:
                self.failures += 1
            self._limit = max(1.0, self._limit / 2)
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(max(self.failures - 1, 0), 10)) * (0.5 + 0.5 * jitter)
        self.paused_until = max(self.paused_until, now + max(delay, retry_after or 0.0))

    def lost_patience(self, now: float, patience: float) -> bool:
        """Has every request failed for longer than `patience` seconds?"""
        return self.failures > 1 and self.failing_since is not None and now - self.failing_since > patience
