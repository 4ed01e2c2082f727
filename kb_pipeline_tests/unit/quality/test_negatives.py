"""No negative is an answer that nobody marked, as far as text, place and score can tell."""

from __future__ import annotations

from kb_pipeline.quality.negatives import PER_QUESTION, Candidate, hard_negatives


def passage(
    document: int, ordinal: int, score: float, text: str = "", *, section: str = "", wrong: bool = False
) -> Candidate:
    content = text or f"passage {document} {ordinal} says something else of {document * 17 + ordinal}"
    return Candidate(
        document, f"{document}-{ordinal}", ordinal, (section,) if section else (), "a.md", content, score, wrong
    )


POSITIVE = passage(1, 5, 0.9, "The fee for a large safe is 1,200 yuan a year.", section="fees")


def kept(*candidates: Candidate) -> list[str]:
    return [negative.passage.chunk_key for negative in hard_negatives([POSITIVE], [POSITIVE, *candidates])]


def test_what_may_be_an_answer_is_left_out() -> None:
    assert kept(passage(2, 1, 0.80)) == ["2-1"]
    assert kept(passage(2, 1, 0.86)) == []  # above 95 % of the positive's score
    assert kept(passage(2, 1, 0.80, "The fee for a large safe is 1,200 yuan a year!")) == []  # says the same
    assert kept(passage(2, 1, 0.80, "The fee for a large safe is 1,300 yuan a year.")) == ["2-1"]  # another amount
    assert kept(passage(1, 6, 0.80)) == []  # next to it
    assert kept(passage(1, 9, 0.80, section="fees")) == []  # of its section
    assert kept(passage(1, 9, 0.80, section="other")) == ["1-9"]


def test_similarities_count_from_that_to_passages_of_no_concern() -> None:
    near = [passage(2, 1, 0.88), passage(3, 1, 0.86)]  # with e5, what has nothing to do with a question has .75
    found = hard_negatives([POSITIVE], near, unrelated=0.75)
    assert [negative.passage.chunk_key for negative in found] == ["2-1", "3-1"]
    assert hard_negatives([POSITIVE], [passage(2, 1, 0.895)], unrelated=0.75) == ()


def test_the_hardest_come_first_and_copies_once() -> None:
    copies = [
        passage(number, 1, 0.8, "A long text that stands in many folders, word for word.") for number in (3, 4, 5)
    ]
    assert kept(passage(2, 1, 0.7), *copies, passage(6, 1, 0.75)) == ["3-1", "6-1", "2-1"]
    assert len(kept(*(passage(number, 1, 0.5 + number / 100) for number in range(2, 20)))) == PER_QUESTION


def test_what_people_judged_wrong_comes_first_whatever_its_score() -> None:
    negatives = hard_negatives([POSITIVE], [passage(2, 1, 0.8), passage(3, 1, 0.95, wrong=True)])
    assert [(negative.passage.chunk_key, negative.why) for negative in negatives] == [
        ("3-1", "judged"),
        ("2-1", "mined"),
    ]
    assert hard_negatives([POSITIVE], [passage(1, 5, 0.9, POSITIVE.content, wrong=True)]) == ()


def test_a_margin_and_a_second_opinion_keep_out_more() -> None:
    candidates = [passage(2, 1, 0.84), passage(3, 1, 0.70)]
    assert len(hard_negatives([POSITIVE], candidates, margin=0.1)) == 1
    negatives = hard_negatives([POSITIVE], candidates, confirmed=lambda found: found[1:])
    assert [negative.passage.chunk_key for negative in negatives] == ["3-1"]


def test_without_an_answer_nothing_is_wrong() -> None:
    assert hard_negatives([], [passage(2, 1, 0.8)]) == ()
