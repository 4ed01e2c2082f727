"""Passages that say the same are found whatever their lines and signs look like; others stay apart."""

from __future__ import annotations

import pytest

from kb_pipeline.search.duplicates import grouped

LEAVE = (
    "Employees who have completed one year of service are entitled to paid annual leave. Leave that is not taken by "
    "the end of the year lapses unless the head of the department has agreed in writing that it is carried over."
)
CLAUSE = (
    "供应商应在收到订单后三十日内交付货物，逾期交付的，每逾期一日按合同总价款的千分之五向采购方支付违约金，"
    "违约金总额不超过合同总价款的百分之十，采购方有权从应付货款中直接扣除。"
)


def groups(*texts: str) -> list[list[int]]:
    return [[*members] for members in grouped(range(len(texts)), texts.__getitem__)]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (LEAVE, LEAVE.upper().replace(" ", "\n", 7)),
        (LEAVE, LEAVE.replace("lapses", "lapse")),
        (CLAUSE, CLAUSE.replace("，", " ，\n")),
        (CLAUSE, CLAUSE + "以上。"),
        ("年假", "年 假。"),
    ],
)
def test_the_same_in_other_dress_is_the_same(text: str, other: str) -> None:
    assert groups(text, "Something else stands here.", other) == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (f"{LEAVE} It is 25 days.", f"{LEAVE} It is 30 days."),
        (CLAUSE, CLAUSE.replace("三十日", "六十日")),
        (CLAUSE, CLAUSE[: len(CLAUSE) // 2]),
        (LEAVE, CLAUSE),
        ("年假", "病假"),
        ("a" * 100, "a" * 20),
    ],
)
def test_another_amount_or_another_text_is_not_the_same(text: str, other: str) -> None:
    assert groups(text, other) == [[0], [1]]
