"""The rate without a server: the same model in one process, given all texts at once.

    PYTHON offline.py MODEL TEXTS {sglang|sentence-transformers} [OPTIONS AS JSON]

TEXTS is a JSON file: length -> texts. Prints one line of JSON: length -> {"texts_per_second", "tokens_per_second"}. Run
by the interpreter that has the engine, so it knows nothing of the project. SGLang's own benchmark of
offline throughput (sglang.bench_offline_throughput) only generates text; this calls the same engine's `encode`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

BATCH_TEXTS = 32  # of sentence-transformers


def with_sglang(model: str, texts: dict[str, list[str]], options: dict[str, Any]) -> dict[str, Any]:
    import sglang

    engine = sglang.Engine(model_path=model, is_embedding=True, log_level="warning", **options)
    try:
        rates = {}
        for length, several in texts.items():
            engine.encode(_warm_up(several))
            begun = time.perf_counter()
            answers = engine.encode(several)
            seconds = time.perf_counter() - begun
            rates[length] = _rate(len(several), sum(one["meta_info"]["prompt_tokens"] for one in answers), seconds)
    finally:
        engine.shutdown()
    return rates


def with_sentence_transformers(model: str, texts: dict[str, list[str]], options: dict[str, Any]) -> dict[str, Any]:
    import torch
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu", model_kwargs={"dtype": torch.float32}, **options)
    rates = {}
    for length, several in texts.items():
        encoder.encode(_warm_up(several), show_progress_bar=False)
        tokens = sum(len(ids) for ids in encoder.tokenizer(several)["input_ids"])
        begun = time.perf_counter()
        encoder.encode(several, batch_size=BATCH_TEXTS, normalize_embeddings=True, show_progress_bar=False)
        rates[length] = _rate(len(several), tokens, time.perf_counter() - begun)
    return rates


def _warm_up(texts: list[str]) -> list[str]:
    """Texts of that length that are none of those: SGLang would know them already."""
    return [f"warm up {text}" for text in texts[:BATCH_TEXTS]]


def _rate(texts: int, tokens: int, seconds: float) -> dict[str, float]:
    return {"texts_per_second": round(texts / seconds, 2), "tokens_per_second": round(tokens / seconds, 1)}


def main() -> None:
    model, file, engine, *options = sys.argv[1:]
    texts = json.loads(Path(file).read_text())
    measure = with_sglang if engine == "sglang" else with_sentence_transformers
    print(json.dumps(measure(model, texts, json.loads(options[0]) if options else {})))


if __name__ == "__main__":
    main()
