"""Queries through an adapter (LoRA) that the embedding server holds beside its model.

The protocol is SGLang's: `model:adapter` asks for it, `POST /load_lora_adapter` loads it from a folder on the server's
machine. A server that was started again has forgotten it, so it is loaded whenever it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import openai

from kb_pipeline.embedding.wire import Outcome, Refused
from kb_pipeline.errors import EmbeddingServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kb_pipeline.embedding.models import QueryAdapter


def ask_adapted(
    ask: Callable[[str], Outcome], model: str, adapter: QueryAdapter, client: openai.OpenAI, url: str
) -> Outcome:
    """What `ask` returns for `model` with the adapter, which is loaded when the server does not know it.

    Raises EmbeddingServerUnavailable when it cannot be loaded.
    """
    name = f"{model}:{adapter.name}"
    outcome = ask(name)
    if not isinstance(outcome, Refused) or outcome.tokens is not None:
        return outcome
    why = _load(client, adapter)
    outcome = ask(name)
    if isinstance(outcome, Refused) and outcome.tokens is None:
        raise EmbeddingServerUnavailable(
            f"The embedding server at {url} cannot use the adapter {adapter.name} of this generation ({why}); put its "
            f"folder at {adapter.folder} there, start SGLang with --enable-lora, or run `kb generations rollback`."
        )
    return outcome


def _load(client: openai.OpenAI, adapter: QueryAdapter) -> str:
    """What the server says to loading it."""
    root = client.with_options(base_url=str(client.base_url).rstrip("/").removesuffix("/v1"))
    body = {"lora_name": adapter.name, "lora_path": adapter.folder}
    try:
        answer = root.post("/load_lora_adapter", body=body, cast_to=httpx.Response).json()
    except openai.APIStatusError as error:
        message = error.body.get("error_message") if isinstance(error.body, dict) else None
        return str(message or f"status {error.status_code}").rstrip(".")
    except (openai.APIConnectionError, ValueError) as error:
        return type(error).__name__
    return str(answer.get("error_message") or "loaded") if isinstance(answer, dict) else "an answer of another form"
