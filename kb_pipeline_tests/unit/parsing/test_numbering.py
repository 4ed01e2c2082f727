"""Headings by their numbering."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.numbering import is_numbered_heading, numbering_scheme, scheme_levels


@pytest.mark.parametrize(
    "line",
    [
        "第三章 风险管理",
        "第十二节 信息披露",
        "一、总体要求",
        "（二）主要任务",
        "2.3 Scope",
        "1.2.4 适用范围",
        "2.2 人才发展",
        "6.9.1. Automatic upgrades",
        "12.2.2.1. 准备步骤",
        "A.1 Names",
        "D.3.4.1. 创建设备文件",
        "1.2 时间安排",
        "Chapter 4 Results",
    ],
)
def test_a_numbered_line_is_a_heading(line: str) -> None:
    assert is_numbered_heading(line)


@pytest.mark.parametrize(
    "line",
    [
        "一、本公司应当在十日内完成登记。",
        "第三条 员工应当遵守下列规定",
        "1. Open the file",
        "3.5% of the total",
        "2023年工作总结",
        "十分重要的事",
        "10.5亿人，基本医保水平稳步提高",
        "2.2 人左右",
        "2.3.2023 was a Thursday",
        "3.5 万元",
        "（二）" + "很长的一段话" * 30,
    ],
)
def test_a_clause_an_item_or_a_number_is_no_heading(line: str) -> None:
    assert not is_numbered_heading(line)


def test_levels_follow_the_schemes_that_occur() -> None:
    schemes = [numbering_scheme(line) for line in ("第一章 总则", "一、目的", "（一）范围", "1.1 甲", "1.1.1 乙")]
    levels = scheme_levels(scheme for scheme in schemes if scheme)
    assert [levels[scheme] for scheme in schemes if scheme] == [1, 2, 3, 4, 5]
