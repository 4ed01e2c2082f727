"""Questions that touch stay together, what is frozen stays frozen, and what leaks is named."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kb_pipeline.quality.splits import leaks, split
from kb_pipeline.store.quality.questions import Answer, Question


def about(number: int, *documents: str, **more: str) -> Question:
    words = f"alpha{number} beta{number} gamma{number}"
    return Question(words, tuple(Answer(document) for document in documents), **more)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sets(st.integers(0, 60), min_size=1, max_size=2), min_size=30, max_size=60))
def test_no_document_is_on_both_sides(documents: list[set[int]]) -> None:
    questions = [about(number, *map(str, found)) for number, found in enumerate(documents)]
    parts = split(questions)
    clusters = {tuple(sorted(found)) for found in documents}
    if len(clusters) > 1 and not leaks(parts):
        test = {answer.path for part in parts if part.split == "test" for answer in part.answers}
        seen = {answer.path for part in parts if part.split in ("tune", "dev") for answer in part.answers}
        assert not test & seen


def test_shares_are_about_as_wanted() -> None:
    parts = [part.split for part in split([about(number, str(number)) for number in range(1000)])]
    assert 340 < parts.count("tune") < 460
    assert 150 < parts.count("dev") < 250
    assert 340 < parts.count("test") < 460


def test_questions_that_say_nearly_the_same_stay_together() -> None:
    questions = [
        Question("How many days of annual leave may be carried over?", (Answer("a"),)),
        Question("How many days of annual leave may be carried over to 2026?", (Answer("b"),)),
        *(about(number, str(number)) for number in range(20)),
    ]
    parts = split(questions)
    assert parts[0].split == parts[1].split


def test_what_has_a_split_keeps_it_and_draws_its_neighbours() -> None:
    known = [about(1, "a", split="test"), about(2, "b", split="tune"), *(about(n, str(n)) for n in range(10, 20))]
    parts = split([*known, about(3, "a"), about(4, "a", "b"), about(5, "b")])
    assert [part.split for part in parts[:2]] == ["test", "tune"]
    # the fourth joins both: it, and what hangs on it anew, can be in neither
    assert parts[-2].split == "unused"
    assert not leaks(parts)


def test_a_document_that_answers_everything_is_said_to_leak() -> None:
    parts = split([about(number, "handbook", str(number)) for number in range(40)])
    assert {part.split for part in parts} == {"tune", "dev", "test"}
    found = leaks(parts)
    assert len(found) == sum(part.split == "test" for part in parts)
    assert {leak.shared for leak in found} == {"handbook"}


def test_what_a_model_wrote_never_decides() -> None:
    written = [about(number, str(number), provenance="synthetic") for number in range(100)]
    assert {part.split for part in split(written)} == {"tune", "dev"}
    beside = split([about(1, "a", split="test"), replace(written[5], answers=(Answer("a"),)), *written[10:20]])
    assert beside[1].split == "unused"


def test_splitting_again_changes_nothing() -> None:
    once = split([about(number, str(number // 2)) for number in range(50)])
    assert split(once) == once
