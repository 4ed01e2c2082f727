"""Which model an embedding server serves: what it says of itself, and what a probe tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import openai

from kb_pipeline.embedding.models import ExpectedModel, ModelProfile, model_fingerprint, profile_for, same_model
from kb_pipeline.embedding.patience import SHORT_PATIENCE, ask_patiently, impatient
from kb_pipeline.embedding.replicas import Replica
from kb_pipeline.embedding.stream import unavailable
from kb_pipeline.embedding.wire import Refused, request_embeddings
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai.types import Model

PROBE_TEXT = "A probe of 2 languages: 检验分词器。"  # tells one tokenizer from another, too
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


def identify_all(members: list[Replica], expected: ExpectedModel | None, patience: float) -> ModelIdentity:
    """Who the servers say they are; those that are down stay unidentified as long as one is not."""
    if not members:
        raise SettingsError("KB_EMBEDDING_URL names no server; write it like http://127.0.0.1:30000/v1.")
    identities: list[tuple[ModelIdentity, str]] = []
    failures: list[EmbeddingServerUnavailable] = []
    for replica in members:
        try:
            identities.append((identify(replica, expected, patience), replica.url))
        except EmbeddingServerUnavailable as error:
            failures.append(error)
    if not identities:
        raise failures[0]
    first, first_url = identities[0]
    for identity, url in identities[1:]:
        check_same(identity, first, url, first_url)
    return first


def check_same(identity: ModelIdentity, other: ModelIdentity, url: str, other_url: str) -> None:
    if identity.fingerprint != other.fingerprint:
        names = [f"{one.name} ({one.revision})" if one.revision else one.name for one in (identity, other)]
        raise SettingsError(
            f"The embedding server at {url} serves {names[0]} and that at {other_url} serves {names[1]}; "
            "name only servers of one model in KB_EMBEDDING_URL."
        )


def identify(replica: Replica, expected: ExpectedModel | None, patience: float) -> ModelIdentity:
    """Who the server says it is; the replica learns the names to ask for and to look for in answers."""
    client, url = replica.client, replica.url
    info = _model_info(client, url)
    card = _served_model(client, url, expected, info)
    asked_as = card.id
    name = _real_name(card, info)
    revision = _revision(info, url, expected)
    probe = ask_patiently(
        lambda: request_embeddings(impatient(client, patience), asked_as, [PROBE_TEXT], None), url, patience
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
