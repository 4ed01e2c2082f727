"""Markdown."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.markdown import read_markdown

DOCUMENT = """---
title: "差旅制度"
owner: Finance
tags:
  - travel
---
# 差旅制度

第一段
接着写。 See the [handbook](https://example.com/h) for *more*.

## 标准

- 机票
  - 经济舱
1. 住宿
2. 餐费

| 级别 | 上限 |
| ---- | ---- |
| 经理 | 800 |

```python
def limit(level):

    return 800
```

---

<!-- internal -->

After the line.
"""


def test_structure_survives() -> None:
    document = read_markdown(DOCUMENT.encode())
    assert [(element.category, element.text, element.heading_level) for element in document.elements] == [
        ("Title", "差旅制度", 1),
        ("NarrativeText", "第一段接着写。 See the handbook for more.", None),
        ("Title", "标准", 2),
        ("ListItem", "机票", None),
        ("ListItem", "经济舱", None),
        ("ListItem", "1. 住宿", None),
        ("ListItem", "2. 餐费", None),
        ("Table", "级别 | 上限\n经理 | 800", None),
        ("CodeSnippet", "def limit(level):\n\n    return 800", None),
        ("NarrativeText", "After the line.", None),
    ]


def test_front_matter_is_metadata_not_text() -> None:
    assert read_markdown(DOCUMENT.encode()).metadata == {
        "encoding": "utf-8",
        "title": "差旅制度",
        "owner": "Finance",
        "tags": ["travel"],
    }


def test_the_element_after_a_thematic_break_says_so() -> None:
    elements = read_markdown(DOCUMENT.encode()).elements
    assert [bool(element.metadata.get("after_separator")) for element in elements] == [False] * 9 + [True]


def test_a_comment_is_dropped_and_listed() -> None:
    (dropped,) = read_markdown(DOCUMENT.encode()).dropped
    assert (dropped.reason, dropped.text) == ("HTML comment", "internal")
    (within,) = read_markdown(b"Text. <!-- a\nnote --> More.").dropped
    assert (within.reason, within.text) == ("HTML comment", "a note")


def test_a_rule_at_the_start_is_not_front_matter_without_an_end() -> None:
    document = read_markdown(b"---\n\n# Title\n\nText.")
    assert [element.text for element in document.elements] == ["Title", "Text."]


@pytest.mark.parametrize("between", ["\n# Title\n\nText: it is.\n", "# Title\n", "A paragraph\n", "**Note:** [x\n"])
def test_text_between_two_rules_at_the_start_is_not_front_matter(between: str) -> None:
    document = read_markdown(f"---\n{between}\n---\n\nMore.".encode())
    kept = read_markdown(between.encode()).elements
    assert [element.text for element in document.elements] == [*(element.text for element in kept), "More."]
    assert document.metadata == {"encoding": "utf-8"}


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("---\ndate: 2024-01-02\nnested: {a: 1}\n---\n", {"date": "2024-01-02"}),
        ("---\ntitle: a: b\nowner: Ann\n---\n", {"title": "a: b", "owner": "Ann"}),
        ('+++\ntitle = "T"\n+++\n', {"title": "T"}),
        ("---\n- not\n- pairs\n---\n", {}),
    ],
)
def test_front_matter_keeps_what_is_plain(front: str, expected: dict[str, str]) -> None:
    document = read_markdown(f"{front}Text.".encode())
    assert document.metadata == {"encoding": "utf-8", **expected}
    assert [element.text for element in document.elements] == ["Text."]


def test_notes_tasks_hard_breaks_and_images_keep_their_text() -> None:
    source = "Text[^1]  \nnext ![图示](x.png)<br>last\n\n- [ ] todo\n  1. nested\n\n[^1]: 脚注\n"
    elements = read_markdown(source.encode()).elements
    assert [element.text for element in elements] == [
        "Text[^1]\nnext 图示\nlast",
        "[ ] todo",
        "1. nested",
        "[^1]: 脚注",
    ]
    assert [element.metadata.get("depth") for element in elements] == [None, None, 2, None]


def test_html_inside_is_read_as_html() -> None:
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    source = f"<details><summary>More</summary>\n\nInner **text**\n\n</details>\n\n{table}\n"
    elements = read_markdown(source.encode()).elements
    assert [(element.category, element.text) for element in elements] == [
        ("NarrativeText", "More"),
        ("NarrativeText", "Inner text"),
        ("Table", "a | b\n1 | 2"),
    ]


def test_deep_nesting_loses_nothing() -> None:
    (element,) = read_markdown(("> " * 60 + "deep").encode()).elements
    assert element.text == "deep"


def test_what_was_found_is_measured_against_the_text_without_its_markup() -> None:
    document = clean_document(read_markdown(DOCUMENT.encode()))
    assert document.coverage == pytest.approx(1, abs=0.1)
    assert not document.warnings
