"""Fields out of paths."""

from __future__ import annotations

import pytest

from kb_pipeline.source.patterns import layers_of_path


@pytest.mark.parametrize(
    ("pattern", "path", "given"),
    [
        ("{department}/{year}/", "finance/2024/a/plan.pdf", {"department": "finance", "year": "2024"}),
        ("{department}/{year}/**", "finance/2024/plan.pdf", {"department": "finance", "year": "2024"}),
        ("/{department}/", "Finance/plan.pdf", {"department": "Finance"}),
        ("{department}/", "plan.pdf", None),
        ("**/{customer} - {year}.*", "a/b/Linden - 2024.docx", {"customer": "Linden", "year": "2024"}),
        ("**/{customer} - {year}.*", "Linden - 2024.docx", {"customer": "Linden", "year": "2024"}),
        ("contracts/[0-9]*-{kind}/", "Contracts/17-lease/x.pdf", {"kind": "lease"}),
        ("contracts/{kind}/", "policies/lease/x.pdf", None),
    ],
)
def test_a_pattern_says_what_stands_in_its_place(pattern: str, path: str, given: dict[str, str] | None) -> None:
    assert [layer.given for layer in layers_of_path(path, [pattern])] == ([given] if given else [])
