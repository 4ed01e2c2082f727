"""Sentences and citations out of what a model says, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.answers.sentences import SentenceReader


def read(text: str, *, given: int = 8, pieces: int = 1, complete: bool = True) -> tuple[list[str], SentenceReader]:
    """What comes of `text` that arrives in pieces of so many characters; each line of the answer begins with ¶."""
    reader = SentenceReader(range(1, given + 1))
    found = [one for at in range(0, len(text), pieces) for one in reader.read(text[at : at + pieces])]
    found += reader.end(complete=complete)
    return ["¶" * one.starts_line + str(one) for one in found], reader


CITED = {
    "before the full stop": ("Leave is 20 days [2].", ["¶Leave is 20 days. [2]"]),
    "behind it": ("Leave is 20 days.[2] Ask early. [1]", ["¶Leave is 20 days. [2]", "Ask early. [1]"]),
    "in Chinese": ("年假五天【1】。须提前申请。［2］", ["¶年假五天。 [1]", "须提前申请。 [2]"]),
    "several": ("It is so [1][3], [2, 5] and [6-8].", ["¶It is so, and. [1][2][3][5][6][7][8]"]),
    "with a word": ("It is so [passage 2].", ["¶It is so. [2]"]),
    "twice": ("It is so [2] and so [2].", ["¶It is so and so. [2]"]),
    "in lines": ("- One [1]\n2. Two [2].\n\n**Three** [3]", ["¶One [1]", "¶Two. [2]", "¶Three [3]"]),
    "abbreviated": ("See Art. 5 of No. 7, e.g. p. 3.5 [1].", ["¶See Art. 5 of No. 7, e.g. p. 3.5. [1]"]),
    "beside a number of a document": ("依据银发[2023]15号[1]。", ["¶依据银发[2023]15号。 [1]"]),
    "after thoughts": ("<think>\nPerhaps [1].\n</think>\n\nIt is so [2].", ["¶It is so. [2]"]),
    "after thoughts that began before": ("Hm, hm\n</think>It is so [2].", ["¶It is so. [2]"]),
    "as text, whatever it is": ("<b>So</b> [1]!", ["¶<b>So</b>! [1]"]),
}


@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize(("text", "sentences"), CITED.values(), ids=CITED)
def test_a_sentence_comes_with_the_passages_that_it_cites(text: str, sentences: list[str], pieces: int) -> None:
    found, reader = read(text, pieces=pieces)
    assert found == sentences
    assert not reader.dropped


INVENTED = ["[9]", "[0]", "[99]", "[1234]", "【12】", "[passage 9]", "[^9]", "[9, 10]", "[9–12]"]


@pytest.mark.parametrize("citation", INVENTED)
def test_a_citation_of_no_passage_is_none(citation: str) -> None:
    found, reader = read(f"It is so {citation}. Also this {citation}[2]. Nothing says this.")
    assert found == ["¶Also this. [2]"]
    assert reader.dropped == 2


def test_that_it_does_not_know_is_no_sentence() -> None:
    for text in ("NO_ANSWER", "NO_ANSWER.", "**NO_ANSWER** [1]"):
        found, reader = read(text)
        assert (found, reader.says_no, reader.dropped) == ([], True, 0)


def test_half_a_sentence_is_none() -> None:
    assert read("It is so [1]. And also [2", complete=False)[0] == ["¶It is so. [1]"]
    assert read("It is so [1]. And also [2].", complete=False)[0] == ["¶It is so. [1]", "And also. [2]"]
    assert read("<think>It is so [1].", complete=False)[0] == []


@given(st.text("ab1 .。[]【】,-\nN<>think/_", max_size=60), st.integers(1, 9))
def test_nothing_breaks_it_and_no_number_is_invented(text: str, pieces: int) -> None:
    reader = SentenceReader({1})
    found = [one for at in range(0, len(text), pieces) for one in reader.read(text[at : at + pieces])]
    found += reader.end(complete=True)
    assert all(one.citations == (1,) and "[1]" not in one.text for one in found)
