"""One request to an embedding server, and what came of it.

Every answer is checked before anything uses it: count, indexes, dimension, finite, not zero. The
outcome of a request is one of

    Vectors     the answer, in the order of the texts, each vector of length 1
    Refused     the server does not take these texts (400, 413, 422); asking again changes nothing
    Overloaded  it cannot now: queue full, timeout, connection lost or refused; ask again later
    Broken      it answered, but not with what was asked for: 500, or an answer that fails the checks

A wrong key or URL raises SettingsError.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import openai
import orjson

from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CLIENT_ERRORS = (400, 413, 422)
_OVERLOADED = (408, 425, 429, 499, 502, 503, 504)
_TOO_LONG = re.compile(r"\((\d+) tokens\) is longer than .*\((\d+) tokens\)")


@dataclass(frozen=True, slots=True)
class Vectors:
    """`rows`: (n, dimension), float32, length 1. `usable`: (n,), False where the server sent NaN or zeros."""

    rows: NDArray[np.float32]
    usable: NDArray[np.bool_]
    tokens: int
    model: str


@dataclass(frozen=True, slots=True)
class Refused:
    """`tokens`, `limit`: set when a text is longer than the model takes. Never holds text of a document."""

    status: int
    tokens: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Overloaded:
    """`retry_after` in seconds. `too_large`: fewer texts in the request might pass. `answered`: it said so itself.
    `unreachable`: nothing could be connected to, so a person need not wait for it."""

    reason: str
    retry_after: float | None = None
    too_large: bool = False
    answered: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    reason: str


Outcome = Vectors | Refused | Overloaded | Broken


def request_embeddings(
    client: openai.OpenAI, model: str, texts: Sequence[str], dimension: int | None, priority: int | None = None
) -> Outcome:
    """Ask for the vectors of `texts`; `dimension` is what they must have, None when it is not known yet.

    `priority`: the larger is computed first; only for servers of SGLang's protocol.
    """
    body: dict[str, object] = {"input": texts}
    if priority is not None:
        body["priority"] = priority
    try:
        # Given as extra_body: the client would otherwise walk through every text to convert it, which
        # costs more than all the rest. The raw answer spares a pydantic model of every number.
        answer = client.embeddings.with_raw_response.create(
            model=model, input=[], encoding_format="base64", extra_body=body
        )
        return read_answer(answer.content, len(texts), dimension)
    except openai.APITimeoutError:
        return Overloaded("no answer in time", too_large=True)
    except openai.APIConnectionError as error:
        kind = type(error.__cause__ or error).__name__  # of httpx or httpx2, as the version of openai has it
        return Overloaded(f"connection failed: {kind}", unreachable=kind == "ConnectError")
    except openai.APIStatusError as error:
        return _of_status(error, str(client.base_url))


def _of_status(error: openai.APIStatusError, url: str) -> Outcome:
    status = error.status_code
    if status in (401, 403):
        raise SettingsError(
            f"The embedding server at {public_url(url)} refused the key ({status}); correct KB_EMBEDDING_API_KEY."
        ) from None
    if status in (404, 405):
        raise SettingsError(
            f"There is no /embeddings at {public_url(url)} ({status}); KB_EMBEDDING_URL usually ends in /v1."
        ) from None
    if status in _CLIENT_ERRORS:
        too_long = _TOO_LONG.search(_message(error.body))
        if too_long:
            return Refused(status, int(too_long[1]), int(too_long[2]))
        return Refused(status)
    if status in _OVERLOADED:
        retry_after = _retry_after(error.response.headers.get("retry-after"))
        return Overloaded(f"status {status}", retry_after, too_large=True, answered=True)
    return Broken(f"status {status}")


def _message(body: object) -> str:
    """The message of SGLang's flat error, or of OpenAI's nested one (the client has unwrapped that)."""
    return str(body.get("message", "")) if isinstance(body, dict) else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds; the other form, a date, is rare enough to fall back to the client's own delay."""
    return float(value) if value is not None and re.fullmatch(r"\d{1,4}(\.\d+)?", value) else None


def read_answer(content: bytes, count: int, dimension: int | None) -> Vectors | Broken:
    """The checked answer of the server: `count` vectors of `dimension` numbers, as base64 or as numbers."""
    try:
        body: dict[str, Any] = orjson.loads(content)
        data = body["data"]
        if len(data) != count:
            return Broken(f"{len(data)} vectors for {count} texts")
        order = [item["index"] for item in data]
        raw = [item["embedding"] for item in data]
        rows = _rows(raw)
        tokens = int((body.get("usage") or {}).get("prompt_tokens") or 0)
        model = str(body.get("model", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, Base64Error):
        return Broken("an answer that is not the embeddings format")
    if dimension is not None and rows.shape[1] != dimension:
        return Broken(f"vectors of dimension {rows.shape[1]} instead of {dimension}")
    if order != list(range(count)):
        if sorted(order) != list(range(count)):
            return Broken("vectors that do not belong to the texts asked for")
        rows = rows[np.argsort(order)]
    squares = np.einsum("ij,ij->i", rows, rows)
    usable = np.isfinite(squares) & (squares > 0)
    return Vectors(normalized(np.where(usable[:, np.newaxis], rows, 0)), usable, tokens, model)


def _rows(raw: list[Any]) -> NDArray[np.float32]:
    """(n, dimension); ValueError when the vectors differ in dimension."""
    if raw and isinstance(raw[0], str):
        decoded = list(map(a2b_base64, raw))
        if len(set(map(len, decoded))) != 1:
            raise ValueError
        return np.frombuffer(b"".join(decoded), dtype="<f4").reshape(len(raw), -1)
    rows = np.array(raw, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError
    return rows


def public_url(url: str) -> str:
    """The URL without user, password and query, to be shown in messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", ""))
