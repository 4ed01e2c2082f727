"""Measure what the default model's vectors say about the language of a text: `scripts/language_bias.py --data DIR`.

DIR holds xquad.zh.json and xquad.en.json, the same passages in both languages. The first half of them is used; the
second half stays unseen for benchmarks/bench_model.py. What it finds is written where the model looks for it, see
kb_pipeline/embedding/bundled/language_bias.py; a change of it makes other vectors, and so another model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from kb_pipeline.embedding.bundled.encoder import BundledEncoder
from kb_pipeline.embedding.bundled.language_bias import FILE, LanguageBias
from kb_pipeline.embedding.encoder import usable_cpus
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, profile_for


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--data", type=Path, required=True)
    data = options.parse_args().data
    encoder, profile = BundledEncoder(usable_cpus()), profile_for(DEFAULT_CPU_MODEL)
    vectors = []
    for language in ("zh", "en"):
        articles = json.loads((data / f"xquad.{language}.json").read_text("utf-8"))["data"]
        texts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
        inputs = encoder.tokenize([profile.document_text(text) for text in texts[: len(texts) // 2]])
        vectors.append(encoder.plain([ids[: encoder.context_length] for ids in inputs]))
    bias = LanguageBias.measured(*vectors)
    np.save(FILE, bias.as_array())
    print(f"{FILE}: from {len(vectors[0])} passages in each language")


if __name__ == "__main__":
    main()
