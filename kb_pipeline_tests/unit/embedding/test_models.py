import pytest

from kb_pipeline.embedding.models import model_fingerprint, profile_for, same_model
from kb_pipeline.errors import SettingsError

QWEN = "Qwen/Qwen3-Embedding-4B"


@pytest.mark.parametrize(("name", "dimension"), [("0.6B", 1024), ("4B", 2560), ("8B", 4096)])
def test_qwen_queries_carry_the_task_without_a_space(name: str, dimension: int) -> None:
    profile = profile_for(f"Qwen/Qwen3-Embedding-{name}")
    assert profile.native_dimension == dimension
    assert profile.query_text("年假", "Find rules") == "Instruct: Find rules\nQuery:年假"
    assert profile.speaks("zh")


def test_qwen_documents_carry_nothing() -> None:
    assert profile_for(QWEN).document_text("年假办法") == "年假办法"
    assert profile_for(QWEN).pooling == "last token"


def test_a_model_that_wants_a_word_before_each_text_gets_it() -> None:
    profile = profile_for("intfloat/multilingual-e5-base")
    assert profile.query_text("年假", "ignored") == "query: 年假"
    assert profile.document_text("年假 {text}") == "passage: 年假 {text}"
    assert profile.document_text(" ") == " "
    assert not profile.takes_instruction
    assert profile_for(QWEN).takes_instruction


def test_a_dimension_below_what_the_model_was_trained_for_is_refused() -> None:
    profile_for(QWEN).check_dimension(32)
    with pytest.raises(SettingsError, match="choose KB_DIMENSION from 32 up"):
        profile_for(QWEN).check_dimension(31)
    profile_for("someone/model").check_dimension(16)


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
