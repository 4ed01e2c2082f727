from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.chunking.lexemes import LONGEST_LEXEME, Term, located, occurrences, query_terms, tokens
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy


def looked_up(query: str) -> list[str]:
    """The lexemes that find rows for `query`."""
    return [term.lexeme for term in query_terms(query) if term.weight == 1]


def test_chinese_becomes_characters_and_pairs() -> None:
    assert sorted(tokens("利率表")) == sorted(["利", "率", "表", "利率", "率表"])


def test_traditional_and_simplified_chinese_are_the_same_words() -> None:
    assert tokens("臺灣的圖書館") == tokens("台湾的图书馆")
    assert looked_up("貸款利率") == looked_up("贷款利率")


def test_an_english_word_is_found_by_its_stem_and_counts_a_little_as_itself() -> None:
    assert set(looked_up("regulations")) & set(tokens("a regulation")) == {"regul"}
    assert query_terms("regulations") == [Term("regulations", 0.1), Term("regul")]


@pytest.mark.parametrize(
    ("query", "other"),
    [("5万元", "15万元，共5项，元"), ("A股", "B股 A"), ("2023年", "12023年 2023"), ("1,000元", "21,000元 1000")],
)
def test_an_amount_is_looked_up_as_it_is(query: str, other: str) -> None:
    assert set(looked_up(query)) <= set(tokens(f"共{query}。"))
    assert not set(looked_up(query)) <= set(tokens(other))


def test_what_is_made_of_the_same_piece_of_text_stands_at_the_same_place() -> None:
    places = {(occurrence.lexeme, occurrence.place) for occurrence in occurrences("ISO-9001 policies 合同法")}
    assert {("iso-9001", 1), ("iso", 1), ("9001", 2), ("policies", 3), ("polici", 3)} <= places
    assert {("合", 4), ("合同", 4), ("同法", 5), ("法", 6)} <= places


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("通过 ISO-9001 认证", "iso-9001"),
        ("通过 ISO-9001 认证", "ISO 9001"),
        ("通过ISO9001认证", "ISO 9001"),
        ("固件 V2.3.1 发布", "v2.3.1"),
        ("依据 GB/T 19001-2016", "GB/T 19001"),
        ("型号 ＡＢ－１２ 已停产", "ab-12"),
        ("合计 1,234,567.89 元", "1234567.89"),
        ("the company's policies", "company policy"),
        ("call chunk_by_title() first", "chunk_by_title"),
        ("C++ and C#", "c++"),
        ("costs of R&D rose", "R & D"),
        ("costs of R & D rose", "R&D"),
        ("研发（Ｒ＆Ｄ）费用", "r&d"),
        ("the P&L statement", "P&L"),
        ("AT&T and others", "at&t"),
        ("an A-B comparison", "A-B"),
        ("Procter & Gamble", "procter gamble"),
        ("客户<CN_MOBILE_3fa9c1abcd>来电", "<CN_MOBILE_3fa9c1abcd>"),
    ],
)
def test_every_term_of_the_query_is_in_the_document(document: str, query: str) -> None:
    assert set(looked_up(query)) <= set(tokens(document))


@pytest.mark.parametrize("query", ["R&D", "P&L", "A-B", "Q&A", "A/B", "x-ray"])
def test_single_letters_that_belong_together_are_looked_up_together(query: str) -> None:
    assert query.lower() in looked_up(f"what is {query}")
    assert query.lower() not in tokens("R, D, P, L, A, B, Q, x, ray")


@pytest.mark.parametrize("grows", ["ß", "ﬁ", "ﷺ", "㎒", "İ", "ŉ", "x"])
def test_no_term_of_a_query_is_longer_than_the_database_takes(grows: str) -> None:
    assert all(len(term.lexeme.encode()) <= LONGEST_LEXEME for term in query_terms(f"leave {grows * 2000}"))
    assert "leav" in looked_up(f"leave {grows * 2000}")


def test_a_version_is_not_found_by_another_version() -> None:
    assert "v2.3.1" not in tokens("V23.1 and V2.31")


def test_a_pseudonym_is_one_lexeme_wherever_it_stands() -> None:
    masked = Masker(MaskingPolicy(), bytes(32)).mask("13800138000").text
    (lexeme,) = tokens(masked)
    assert lexeme == masked.strip("<>").lower()
    assert lexeme in tokens(f"电话{masked}转{masked}。")
    assert tokens(masked.strip("<>")) == [lexeme]


def test_a_query_loses_words_that_say_nothing_unless_it_has_no_others() -> None:
    assert looked_up("What is the rate of the loan?") == ["rate", "loan"]
    assert looked_up("to be or not to be") == ["to", "be", "or", "not"]
    assert "的" not in looked_up("贷款的利率")


def test_odd_characters_do_no_harm() -> None:
    for text in ("\ud800", "a\x00b", "'\\''", "👍🏽", "\u202e", "İstanbul"):
        assert all("\x00" not in token for token in tokens(text))
    assert tokens("ﬁne") == ["fine"]


PIECES = st.sampled_from(
    [
        "年假",
        "５Ａ",
        "ﬁne",
        "R&D",
        "GB/T-19001",
        "e\u0301",
        "가",
        "İ",
        "ΑΣ",
        "㎡",
        "1,200",
        "<CN_MOBILE_3fa9c1>",
        " ",
        "b\u0301\u0323",
    ]
)


@given(st.lists(PIECES | st.text(max_size=5)).map("".join))
def test_every_token_is_located(text: str) -> None:
    found = list(located(text))
    assert sorted(lexeme for lexeme, _, _ in found) == sorted(tokens(text))
    for _, start, end in found:
        assert 0 <= start < end <= len(text)


def test_tokens_are_located_in_the_text_as_it_is_written() -> None:
    text = "Ｐｕｍｐｓ ﬁt. 年假 1,200 R & D"
    places = {text[start:end]: lexeme for lexeme, start, end in located(text) if lexeme not in ("年", "假")}
    assert places == {"Ｐｕｍｐｓ": "pump", "ﬁt": "fit", "年假": "年假", "1,200": "1200", "R & D": "r&d"}
