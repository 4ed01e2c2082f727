"""The words of a question are marked where the index knows them."""

from __future__ import annotations

import pytest

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.search.highlights import highlights


@pytest.mark.parametrize(
    ("question", "content", "marked"),
    [
        ("年假有几天", "员工每年享有五天带薪年假。", ["年假"]),
        ("年假天数", "年假天数按工龄计算", ["年假天数"]),
        ("鲸", "蓝鲸", ["鲸"]),
        ("pump prices", "The price of a pump: Pumps cost more, pumping less.", ["price", "pump", "Pumps", "pumping"]),
        ("GB/T 19001", "按 GB/T19001-2016 执行", ["GB/T19001-2016"]),
        ("r&d", "研发（Ｒ ＆ Ｄ）费用 🙂 R&D", ["Ｒ ＆ Ｄ", "R&D"]),
        ("what is the leave", "It is what it is; leave it.", ["leave"]),
        ("nothing", "年假", []),
    ],
)
def test_words_are_marked_as_they_are_written(question: str, content: str, marked: list[str]) -> None:
    assert [
        content[start:end] for start, end in highlights(content, [term.lexeme for term in query_terms(question)])
    ] == marked
