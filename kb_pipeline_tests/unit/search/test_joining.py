"""Neighbouring passages become one text in which nothing stands twice."""

from __future__ import annotations

import pytest

from kb_pipeline.search.joining import joined


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["One."], "One."),
        (["One.", "Two.", "Three."], "One.\n\nTwo.\n\nThree."),
        (
            ["Prices\nItem | Price\nPump | 3", "Prices\nItem | Price\nValve | 4"],
            "Prices\nItem | Price\nPump | 3\nValve | 4",
        ),
        (
            ["A. The notice is given in writing.", "The notice is given in writing. B."],
            "A. The notice is given in writing. B.",
        ),
        (["so ends a", "a begins"], "so ends a\n\na begins"),
        (
            ["Same text of more than twenty characters.", "Same text of more than twenty characters."],
            "Same text of more than twenty characters.\n",
        ),
    ],
)
def test_what_both_hold_stands_once(parts: list[str], whole: str) -> None:
    assert joined(parts) == whole
