"""A question aimed at the passages of another language."""

from __future__ import annotations

import numpy as np
import pytest

from kb_pipeline.search.languages import aims

# Three topics, and two languages that lie far apart.
TOPICS = np.eye(5)[:3]
APART = {"zh": np.eye(5)[3] * 2, "en": np.eye(5)[4] * 2}


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


PASSAGES = {language: [unit(topic + apart) for topic in TOPICS] for language, apart in APART.items()}
MEANS = {language: np.mean(vectors, axis=0) for language, vectors in PASSAGES.items()}


def test_a_question_finds_its_topic_in_both_languages_before_other_topics_in_its_own() -> None:
    question = PASSAGES["zh"][1]
    plain = {
        (language, topic): float(vector @ question)
        for language, vectors in PASSAGES.items()
        for topic, vector in enumerate(vectors)
    }
    assert min(plain["zh", topic] for topic in range(3)) > plain["en", 1]
    aimed = aims(question, "zh", MEANS)
    scores = {
        (name, topic): float(PASSAGES[name][topic] @ aim.vector) - aim.baseline
        for name, aim in aimed.items()
        for topic in range(len(TOPICS))
    }
    assert sorted(scores, key=lambda passage: -scores[passage])[:2] in ([("zh", 1), ("en", 1)], [("en", 1), ("zh", 1)])
    assert all(np.linalg.norm(aim.vector) == pytest.approx(1) for aim in aimed.values())


def test_where_there_is_one_language_or_the_questions_is_not_there_nothing_is_aimed() -> None:
    assert aims(PASSAGES["zh"][0], "zh", {"zh": MEANS["zh"]}) == {}
    assert aims(PASSAGES["zh"][0], "other", MEANS) == {}
    assert aims(PASSAGES["zh"][0], "zh", {}) == {}
