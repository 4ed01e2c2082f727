"""Markdown."""

from __future__ import annotations

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
    assert read_markdown(DOCUMENT.encode()).metadata == {"encoding": "utf-8", "title": "差旅制度", "owner": "Finance"}


def test_the_element_after_a_thematic_break_says_so() -> None:
    elements = read_markdown(DOCUMENT.encode()).elements
    assert [bool(element.metadata.get("after_separator")) for element in elements] == [False] * 9 + [True]


def test_a_comment_is_dropped_and_listed() -> None:
    (dropped,) = read_markdown(DOCUMENT.encode()).dropped
    assert (dropped.reason, dropped.text) == ("HTML comment", "<!-- internal -->")


def test_a_rule_at_the_start_is_not_front_matter_without_an_end() -> None:
    document = read_markdown(b"---\n\n# Title\n\nText.")
    assert [element.text for element in document.elements] == ["Title", "Text."]
