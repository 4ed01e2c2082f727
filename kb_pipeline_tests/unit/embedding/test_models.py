import pytest

from kb_pipeline.embedding.models import model_fingerprint, profile_for, same_model

QWEN = "Qwen/Qwen3-Embedding-4B"


@pytest.mark.parametrize(("name", "dimension"), [("0.6B", 1024), ("4B", 2560), ("8B", 4096)])
def test_qwen_queries_carry_the_task_without_a_space(name: str, dimension: int) -> None:
    profile = profile_for(f"Qwen/Qwen3-Embedding-{name}")
    assert profile.native_dimension == dimension
    assert profile.query_text("年假", "Find rules") == "Instruct: Find rules\nQuery:年假"
    assert profile.speaks("zh")


def test_braces_in_a_query_are_kept() -> None:
    assert profile_for(QWEN).query_text("{query} {0}", "a {b}") == "Instruct: a {b}\nQuery:{query} {0}"


def test_minilm_speaks_english_only() -> None:
    profile = profile_for("sentence-transformers/all-MiniLM-L6-v2")
    assert profile.speaks("en")
    assert not profile.speaks("zh")
    assert profile.query_text("price", "ignored") == "price"


def test_an_unknown_model_is_neutral() -> None:
    profile = profile_for("someone/model")
    assert profile.speaks("zh")
    assert profile.query_text("q", "i") == "q"
    assert profile.native_dimension is None


def test_a_folder_and_a_hub_name_are_one_model() -> None:
    assert same_model(QWEN, "/models/Qwen3-Embedding-4B/")
    assert model_fingerprint(QWEN, 2560) == model_fingerprint("/models/qwen3-embedding-4b", 2560)


def test_model_dimension_and_weights_tell_fingerprints_apart() -> None:
    prints = {
        model_fingerprint(QWEN, 2560),
        model_fingerprint(QWEN, 1024),
        model_fingerprint("Qwen/Qwen3-Embedding-8B", 2560),
        model_fingerprint(QWEN, 2560, "tuned-1"),
    }
    assert len(prints) == 4
