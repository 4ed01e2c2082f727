from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.store.postings.reading import RECORD, norms
from kb_pipeline.store.postings.words import words_of

LEXEMES = st.text(st.characters(exclude_characters=" \0\n", exclude_categories=["Cs"]), min_size=1, max_size=5)
ROWS = st.lists(st.dictionaries(LEXEMES, st.integers(1, 4), max_size=6), max_size=8)


def as_text(words: dict[str, int], weight: str = "A") -> str:
    """A tsvector as PostgreSQL prints it."""
    quoted = {word: word.replace("\\", "\\\\").replace("'", "''") for word in words}
    positions = {word: ",".join(f"{place}{weight}" for place in range(1, count + 1)) for word, count in words.items()}
    return " ".join(f"'{quoted[word]}':{positions[word]}" for word in words)


@given(rows=ROWS)
def test_every_word_of_every_row_is_counted_once(rows: list[dict[str, int]]) -> None:
    words = words_of([(10 + place, 5, as_text(row)) for place, row in enumerate(rows)], 10)
    expected = Counter(word for row in rows for word in row)
    assert words.counted_after(0).frequencies == expected
    assert words.counted_after(0).rows == len(rows)
    assert words.counted_after(10).frequencies == Counter(word for row in rows[1:] for word in row)


@given(rows=ROWS)
def test_the_records_of_a_word_say_in_which_rows_it_counts_how_much_the_most_first(rows: list[dict[str, int]]) -> None:
    words = words_of([(place, 5, as_text(row)) for place, row in enumerate(rows)], 0)
    for word, data in words.postings(5.0):
        records = np.frombuffer(data, RECORD)
        counts = {place: row[word] for place, row in enumerate(rows) if word in row}
        assert set(records["place"].tolist()) == set(counts)
        assert records["impact"].tolist() == sorted(records["impact"].tolist(), reverse=True)
        for place, impact in records.tolist():
            norm = norms(np.array([5]), 5.0)[0]
            assert abs(impact / 255 - counts[place] / (counts[place] + norm)) < 1 / 255


def test_a_word_that_always_has_its_stem_beside_it_needs_no_postings() -> None:
    words = words_of([(1, 5, as_text({"loans": 2}, "B") + " " + as_text({"loan": 2}, ""))], 1)
    assert [word for word, _ in words.postings(5.0)] == ["loan"]
    assert words.counted_after(0).frequencies == {"loans": 1, "loan": 1}
