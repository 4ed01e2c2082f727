"""The stretch of a text that shows what matched."""

from __future__ import annotations

from kb_pipeline.terminal.excerpts import excerpt


def shown(text: str, *words: str, width: int = 80) -> str:
    marks = sorted((at, at + len(word)) for word in words for at in [text.index(word)])
    return excerpt(text, marks, width, lambda word: f"[{word}]")


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert shown("The pump\n\n is  here.", "pump") == "The [pump] is here."
    assert shown("Nothing matched.") == "Nothing matched."


def test_a_long_text_is_shown_where_most_of_it_matched() -> None:
    text = "A pump. " + "x " * 100 + "The invoice is paid net of costs." + " y" * 100
    assert shown(text, "pump", "invoice", "costs") == (
        "…" + "x " * 18 + "The [invoice] is paid net of [costs]. y y y y y …"
    )
