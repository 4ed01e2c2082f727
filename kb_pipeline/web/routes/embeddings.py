"""`/v1/embeddings`: vectors of texts by the model that the knowledge base is embedded with, as OpenAI's API gives them.

Texts are masked as documents are, so that a vector from here lies where the stored one of the same text does. With
`"input_type": "query"` a text is embedded as the query of a search is: with the instruction of the active generation.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from kb_pipeline.embedding.stream import EmbeddedText
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.search.retrieve import query_instruction
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import Text

if TYPE_CHECKING:
    from fastapi import APIRouter
    from numpy.typing import NDArray

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.web.backend import Backend

MOST_TEXTS = 256
MOST_CHARACTERS = 20_000  # of one text

Input = Annotated[Text, Field(min_length=1, max_length=MOST_CHARACTERS)]


class EmbeddingsAsked(BaseModel):
    """`model`: the one that is served, as /v1/models of the embedding server names it; anything else is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input | Annotated[list[Input], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str = Field(max_length=200)
    dimensions: int | None = Field(None, ge=1, le=16_384)
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["document", "query"] = "document"
    user: str | None = Field(None, description="Taken and not used.")


class Embedding(BaseModel):
    """`embedding`: numbers, or in base64 as float32 in little-endian order."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class TokenUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    object: Literal["list"] = "list"
    data: tuple[Embedding, ...]
    model: str
    usage: TokenUsage


def embedding_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("search")

    @router.post("/embeddings")
    async def embed(_: Asking, asked: EmbeddingsAsked) -> Embeddings:
        """Vectors of norm 1."""
        return await to_thread.run_sync(_answer, backend, asked, limiter=backend.waiting)

    return router


def _answer(backend: Backend, asked: EmbeddingsAsked) -> Embeddings:
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    texts = [backend.mask(text, ())[0] for text in given]
    client = backend.embedder()
    if asked.model != client.identity.name:
        raise HTTPException(404, f"The embedding server serves {client.identity.name}; name that as model.")
    try:
        vectors = _queries(backend, client, texts) if asked.input_type == "query" else _documents(client, texts)
    except EmbeddingServerUnavailable:
        backend.forget_embedder()
        raise
    if asked.dimensions is not None:
        vectors = to_dimension(vectors, asked.dimensions)
    tokens = sum(client.count_tokens(texts))
    return Embeddings(
        data=tuple(
            Embedding(index=index, embedding=_written(vector, asked.encoding_format))
            for index, vector in enumerate(vectors)
        ),
        model=client.identity.name,
        usage=TokenUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _queries(backend: Backend, client: EmbeddingClient, texts: list[str]) -> NDArray[np.float32]:
    instruction = query_instruction(backend.connection)
    return np.stack([client.embed_query(text, instruction) for text in texts])


def _documents(client: EmbeddingClient, texts: list[str]) -> NDArray[np.float32]:
    found: dict[bytes, NDArray[np.float32]] = {}
    for result in client.embed((b"%d" % index, text) for index, text in enumerate(texts)):
        if not isinstance(result, EmbeddedText):
            raise HTTPException(400, f"Text {int(result.key)} of input cannot be embedded. {result.reason}")
        found[result.key] = result.vector
    return np.stack([found[b"%d" % index] for index in range(len(texts))])


def _written(vector: NDArray[np.float32], encoding: Literal["float", "base64"]) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
