"""The measures are trec_eval's: equal to ir_measures on what is exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb_pipeline.quality.evaluation import Evaluation, Outcome
from kb_pipeline.quality.measures import Measured, measured, ranked
from kb_pipeline.quality.places import Located, Place
from kb_pipeline.quality.runs import qrels, run
from kb_pipeline.store.quality.questions import Question

RECORDED = Path(__file__).parents[2] / "data" / "ir_measures.json"


def place(*keys: str, grade: int = 1, is_split: bool = False) -> Place:
    return Place(frozenset((1, key) for key in keys), grade, is_split)


def shown(*keys: str) -> frozenset[tuple[int, str]]:
    return frozenset((1, key) for key in keys)


def outcome(number: int, places: list[Place], hits: list[str]) -> Outcome:
    found = ranked(places, [shown(key) for key in hits])
    return Outcome(Located(Question("q", (), id=number), tuple(places)), (), found, measured(places, found))


def test_equal_to_ir_measures_on_exported_runs() -> None:
    """What ir_measures 0.4.3 said of these questions, exported by `quality.runs`."""
    recorded = json.loads(RECORDED.read_text())
    for number, each in enumerate(recorded, start=1):
        places = [place(str(key), grade=grade) for key, grade in enumerate(each["grades"])]
        found = outcome(number, places, [str(key) for key in each["hits"]]).measured
        assert {name: found.value(name) for name in each["measures"]} == pytest.approx(each["measures"], abs=1e-6)


def test_what_is_exported_is_in_the_form_of_trec() -> None:
    evaluation = Evaluation("g1", (outcome(7, [place("a", grade=2), place("b")], ["x", "b"]),), {"all": (7,)}, ())
    assert qrels(evaluation) == "7 0 place-0 2\n7 0 place-1 1\n"
    assert run(evaluation) == "7 Q0 hit-1 1 10 g1\n7 Q0 place-1 2 9 g1\n"


def test_a_place_counts_once_and_by_any_of_its_passages() -> None:
    places = [place("a", "b"), place("c", is_split=True)]
    found = ranked(places, [shown("x"), shown("b"), shown("a"), shown("y", "c")])
    assert found == [None, 0, None, 1]
    assert measured(places, found).ranks == (2, 4)
    assert measured(places, found).value("split") == 1


def test_what_lies_deeper_than_ten_is_not_found() -> None:
    found = [None] * 10 + [0]
    assert measured([place("a")], found) == Measured((), 1, 0.0, is_split=False)
