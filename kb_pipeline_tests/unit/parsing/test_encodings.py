"""Text files come in many encodings; none of them may end as mojibake."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.encodings import decode_text, is_binary

CHINESE = "公司的管理制度规定，员工在出差时应当按照标准报销费用。不得以任何理由超过规定的金额。\n"
TRADITIONAL = "公司的管理制度規定，員工在出差時應當按照標準報銷費用。這是我們的規定。\n"
ENGLISH = "Plain English text, a few words long.\n"
FRENCH = "Le café est très bon à l'été, où l'hôtel reçoit des élèves français.\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((CHINESE, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-32-be", "utf-32-le")),
        *((ENGLISH, name) for name in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32-be", "utf-32-le")),
    ],
)
def test_unicode_is_read_with_and_without_a_mark(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@pytest.mark.parametrize(("text", "encoding"), [(CHINESE, "gb18030"), (CHINESE, "gbk"), (TRADITIONAL, "big5")])
def test_chinese_encodings_are_told_apart(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "회사의 관리 제도는 직원이 출장 중에 표준에 따라 비용을 정산해야 한다고 규정한다.\n" * 3,
            "euc_kr",
        ),
        (
            "会社の管理制度では、社員は出張の際に基準に従って費用を精算しなければならないと定めています。\n" * 3,
            "euc_jp",
        ),
        ("Правила компании устанавливают, что сотрудники обязаны отчитываться о расходах.\n" * 3, "koi8_r"),
    ],
)
def test_languages_that_share_the_bytes_of_chinese_are_told_apart(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


def test_a_list_of_rare_names_is_still_chinese() -> None:
    names = "、".join(["螺栓", "垫圈", "轴承", "阀门", "齿轮", "弹簧", "铆钉", "焊条", "砂轮", "钻头"] * 4)
    assert decode_text(names.encode("gb18030"))[0] == names


def test_a_damaged_byte_damages_one_character_of_a_utf8_text() -> None:
    data = CHINESE.encode()
    for place in range(0, len(data), 5):
        text, encoding = decode_text(data[:place] + b"\xff" + data[place + 1 :])
        assert encoding == "utf-8"
        assert len(set(CHINESE) - set(text)) <= 1
        assert text.count("\ufffd") == 1


def test_lines_of_another_chinese_encoding_in_a_utf8_log_are_read_in_it() -> None:
    data = CHINESE.encode() * 3 + CHINESE.encode("gb18030") + CHINESE.encode()
    assert decode_text(data)[0] == CHINESE * 5


def test_western_text_is_not_taken_for_chinese() -> None:
    assert decode_text(FRENCH.encode("latin-1"))[0] == FRENCH


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x00\x01\x02\x03" * 50, b"MZ\x90\x00\x03\x00\x00\x00\x04"])
def test_binary_data_is_recognised(data: bytes) -> None:
    assert is_binary(data)


@pytest.mark.parametrize("data", [CHINESE.encode("gb18030"), CHINESE.encode("utf-16"), b"a\tb\r\n\x0c", b""])
def test_text_is_not_taken_for_binary(data: bytes) -> None:
    assert not is_binary(data)
