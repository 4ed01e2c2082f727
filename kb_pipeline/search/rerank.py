"""A reranker: a model that reads question and passage together, behind `/v1/rerank`.

    reranker.scores("年假有几天", ["…", "…"])   # one for each passage, in their order

It is slower than both legs and knows better, so it is only asked about the best of the fused ranking, and within a time
budget: a person waits. Whatever goes wrong is a RerankerUnavailable, upon which a search keeps the fused order.

Two shapes of answer are understood:

    SGLang          [{"index": 1, "score": 0.98}, …]
    Cohere's, vLLM  {"results": [{"index": 1, "relevance_score": 0.98}, …]}

The scale of the scores is the model's own (a probability, a logit); only their order counts.
"""

from __future__ import annotations

import json
import math
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from kb_pipeline.errors import RerankerUnavailable, SettingsError
from kb_pipeline.system.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

CHECK_SECONDS = 10.0  # for a check, which nobody waits for as for a search

# Each text answers one question, and looks like it could answer another.
CHECK_TEXTS = (
    "员工入职满一年后，每年享有十天带薪年假，须提前五个工作日申请。",
    "The warranty of the pump ends twenty-four months after delivery; wear parts are excluded.",
    "Invoices are due within thirty days; after that, interest of five per cent a year is charged.",
)
CHECK_QUESTIONS = ("每年可以休多少天假？", "How long is the pump under guarantee?", "What happens if we pay late?")


@dataclass(frozen=True, slots=True)
class Reranker:
    """`url`: usually ends in /v1. `depth`: how many passages it is asked about. `budget`: seconds. `instruction`: the
    task, for models that take one. Safe to use from several threads."""

    url: str
    model: str | None = None
    api_key: str | None = None
    depth: int = 50
    budget: float = 1.0
    instruction: str | None = None

    def scores(self, query: str, texts: Sequence[str], *, budget: float | None = None) -> list[float]:
        """How well each of `texts` answers `query`. Raises RerankerUnavailable, SettingsError for a wrong URL."""
        if not texts:
            return []
        seconds = self.budget if budget is None else budget
        return read_scores(self._in_time(query, texts, seconds), len(texts), self._shown)

    def sorts(self) -> bool:
        """Does it put the right one of three texts first for each of three questions? By chance one in 27 does."""
        ranked = (self.scores(question, CHECK_TEXTS, budget=CHECK_SECONDS) for question in CHECK_QUESTIONS)
        return all(scores.index(max(scores)) == right for right, scores in enumerate(ranked))

    def _in_time(self, query: str, texts: Sequence[str], seconds: float) -> bytes:
        """The answer. httpx limits each read but not their sum, so its thread is left behind where that is too long."""
        answers: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()
        client = self._client()

        def work() -> None:
            try:
                with client:
                    answers.put(self._ask(client, query, texts, seconds))
            except BaseException as error:  # noqa: BLE001  raised again in the thread of the caller
                answers.put(error)

        threading.Thread(target=work, name="rerank", daemon=True).start()
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            raise self._failed(f"did not answer within {seconds * 1000:.0f} ms") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ask(self, client: httpx.Client, query: str, texts: Sequence[str], seconds: float) -> bytes:
        import httpx

        body: dict[str, Any] = {"query": query, "documents": list(texts), "return_documents": False}
        if self.model is not None:
            body["model"] = self.model
        if self.instruction is not None:
            body["instruct"] = self.instruction
        try:
            answer = client.post(f"{self.url.rstrip('/')}/rerank", json=body, timeout=seconds)
        except httpx.TimeoutException:
            raise self._failed(f"did not answer within {seconds * 1000:.0f} ms") from None
        except httpx.HTTPError as error:
            raise self._failed(f"cannot be reached ({type(error).__name__})") from None
        if answer.status_code != httpx.codes.OK:
            raise self._refused(answer.status_code)
        return answer.content

    def _refused(self, status: int) -> RerankerUnavailable:
        if status in (401, 403):
            return RerankerUnavailable(
                f"The reranker at {self._shown} refused the key ({status}); correct KB_RERANKER__API_KEY."
            )
        if status in (404, 405):
            return RerankerUnavailable(
                f"There is no /rerank at {self._shown} ({status}); KB_RERANKER__URL usually ends in /v1."
            )
        if status == 400:  # also what SGLang answers for a Qwen3-Reranker whose chat template it was not given
            return RerankerUnavailable(
                f"The reranker at {self._shown} refused the request (400); start Qwen3-Reranker with its chat template "
                "and without --is-embedding."
            )
        return self._failed(f"answered with status {status}")

    def _failed(self, what: str) -> RerankerUnavailable:
        return RerankerUnavailable(f"The reranker at {self._shown} {what}; start it, or unset KB_RERANKER__URL.")

    def _client(self) -> httpx.Client:
        """Raises SettingsError."""
        import httpx

        host, scheme = urlsplit(self.url).hostname, urlsplit(self.url).scheme
        if scheme not in {"http", "https"} or not host:
            raise SettingsError("KB_RERANKER__URL is not a URL; write it like http://127.0.0.1:30001/v1.")
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        # A proxy from the environment cannot reach this machine's own address; certificates take long to read.
        return httpx.Client(headers=headers, trust_env=not is_loopback(host), verify=scheme == "https")

    @property
    def _shown(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def read_scores(content: bytes, count: int, url: str) -> list[float]:
    """The scores of an answer about `count` texts, in the order of these. Raises RerankerUnavailable for anything
    else than one finite number for each."""
    try:
        answer = json.loads(content)
        items = answer if isinstance(answer, list) else answer["results"]
        found = {int(item["index"]): float(_score(item)) for item in items}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _nonsense(url, "something that is no ranking") from None
    if len(items) != count or found.keys() != set(range(count)):
        raise _nonsense(url, f"{len(items)} scores for {count} texts, or for others")
    if not all(map(math.isfinite, found.values())):
        raise _nonsense(url, "scores that are no numbers")
    return [found[index] for index in range(count)]


def _score(item: dict[str, Any]) -> Any:
    return item["score"] if "score" in item else item["relevance_score"]


def _nonsense(url: str, what: str) -> RerankerUnavailable:
    return RerankerUnavailable(f"The reranker at {url} answered with {what}; run kb doctor.")
