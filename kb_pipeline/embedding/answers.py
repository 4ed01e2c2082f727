"""What the CPU embedding server answers: vectors, what it says of itself, and errors, all in the forms of SGLang."""

from __future__ import annotations

import base64
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.embedding.adapters import Adapters
    from kb_pipeline.embedding.batch_queue import BatchQueue
    from kb_pipeline.embedding.encoder import Encoder


@dataclass(slots=True)
class Service:
    """What the handlers share."""

    name: str
    encoder: Encoder
    queue: BatchQueue
    adapters: Adapters
    started: int = field(default_factory=lambda: int(time.time()))
    statuses: Counter[int] = field(default_factory=Counter)


def embeddings_body(vectors: NDArray[np.float32], name: str, tokens: int, *, as_base64: bool) -> dict[str, Any]:
    def wire(vector: NDArray[np.float32]) -> Any:
        return base64.b64encode(vector.tobytes()).decode() if as_base64 else vector

    return {
        "data": [
            {"embedding": wire(vector), "index": index, "object": "embedding"} for index, vector in enumerate(vectors)
        ],
        "model": name,
        "object": "list",
        "usage": {
            "prompt_tokens": tokens,
            "total_tokens": tokens,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
            "reasoning_tokens": 0,
        },
    }


def model_card(service: Service) -> dict[str, Any]:
    return {
        "id": service.name,
        "object": "model",
        "created": service.started,
        "owned_by": "kb_pipeline",
        "root": service.name,
        "parent": None,
        "max_model_len": service.encoder.context_length,
    }


def model_facts(service: Service) -> dict[str, Any]:
    return {
        "model_path": service.name,
        "tokenizer_path": service.encoder.location or "",
        "is_generation": False,
        "preferred_sampling_params": None,
        "weight_version": service.encoder.weight_version or "default",
        "served_model_name": service.name,
        "embedding": {
            "dimension": service.encoder.dimension,
            "normalize": True,
            "supports_dimensions": service.encoder.is_matryoshka,
        },
    }


def metrics(service: Service) -> str:
    """Prometheus text exposition format 0.0.4."""
    counts = service.queue.counts
    rows: list[tuple[str, Literal["counter", "gauge"], str, dict[str, int]]] = [
        ("requests_total", "counter", "Answers by HTTP status.", _by_status(service.statuses)),
        ("texts_total", "counter", "Texts embedded.", {"": counts.texts}),
        ("tokens_total", "counter", "Tokens embedded.", {"": counts.tokens}),
        ("padded_tokens_total", "counter", "Tokens computed, padding included.", {"": counts.padded_tokens}),
        ("batches_total", "counter", "Batches computed.", {"": counts.batches}),
        ("queued_texts", "gauge", "Texts waiting to be computed.", {"": service.queue.queued_texts}),
    ]
    lines: list[str] = []
    for name, kind, text, values in rows:
        lines += [f"# HELP kb_embedding_{name} {text}", f"# TYPE kb_embedding_{name} {kind}"]
        lines += [f"kb_embedding_{name}{label} {value}" for label, value in values.items()]
    return "\n".join(lines) + "\n"


def _by_status(statuses: Counter[int]) -> dict[str, int]:
    return {f'{{status="{status}"}}': count for status, count in sorted(statuses.items())}


def error_answer(status: int, message: str, kind: str) -> Response:
    return json_answer({"object": "error", "message": message, "type": kind, "param": None, "code": status}, status)


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, media_type="application/json")
