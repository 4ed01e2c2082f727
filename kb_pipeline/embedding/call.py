"""What a request for embeddings may hold, and how SGLang's words refuse it otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.embedding.encoder import Encoder, TokenIds


class Refused(Exception):
    """A request that is answered with an error body."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """A valid request body: texts or token ids, never both.

    `urgent`: its `priority`, a field of SGLang's, is above 0; where it has none, a single text is a search. `adapter`:
    the name behind the model's, `model:adapter`.
    """

    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    dimensions: int | None
    base64: bool
    urgent: bool
    adapter: str | None = None


def parse_call(content_type: str, body: bytes) -> EmbeddingCall:
    """The request body, or Refused with the words of SGLang. Messages never repeat the input."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _invalid(
            [
                {
                    "loc": ["header", "content-type"],
                    "msg": "Unsupported Media Type: Only 'application/json' is allowed",
                    "type": "value_error",
                }
            ]
        )
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid([_problem("json_invalid", ("body", error.pos), "JSON decode error")]) from None
    if not isinstance(data, dict):
        raise _invalid([_problem("model_attributes_type", ("body",), "Input should be a valid dictionary or object")])
    if "input" not in data:
        raise _invalid([_problem("missing", ("body", "input"), "Field required")])
    adapter = _adapter(data.get("model", ""))
    dimensions, priority = _integer(data, "dimensions"), _integer(data, "priority")
    texts, token_ids = _parse_input(data["input"])
    return EmbeddingCall(
        texts,
        token_ids,
        dimensions,
        base64=_encoding(data) == "base64",
        urgent=len(texts) + len(token_ids) == 1 if priority is None else priority > 0,
        adapter=adapter,
    )


def _adapter(model: Any) -> str | None:
    """The part behind the colon of `base:adapter`."""
    if not isinstance(model, str):
        raise _invalid([_problem("string_type", ("body", "model"), "Input should be a valid string")])
    return model.partition(":")[2] or None


def _encoding(data: dict[str, Any]) -> str:
    value = data.get("encoding_format", "float")
    if value not in ("float", "base64"):
        raise Refused(400, "encoding_format must be either 'float' or 'base64'")
    return cast("str", value)


def _integer(data: dict[str, Any], name: str) -> int | None:
    """As lenient as pydantic is for SGLang: "32", 32.0 and true are numbers, 3.5 is none."""
    value = data.get(name)
    if value is None:
        return None
    try:
        return TypeAdapter(int).validate_python(value)
    except ValidationError:
        raise _invalid([_problem("int_type", ("body", name), "Input should be a valid integer")]) from None


def _parse_input(value: Any) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Texts and token ids of the four forms that OpenAI allows."""
    if isinstance(value, str):
        _check_texts([value], single=True)
        return (value,), ()
    if isinstance(value, list):
        if not value:
            raise Refused(400, "Input cannot be empty")
        if all(isinstance(item, str) for item in value):
            _check_texts(value, single=False)
            return tuple(value), ()
        if _is_token_ids(value):
            _check_token_ids(value)
            return (), (tuple(value),)
        if all(isinstance(item, list) and _is_token_ids(item) for item in value):
            for index, ids in enumerate(value):
                if not ids:
                    raise Refused(400, f"Input at index {index} cannot be empty")
                _check_token_ids(ids)
            return (), tuple(map(tuple, value))
    raise _invalid(
        [
            _problem("list_type", ("body", "input", "list[int]"), "Input should be a valid list"),
            _problem("list_type", ("body", "input", "list[list[int]]"), "Input should be a valid list"),
            _problem("string_type", ("body", "input", "str"), "Input should be a valid string"),
            _problem("list_type", ("body", "input", "list[str]"), "Input should be a valid list"),
        ]
    )


def _check_texts(texts: Sequence[str], *, single: bool) -> None:
    for index, text in enumerate(texts):
        if not text and single:
            raise Refused(400, "Input cannot be empty")
        if not text.strip():
            where = "Input" if single else f"Input at index {index}"
            raise Refused(400, f"{where} cannot be empty or whitespace only")


def _is_token_ids(value: list[Any]) -> bool:
    return all(isinstance(item, int) and not isinstance(item, bool) for item in value)


def _check_token_ids(ids: Sequence[int]) -> None:
    for index, token in enumerate(ids):
        if token < 0:
            raise Refused(400, f"Token ID at index {index} must be non-negative")


def _problem(kind: str, location: tuple[str | int, ...], message: str) -> dict[str, Any]:
    return {"type": kind, "loc": location, "msg": message}


def _invalid(problems: list[dict[str, Any]]) -> Refused:
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''}"
    return Refused(400, f"{count}:\n" + "\n".join(f"  {problem}" for problem in problems), kind="Bad Request")


def check_dimensions(dimensions: int | None, encoder: Encoder, name: str) -> None:
    if dimensions is None:
        return
    if not encoder.is_matryoshka:
        raise Refused(
            400,
            f"Model '{name}' does not support matryoshka representation, "
            "changing output dimensions will lead to poor results.",
        )
    if dimensions < 1:
        raise Refused(400, "Requested dimensions must be greater than 0")
    if dimensions > encoder.dimension:
        raise Refused(400, f"Provided dimensions are greater than max embedding dimension: {encoder.dimension}")


def check_tokens(inputs: Sequence[TokenIds], encoder: Encoder) -> None:
    for ids in inputs:
        if len(ids) > encoder.context_length:
            raise Refused(
                400,
                f"The input ({len(ids)} tokens) is longer than the model's context length "
                f"({encoder.context_length} tokens).",
            )
        if max(ids) >= encoder.vocabulary_size:
            raise Refused(400, f"Token ID is outside the vocabulary of {encoder.vocabulary_size}")
