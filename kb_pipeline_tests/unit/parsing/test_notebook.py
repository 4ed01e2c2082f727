"""Jupyter notebooks: words and code, without what the code printed."""

from __future__ import annotations

import json

import pytest

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.notebook import read_notebook


def test_markdown_and_code_are_kept_and_outputs_listed() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# 分析\n", "Text."]},
        {"cell_type": "code", "source": "def f():\n    return 1", "outputs": [{"text": ["1\n", "2"]}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": "abc"}}]},
    ]
    document = clean_document(read_notebook(json.dumps({"cells": cells}).encode()))
    assert [(element.category, element.text, element.section_path) for element in document.elements] == [
        ("Title", "分析", ("分析",)),
        ("NarrativeText", "Text.", ("分析",)),
        ("CodeSnippet", "def f():\n    return 1", ("分析",)),
    ]
    assert [(item.reason, item.text) for item in document.dropped] == [("notebook output", "1\n2")]
    assert document.coverage == 1


def test_a_damaged_character_does_not_cost_the_notebook() -> None:
    data = json.dumps({"cells": [{"cell_type": "markdown", "source": "a \ud83d b"}]}).encode()
    assert clean_document(read_notebook(data)).elements[0].text == "a b"


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"cells": [1]}'])
def test_what_is_no_notebook_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedDocument, match="notebook"):
        read_notebook(data)
