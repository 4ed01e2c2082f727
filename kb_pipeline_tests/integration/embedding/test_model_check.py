"""What the doctor says about the default model, and about one that knows nothing of language."""

from __future__ import annotations

import numpy as np

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.embedding.model_check import ModelReport, check_model, found
from kb_pipeline.operations.doctor import examine_model
from kb_pipeline.settings import load_settings
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server


def test_the_default_model_speaks_both_languages_but_ranks_them_before_matters(cpu_embedding_url: str) -> None:
    checks, report = examine_model(load_settings(embedding_url=cpu_embedding_url))
    said = {check.name: check for check in checks}
    assert said["model speaks English"].ok
    assert said["model speaks Chinese"].ok
    assert said["model finds across Chinese and English"].ok
    assert not said["model tells four legal questions apart"].ok
    assert said["model tells four legal questions apart"].remedy
    assert not report.takes_instruction
    by_dimension = {point.dimension: point for point in report.truncation}
    assert by_dimension[384].agreement == 1.0
    assert by_dimension[32].agreement < by_dimension[128].agreement < 0.99
    text = "\n".join(report.lines())
    assert "without instruction" in text
    assert "with instruction" not in text


def test_vectors_of_chance_speak_no_language(instant: InstantServer) -> None:
    with EmbeddingClient.connect(instant.base_url) as client:
        report = check_model(client, "")
    assert not report.speaks("zh")
    assert not report.speaks("en")
    assert not report.translates


def test_a_model_that_takes_an_instruction_shows_both_matrices() -> None:
    with (
        instant_server(1024, model_name="Qwen3-Embedding-0.6B") as server,
        EmbeddingClient.connect(server.base_url) as client,
    ):
        report = check_model(client, "Find the rule")
    assert report.takes_instruction
    assert report.plain != report.instructed
    assert "with instruction" in "\n".join(report.lines())


def test_a_sentence_is_found_when_its_own_counterpart_is_nearest() -> None:
    sentences = np.eye(4, dtype=np.float32)
    assert found(sentences, sentences) == 1.0
    assert found(sentences, sentences[[1, 0, 2, 3]]) == 0.5


def test_questions_are_sorted_when_matter_counts_more_than_language(cpu_embedding_url: str) -> None:
    with EmbeddingClient.connect(cpu_embedding_url) as client:
        report = check_model(client, "")
    cosines = [
        [1.0 if a == b else 0.8 if a.matter == b.matter else 0.4 for b in report.questions] for a in report.questions
    ]
    sorted_report = ModelReport(
        report.model, report.native_dimension, True, {}, 1.0, report.questions, cosines, cosines, report.truncation
    )
    assert sorted_report.sorts_questions
    assert not report.sorts_questions
