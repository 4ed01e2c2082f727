"""Settings that the searched generation does not follow are named beside what it has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kb_pipeline.embedding.client import ModelIdentity
from kb_pipeline.embedding.models import model_fingerprint, profile_for
from kb_pipeline.operations.agreement import difference
from kb_pipeline.settings import load_settings
from kb_pipeline.store.generations import Generation

MODEL = "Qwen/Qwen3-Embedding-0.6B"


def identity(name: str = MODEL, dimension: int = 1024, revision: str | None = None) -> ModelIdentity:
    fingerprint = model_fingerprint(name, dimension, revision)
    return ModelIdentity(name, dimension, None, profile_for(name), fingerprint, revision)


def active(**changed: Any) -> Generation:
    values: dict[str, Any] = {
        "model": MODEL,
        "model_fingerprint": identity().fingerprint,
        "native_dimension": 1024,
        "dimension": 1024,
        "query_instruction": load_settings().query_instruction,
        "collection_instructions": {},
        "collection": None,
    }
    return Generation(
        id=1,
        name="g1",
        state="active",
        created_at=datetime.now(UTC),
        activated_at=None,
        retired_at=None,
        row_count=1,
        **(values | changed),
    )


@pytest.mark.parametrize("model", [None, MODEL, "qwen3-embedding-0.6b", identity()])
def test_settings_that_ask_for_what_is_there_say_nothing(model: ModelIdentity | str | None) -> None:
    assert difference(active(), load_settings(), model) is None
    assert difference(active(), load_settings(dimension=1024), model) is None


@pytest.mark.parametrize(
    ("settings", "model", "said"),
    [
        ({"dimension": 256}, MODEL, "256 dimensions (KB_DIMENSION), but generation g1, which is searched, has 1024;"),
        ({}, "bge-m3", "the model bge-m3, but generation g1, which is searched, has Qwen/Qwen3-Embedding-0.6B;"),
        ({}, identity("other", 64), "the model other, but"),
        ({}, identity(revision="abc"), "at revision abc, but generation g1, which is searched, has other weights"),
        ({"query_instruction": "Find"}, None, 'the instruction "Find", but'),
        ({"collections": {"a": {"query_instruction": "Find"}}}, None, 'of a "Find", but generation g1'),
        ({"dimension": 64, "query_instruction": "Find"}, None, '(KB_DIMENSION) and the instruction "Find"'),
    ],
)
def test_what_differs_is_named_with_both_values(
    settings: dict[str, Any], model: ModelIdentity | str | None, said: str
) -> None:
    sentence = difference(active(), load_settings(**settings), model)
    assert sentence is not None
    assert said in sentence
    option = f" --dimension {settings['dimension']}" if "dimension" in settings else ""
    assert sentence.endswith(f"; run kb generations build{option}, or set that back.")


def test_a_dimension_that_was_set_once_is_still_asked_for_when_it_is_left_out() -> None:
    assert "1024 dimensions" in str(difference(active(dimension=256), load_settings(), MODEL))


@pytest.mark.parametrize("model", [identity(), MODEL])
def test_a_dimension_that_the_model_has_not_is_no_reason_to_build(model: ModelIdentity | str) -> None:
    sentence = str(difference(active(), load_settings(dimension=2048), model))
    assert "KB_DIMENSION is 2048, but the vectors of Qwen/Qwen3-Embedding-0.6B have 1024 dimensions" in sentence
    assert "build" not in sentence


def test_an_instruction_that_the_model_does_not_take_changes_nothing() -> None:
    model = "all-MiniLM-L6-v2"
    generation = active(model=model, native_dimension=384, dimension=384)
    assert difference(generation, load_settings(query_instruction="Find"), model) is None
