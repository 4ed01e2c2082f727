"""The embedding client: texts in, checked vectors out, as fast as the server takes them.

    client = EmbeddingClient.connect("http://127.0.0.1:30000/v1")
    for result in client.embed((key, text) for …):   # an EmbeddedText or a RejectedText each, in any order
        …
    vector = client.embed_query("…", instruction)

It speaks the OpenAI protocol through the `openai` package, whose own retries are off: what to do after
a failure depends on the batch, see `stream`.
"""

from __future__ import annotations

import ipaddress
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import openai

from kb_pipeline.embedding.backpressure import Backpressure
from kb_pipeline.embedding.models import ModelProfile, model_fingerprint, profile_for, same_model
from kb_pipeline.embedding.stream import (
    EmbeddedText,
    EmbeddingStream,
    RejectedText,
    Result,
    StreamSettings,
    Usage,
    refusal_reason,
    unavailable,
)
from kb_pipeline.embedding.wire import Outcome, Overloaded, Refused, Vectors, public_url, request_embeddings
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EmbeddedText", "EmbeddingClient", "ModelIdentity", "RejectedText", "Result", "Usage"]

REQUEST_TIMEOUT = 120.0  # seconds for one batch
CONNECT_TIMEOUT = 5.0  # seconds
PATIENCE = 120.0  # seconds without any answer before the server is given up
SHORT_PATIENCE = 10.0  # seconds, where a person waits
MOST_IN_FLIGHT = 32  # requests
PROBE_TEXT = "probe"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The model behind a server. `context_length` in tokens; None when neither server nor profile says."""

    name: str
    native_dimension: int
    context_length: int | None
    profile: ModelProfile
    fingerprint: str


class EmbeddingClient:
    """A connection to one embedding server; safe to use from several threads. Made by `connect`."""

    def __init__(
        self,
        client: openai.OpenAI,
        identity: ModelIdentity,
        *,
        answers_as: str,
        timeout: float,
        patience: float,
        most_in_flight: int,
    ) -> None:
        self.identity = identity
        self.usage = Usage()
        self._client = client
        self._url = public_url(str(client.base_url))
        self._answers_as = answers_as
        self._timeout = timeout
        self._patience = patience
        self._most_in_flight = most_in_flight

    @classmethod
    def connect(
        cls,
        base_url: str,
        api_key: str | None = None,
        expected_model: str | None = None,
        *,
        timeout: float = REQUEST_TIMEOUT,
        patience: float = PATIENCE,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> EmbeddingClient:
        """Ask the server which model it serves, and embed a probe to learn its native dimension.

        `timeout`: seconds for one request. `patience`: seconds without any answer until the server is given up.
        Raises EmbeddingServerUnavailable when it cannot be reached or does not answer, SettingsError when
        the URL or key is wrong or it serves another model than `expected_model`.
        """
        client = _openai_client(base_url, api_key, timeout)
        try:
            identity, answers_as = _identify(
                client, public_url(base_url), expected_model, min(patience, SHORT_PATIENCE)
            )
        except BaseException:
            client.close()
            raise
        return cls(
            client,
            identity,
            answers_as=answers_as,
            timeout=timeout,
            patience=patience,
            most_in_flight=most_in_flight,
        )

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> EmbeddingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed_query(self, text: str, instruction: str) -> NDArray[np.float32]:
        """The vector of a search query, (native dimension,), wrapped as the model's profile says.

        Raises SettingsError when the query is blank or too long, EmbeddingServerUnavailable.
        """
        if not text.strip():
            raise SettingsError("The query is empty; give some words to search for.")
        query = self.identity.profile.query_text(text, instruction)
        patience = min(self._patience, SHORT_PATIENCE)
        outcome = _ask_patiently(
            self._client, self.identity.name, query, self.identity.native_dimension, self._url, patience
        )
        if isinstance(outcome, Refused):
            raise SettingsError(f"The query cannot be embedded. {refusal_reason(outcome)}")
        self._check_model(outcome)
        vector: NDArray[np.float32] = outcome.rows[0]
        return vector

    def embed(self, texts: Iterable[tuple[bytes, str]], *, average_long_texts: bool = True) -> Iterator[Result]:
        """Embed a stream of (key, text), yielding one result for each, in any order, as answers come.

        Holds a few thousand texts at a time. A text that exceeds the model's context is embedded in parts
        whose mean, weighted by length, is its vector; without `average_long_texts` it is rejected. Closing
        the generator abandons what is in flight. Raises EmbeddingServerUnavailable when the server has not
        answered for `patience` seconds, SettingsError when its key or model changed meanwhile.
        """
        settings = StreamSettings(
            url=self._url,
            context_length=self.identity.context_length,
            deadline=self._timeout + CONNECT_TIMEOUT,
            patience=self._patience,
            most_in_flight=self._most_in_flight,
            average_long_texts=average_long_texts,
        )
        return EmbeddingStream(self._request, self._is_alive, settings, self.usage).run(texts)

    def _request(self, texts: list[str]) -> Outcome:
        outcome = request_embeddings(self._client, self.identity.name, texts, self.identity.native_dimension)
        if isinstance(outcome, Vectors):
            self._check_model(outcome)
        return outcome

    def _is_alive(self) -> bool:
        """Does the server embed an ordinary text?"""
        client = self._client.with_options(timeout=SHORT_PATIENCE)
        outcome = request_embeddings(client, self.identity.name, [PROBE_TEXT], self.identity.native_dimension)
        return isinstance(outcome, Vectors) and bool(outcome.usable[0])

    def _check_model(self, answer: Vectors) -> None:
        if answer.model != self._answers_as:
            raise SettingsError(
                f"The embedding server at {self._url} now serves {answer.model} instead of {self._answers_as}; "
                "run again to work with the model that it serves."
            )


def _openai_client(base_url: str, api_key: str | None, timeout: float) -> openai.OpenAI:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("KB_EMBEDDING_URL is not a URL; write it like http://127.0.0.1:30000/v1.")
    # A proxy from the environment cannot reach this machine's own address.
    http_client = openai.DefaultHttpxClient(trust_env=False) if _is_loopback(parts.hostname) else None
    return openai.OpenAI(
        base_url=base_url,
        api_key=api_key or "none",
        timeout=openai.Timeout(timeout, connect=CONNECT_TIMEOUT),
        max_retries=0,
        http_client=http_client,
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _identify(client: openai.OpenAI, url: str, expected: str | None, patience: float) -> tuple[ModelIdentity, str]:
    """Who the server says it is, and the name that its answers carry."""
    name, context_length = _served_model(client, url, expected)
    probe = _ask_patiently(client, name, PROBE_TEXT, None, url, patience)
    if isinstance(probe, Refused):
        raise SettingsError(
            f"{name} at {url} does not embed texts (status {probe.status}); start it as an embedding server."
        )
    dimension = probe.rows.shape[1]
    profile = profile_for(name)
    if profile.native_dimension not in (None, dimension):
        raise SettingsError(
            f"{name} at {url} answers with {dimension} dimensions instead of {profile.native_dimension}; "
            "serve the model that its name says."
        )
    identity = ModelIdentity(
        name=name,
        native_dimension=dimension,
        context_length=context_length or profile.context_length,
        profile=profile,
        fingerprint=model_fingerprint(name, dimension),
    )
    return identity, probe.model


def _served_model(client: openai.OpenAI, url: str, expected: str | None) -> tuple[str, int | None]:
    """Name and context length of the model to use; with one served model it need not be named."""
    try:
        models = client.with_options(timeout=SHORT_PATIENCE).models.list().data
    except openai.AuthenticationError:
        raise SettingsError(f"The embedding server at {url} refused the key; correct KB_EMBEDDING_API_KEY.") from None
    except openai.NotFoundError:
        raise SettingsError(f"There is no /models at {url}; KB_EMBEDDING_URL usually ends in /v1.") from None
    except openai.APIStatusError as error:
        raise unavailable(url, f"status {error.status_code}") from error
    except openai.APIConnectionError as error:
        raise unavailable(url, "connection failed") from error
    names = [model.id for model in models]
    matching = [model for model in models if expected is None or same_model(model.id, expected)]
    if not matching:
        raise SettingsError(
            f"The embedding server at {url} serves {', '.join(names) or 'no model'} instead of {expected}; "
            "correct KB_EMBEDDING_MODEL or KB_EMBEDDING_URL."
        )
    if len(matching) > 1:
        raise SettingsError(f"The embedding server at {url} serves {', '.join(names)}; choose with KB_EMBEDDING_MODEL.")
    context_length = (matching[0].model_extra or {}).get("max_model_len")
    return matching[0].id, context_length if isinstance(context_length, int) else None


def _ask_patiently(
    client: openai.OpenAI, model: str, text: str, dimension: int | None, url: str, patience: float
) -> Vectors | Refused:
    """Ask for one text until there is an answer; EmbeddingServerUnavailable after `patience` seconds."""
    impatient = client.with_options(timeout=openai.Timeout(patience, connect=CONNECT_TIMEOUT))
    backpressure = Backpressure(most_in_flight=1, most_texts=1)
    while True:
        sent_at = time.monotonic()
        outcome = request_embeddings(impatient, model, [text], dimension)
        if isinstance(outcome, Refused) or (isinstance(outcome, Vectors) and outcome.usable[0]):
            return outcome
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
