"""The embedding client: texts in, checked vectors out, as fast as the server takes them.

    client = EmbeddingClient.connect("http://127.0.0.1:30000/v1")
    for result in client.embed((key, text) for …):   # an EmbeddedText or a RejectedText each, in any order
        …
    vector = client.embed_query("…", instruction)

It speaks the OpenAI protocol through the `openai` package, whose own retries are off: what to do after
a failure depends on the batch, see `stream`.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import openai

from kb_pipeline.embedding.identity import PROBE_TEXT, ModelIdentity, check_same, identify, identify_all
from kb_pipeline.embedding.lora import ask_adapted
from kb_pipeline.embedding.models import ExpectedModel, QueryAdapter
from kb_pipeline.embedding.patience import CONNECT_TIMEOUT, SHORT_PATIENCE, ask_patiently, impatient, in_time
from kb_pipeline.embedding.query_cache import QueryCache
from kb_pipeline.embedding.replicas import Replica, Replicas
from kb_pipeline.embedding.stream import (
    EmbeddedText,
    EmbeddingStream,
    RejectedText,
    Result,
    StreamSettings,
    Usage,
    refusal_reason,
)
from kb_pipeline.embedding.tokenizer import TokenCounter, token_counter
from kb_pipeline.embedding.wire import Outcome, Overloaded, Refused, Vectors, public_url, request_embeddings
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.system.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EmbeddedText", "EmbeddingClient", "ModelIdentity", "RejectedText", "Result", "Usage"]

REQUEST_TIMEOUT = 120.0  # seconds for one batch
PATIENCE = 120.0  # seconds without any answer before the server is given up
MOST_IN_FLIGHT = 32  # requests
DOCUMENT_PRIORITY, QUERY_PRIORITY = 0, 1


class EmbeddingClient:
    """A connection to the servers of one model; safe to use from several threads. Made by `connect`."""

    def __init__(
        self,
        replicas: Replicas,
        identity: ModelIdentity,
        expected: ExpectedModel | None,
        *,
        timeout: float,
        patience: float,
        most_in_flight: int,
    ) -> None:
        self.identity = identity
        self.usage = Usage()
        self._replicas = replicas
        self._queries = QueryCache()
        self._adapter: QueryAdapter | None = None
        self._expected = expected
        self._url = ", ".join(replica.url for replica in replicas.members)
        self._timeout = timeout
        self._patience = patience
        self._most_in_flight = most_in_flight

    @classmethod
    def connect(
        cls,
        base_url: str,
        api_key: str | None = None,
        expected_model: ExpectedModel | None = None,
        *,
        timeout: float = REQUEST_TIMEOUT,
        patience: float = PATIENCE,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> EmbeddingClient:
        """Ask the servers which model they serve, and embed a probe to learn its native dimension.

        `base_url`: of one server, or of several with commas between; one that is down now is used once it is up.
        `timeout`: seconds for one request. `patience`: seconds without any answer until the server is given up.
        Raises EmbeddingServerUnavailable when none can be reached or answers, SettingsError when
        a URL or the key is wrong, or one serves another model than `expected_model` or than the others.
        """
        members = [_replica(url.strip(), api_key, timeout) for url in base_url.split(",") if url.strip()]
        try:
            identity = identify_all(members, expected_model, min(patience, SHORT_PATIENCE))
        except BaseException:
            for replica in members:
                replica.client.close()
            raise
        return cls(
            Replicas(members),
            identity,
            expected_model,
            timeout=timeout,
            patience=patience,
            most_in_flight=most_in_flight * len(members),
        )

    def adapted(self, adapter: QueryAdapter) -> EmbeddingClient:
        """The same connections, for trying an adapter: every query goes through it, whatever its generation says."""
        client = copy(self)
        client._adapter = adapter  # noqa: SLF001 - of the same class
        return client

    def close(self) -> None:
        for replica in self._replicas.members:
            replica.client.close()

    def __enter__(self) -> EmbeddingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed_query(self, text: str, instruction: str, adapter: QueryAdapter | None = None) -> NDArray[np.float32]:
        """The vector of a search query, (native dimension,), wrapped as the model's profile says, by the model with
        `adapter` where there is one; read-only.

        It does not wait for texts that `embed` has in flight, where the server knows priorities, nor for a server that
        is not there, and the latest queries are remembered. Raises SettingsError when the query is blank or too long,
        EmbeddingServerUnavailable.
        """
        if not text.strip():
            raise SettingsError("The query is empty; give some words to search for.")
        query = self.identity.profile.query_text(text, instruction)
        adapter = self._adapter or adapter
        key = (query, adapter.name) if adapter else (query,)
        remembered = self._queries.get(key)
        if remembered is not None:
            return remembered
        patience = min(self._patience, SHORT_PATIENCE)
        outcome = ask_patiently(
            lambda: self.request([query], timeout=patience, priority=QUERY_PRIORITY, adapter=adapter),
            self._url,
            patience,
        )
        if isinstance(outcome, Refused):
            raise SettingsError(f"The query cannot be embedded. {refusal_reason(outcome)}")
        return self._queries.put(key, outcome.rows[0])

    def embed(self, texts: Iterable[tuple[bytes, str]], *, average_long_texts: bool = True) -> Iterator[Result]:
        """Embed a stream of (key, text), yielding one result for each, in any order, as answers come.

        Each text is a document, and wrapped as the model's profile says. Holds a few thousand texts at a time.
        A text that exceeds the model's context is embedded in parts whose mean, weighted by length, is its
        vector; without `average_long_texts` it is rejected. Closing the generator abandons what is in flight.
        Raises EmbeddingServerUnavailable when the server has not answered for `patience` seconds, or when its key or
        model changed meanwhile.
        """
        settings = StreamSettings(
            url=self._url,
            context_length=self.identity.context_length,
            deadline=self._timeout + CONNECT_TIMEOUT,
            patience=self._patience,
            most_in_flight=self._most_in_flight,
            average_long_texts=average_long_texts,
            count_tokens=self.count_tokens,
        )
        stream = EmbeddingStream(self.request, self._is_alive, settings, self.usage)
        if self.identity.profile.document_template is None:
            return stream.run(texts)
        return stream.run((key, self.identity.profile.document_text(text)) for key, text in texts)

    @cached_property
    def count_tokens(self) -> TokenCounter:
        """Counts the tokens of texts: by the model's own tokenizer where it is at hand, else by an estimate.

        Made when first needed: reading a tokenizer takes longer than a search.
        """
        identity = self.identity
        return token_counter(identity.tokenizer, identity.revision, PROBE_TEXT, identity.probe_tokens)

    def request(
        self,
        texts: list[str],
        *,
        timeout: float | None = None,
        priority: int = DOCUMENT_PRIORITY,
        adapter: QueryAdapter | None = None,
    ) -> Outcome:
        """What comes of a single request for `texts`, as it is: nothing is cut, repeated or counted.

        `timeout`: seconds, if not those of the client. Raises EmbeddingServerUnavailable when key or model changed
        meanwhile.
        """
        return self._replicas.request(
            lambda replica: self._ask(replica, texts, timeout, priority, adapter), resting=priority == QUERY_PRIORITY
        )

    def _ask(
        self,
        replica: Replica,
        texts: list[str],
        timeout: float | None,
        priority: int,
        adapter: QueryAdapter | None,
    ) -> Outcome:
        if replica.model is None:
            try:
                identity = identify(replica, self._expected, SHORT_PATIENCE)
            except EmbeddingServerUnavailable:
                return Overloaded("connection failed", unreachable=True)
            check_same(identity, self.identity, replica.url, self._url)
        client = replica.client if timeout is None else impatient(replica.client, timeout)
        model = replica.model or self.identity.name

        def ask(asked_as: str) -> Outcome:
            return request_embeddings(
                client, asked_as, texts, self.identity.native_dimension, priority if replica.prioritises else None
            )

        try:
            outcome = ask(model) if adapter is None else ask_adapted(ask, model, adapter, client, replica.url)
        except SettingsError as error:  # what was right when we connected is not now: the server changed
            raise EmbeddingServerUnavailable(str(error)) from error
        if isinstance(outcome, Vectors) and outcome.model != replica.answers_as:
            raise EmbeddingServerUnavailable(
                f"The embedding server at {replica.url} now serves {outcome.model} instead of {replica.answers_as}; "
                "run again to work with the model that it serves."
            )
        return outcome

    def _is_alive(self) -> bool:
        """Does a server embed an ordinary text?"""
        outcome = in_time(lambda: self.request([PROBE_TEXT], timeout=SHORT_PATIENCE), SHORT_PATIENCE)
        return isinstance(outcome, Vectors) and bool(outcome.usable[0])


def _openai_client(base_url: str, api_key: str | None, timeout: float) -> openai.OpenAI:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("KB_EMBEDDING_URL is not a URL; write it like http://127.0.0.1:30000/v1.")
    # A proxy from the environment cannot reach this machine's own address.
    http_client = openai.DefaultHttpxClient(trust_env=False) if is_loopback(parts.hostname) else None
    return openai.OpenAI(
        base_url=base_url,
        api_key=api_key or "none",
        timeout=openai.Timeout(timeout, connect=CONNECT_TIMEOUT),
        max_retries=0,
        http_client=http_client,
    )


def _replica(base_url: str, api_key: str | None, timeout: float) -> Replica:
    return Replica(public_url(base_url), _openai_client(base_url, api_key, timeout))
