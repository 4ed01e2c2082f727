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
import queue
import random
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import openai

from kb_pipeline.embedding.backpressure import Backpressure
from kb_pipeline.embedding.lora import QueryAdapter, ask_adapted
from kb_pipeline.embedding.models import ExpectedModel, ModelProfile, model_fingerprint, profile_for, same_model
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
    unavailable,
)
from kb_pipeline.embedding.tokenizer import TokenCounter, token_counter
from kb_pipeline.embedding.wire import Outcome, Overloaded, Refused, Vectors, public_url, request_embeddings
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from openai.types import Model

__all__ = ["EmbeddedText", "EmbeddingClient", "ModelIdentity", "RejectedText", "Result", "Usage"]

REQUEST_TIMEOUT = 120.0  # seconds for one batch
CONNECT_TIMEOUT = 5.0  # seconds
PATIENCE = 120.0  # seconds without any answer before the server is given up
SHORT_PATIENCE = 10.0  # seconds, where a person waits
MOST_IN_FLIGHT = 32  # requests
PROBE_TEXT = "A probe of 2 languages: 检验分词器。"  # tells one tokenizer from another, too
DOCUMENT_PRIORITY, QUERY_PRIORITY = 0, 1
PRIORITISING_OWNERS = ("sglang", "kb_pipeline")  # `owned_by` of the servers that know priorities
UNKNOWN_REVISION = "default"  # what SGLang reports when it was told none
UNKNOWN_MODEL = "unknown"  # what sglang-router calls a model whose server does not tell it the name


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The model behind a server. `context_length` in tokens; None when neither server nor profile says.

    `revision`: of the weights, when the server reports one. `tokenizer`: the folder or hub name that the server took
    it from, when it says. `probe_tokens`: how many it counted in PROBE_TEXT.
    """

    name: str
    native_dimension: int
    context_length: int | None
    profile: ModelProfile
    fingerprint: str
    revision: str | None = None
    tokenizer: str | None = None
    probe_tokens: int = 0


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
            identity = _identify_all(members, expected_model, min(patience, SHORT_PATIENCE))
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
        key = (query, adapter.name) if adapter else (query,)
        remembered = self._queries.get(key)
        if remembered is not None:
            return remembered
        patience = min(self._patience, SHORT_PATIENCE)
        outcome = _ask_patiently(
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
                identity = _identify(replica, self._expected, SHORT_PATIENCE)
            except EmbeddingServerUnavailable:
                return Overloaded("connection failed", unreachable=True)
            _check_same(identity, self.identity, replica.url, self._url)
        client = replica.client if timeout is None else _impatient(replica.client, timeout)
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
        outcome = _in_time(lambda: self.request([PROBE_TEXT], timeout=SHORT_PATIENCE), SHORT_PATIENCE)
        return isinstance(outcome, Vectors) and bool(outcome.usable[0])


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


def _replica(base_url: str, api_key: str | None, timeout: float) -> Replica:
    return Replica(public_url(base_url), _openai_client(base_url, api_key, timeout))


def _identify_all(members: list[Replica], expected: ExpectedModel | None, patience: float) -> ModelIdentity:
    """Who the servers say they are; those that are down stay unidentified as long as one is not."""
    if not members:
        raise SettingsError("KB_EMBEDDING_URL names no server; write it like http://127.0.0.1:30000/v1.")
    identities: list[tuple[ModelIdentity, str]] = []
    failures: list[EmbeddingServerUnavailable] = []
    for replica in members:
        try:
            identities.append((_identify(replica, expected, patience), replica.url))
        except EmbeddingServerUnavailable as error:
            failures.append(error)
    if not identities:
        raise failures[0]
    first, first_url = identities[0]
    for identity, url in identities[1:]:
        _check_same(identity, first, url, first_url)
    return first


def _check_same(identity: ModelIdentity, other: ModelIdentity, url: str, other_url: str) -> None:
    if identity.fingerprint != other.fingerprint:
        names = [f"{one.name} ({one.revision})" if one.revision else one.name for one in (identity, other)]
        raise SettingsError(
            f"The embedding server at {url} serves {names[0]} and that at {other_url} serves {names[1]}; "
            "name only servers of one model in KB_EMBEDDING_URL."
        )


def _identify(replica: Replica, expected: ExpectedModel | None, patience: float) -> ModelIdentity:
    """Who the server says it is; the replica learns the names to ask for and to look for in answers."""
    client, url = replica.client, replica.url
    info = _model_info(client, url)
    card = _served_model(client, url, expected, info)
    asked_as = card.id
    name = _real_name(card, info)
    revision = _revision(info, url, expected)
    probe = _ask_patiently(
        lambda: request_embeddings(_impatient(client, patience), asked_as, [PROBE_TEXT], None), url, patience
    )
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
    replica.model, replica.answers_as = asked_as, probe.model
    replica.prioritises = card.owned_by in PRIORITISING_OWNERS
    length = (card.model_extra or {}).get("max_model_len")
    return ModelIdentity(
        name=name,
        native_dimension=dimension,
        context_length=length if isinstance(length, int) and length > 0 else profile.context_length,
        profile=profile,
        fingerprint=model_fingerprint(name, dimension, revision),
        revision=revision,
        tokenizer=_name(info.get("tokenizer_path")) or _name(info.get("model_path")),
        probe_tokens=probe.tokens,
    )


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _revision(info: Mapping[str, Any], url: str, expected: ExpectedModel | None) -> str | None:
    """The revision of the weights, where the server reports one (SGLang: --weight-version)."""
    if info.get("is_generation"):
        raise SettingsError(f"The server at {url} generates text; start it as an embedding server (--is-embedding).")
    version = info.get("weight_version")
    revision = version if isinstance(version, str) and version != UNKNOWN_REVISION else None
    if expected is None or expected.revision is None:
        return revision
    if revision is None and expected.path is not None and info.get("model_path") == expected.path:
        return expected.revision
    if revision not in (None, expected.revision):
        raise SettingsError(
            f"The embedding server at {url} serves revision {revision} of {expected.name} instead of "
            f"{expected.revision}; {expected.remedy}."
        )
    return revision


def _model_info(client: openai.OpenAI, url: str) -> dict[str, Any]:
    """What SGLang tells about its model; empty for other servers. Its older releases know only the second path."""
    if not str(client.base_url).rstrip("/").endswith("/v1"):
        return {}
    root = client.with_options(base_url=str(client.base_url).rstrip("/").removesuffix("/v1"), timeout=SHORT_PATIENCE)
    for path in ("/model_info", "/get_model_info"):
        try:
            info = root.get(path, cast_to=httpx.Response).json()
        except (openai.APIStatusError, ValueError):
            continue
        except openai.APIConnectionError as error:
            raise unavailable(url, "connection failed") from error
        if isinstance(info, dict):
            return info
    return {}


def _real_name(card: Model, info: Mapping[str, Any]) -> str:
    """The model's name, which a router may not know although it passes on what the server tells about its model."""
    if card.id != UNKNOWN_MODEL:
        return card.id
    return _name(info.get("served_model_name")) or _name(info.get("model_path")) or UNKNOWN_MODEL


def _served_model(client: openai.OpenAI, url: str, expected: ExpectedModel | None, info: Mapping[str, Any]) -> Model:
    """What the server tells about the model to use; with one served model it need not be named."""
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
    names = [_real_name(model, info) for model in models]
    matching = [
        model for model, name in zip(models, names, strict=True) if expected is None or same_model(name, expected.name)
    ]
    if not names:
        raise SettingsError(f"The embedding server at {url} serves no model; start it with one.")
    if UNKNOWN_MODEL in names:
        raise SettingsError(
            f"The server at {url} does not know the name of its model, on which the query instruction depends; "
            "start the servers behind it with --served-model-name, or name them in KB_EMBEDDING_URL instead."
        )
    if expected is not None and not matching:
        raise SettingsError(
            f"The embedding server at {url} serves {', '.join(names)} instead of {expected.name}; {expected.remedy}."
        )
    if len(matching) > 1:
        raise SettingsError(f"The embedding server at {url} serves {', '.join(names)}; choose with KB_EMBEDDING_MODEL.")
    return matching[0]


def _impatient(client: openai.OpenAI, seconds: float) -> openai.OpenAI:
    return client.with_options(timeout=openai.Timeout(seconds, connect=CONNECT_TIMEOUT))


def _ask_patiently(ask: Callable[[], Outcome], url: str, patience: float) -> Vectors | Refused:
    """Ask for one text until there is an answer. Raises EmbeddingServerUnavailable after `patience` seconds, and at
    once where nothing can be connected to."""
    backpressure = Backpressure(most_in_flight=1, most_texts=1)
    while True:
        sent_at = time.monotonic()
        outcome = _in_time(ask, patience)
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


def _in_time(ask: Callable[[], Outcome], seconds: float) -> Outcome:
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
