"""Which ranked passages become hits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.selection import Candidate, folded, full_documents, selected
from kb_pipeline.store.search import Row

ROW = Row(0, "", "a.md", None, None, None, [], "c", 1, "k", 0, "en", {})


def candidates(*places: tuple[int, int]) -> list[Candidate]:
    """One for each (document, ordinal), the best first."""
    return [
        Candidate(replace(ROW, id=number, document_id=document, ordinal=ordinal), 1 / (number + 1))
        for number, (document, ordinal) in enumerate(places)
    ]


def places(found: list[Candidate], **options: object) -> list[list[tuple[int, int]]]:
    groups = selected(found, SearchRequest("q", **{"k": 3} | options))  # type: ignore[arg-type]
    return [[(part.row.document_id, part.row.ordinal) for part in group.parts] for group in groups]


def test_a_document_has_at_most_so_many_hits() -> None:
    found = candidates((1, 0), (1, 5), (2, 0), (1, 9), (3, 0))
    assert places(found) == [[(1, 0)], [(1, 5)], [(2, 0)]]
    assert places(found, per_document=1) == [[(1, 0)], [(2, 0)], [(3, 0)]]
    assert full_documents(found, SearchRequest("q", per_document=2)) == (1,)


def test_neighbours_become_one_hit_where_the_best_of_them_stands() -> None:
    found = candidates((1, 4), (2, 0), (1, 6), (1, 5), (2, 1), (3, 3), (3, 5))
    assert places(found, merge=True, k=4) == [[(1, 4), (1, 5), (1, 6)], [(2, 0), (2, 1)], [(3, 3)], [(3, 5)]]
    assert places(found, merge=True, per_document=1) == [[(1, 4), (1, 5)], [(2, 0), (2, 1)], [(3, 3)]]


def test_copies_are_named_by_the_best_of_them() -> None:
    texts = ["pump", "valve", "Pump!", "pump"]
    found = [
        Candidate(replace(candidate.row, content=text), 1.0)
        for candidate, text in zip(candidates((1, 0), (2, 0), (3, 0), (4, 0)), texts, strict=True)
    ]
    assert [(kept.row.document_id, [copy.document_id for copy in kept.copies]) for kept in folded(found)] == [
        (1, [3, 4]),
        (2, []),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), unique=True, max_size=30),
    st.integers(1, 8),
    st.none() | st.integers(1, 3),
    st.booleans(),
)
def test_limits_hold_and_nothing_is_shown_twice(
    ranked: list[tuple[int, int]], k: int, per_document: int | None, merge: bool
) -> None:
    shown = places(candidates(*ranked), k=k, per_document=per_document, merge=merge)
    parts = [place for group in shown for place in group]
    assert len(shown) <= k
    assert len(parts) == len(set(parts))
    assert set(parts) <= set(ranked)
    for document in {place[0] for place in parts}:
        groups = [group for group in shown if group[0][0] == document]
        assert per_document is None or len(groups) <= per_document
        ordinals = sorted(ordinal for group in groups for _, ordinal in group)
        starts = [group[0][1] for group in groups]
        if merge:
            assert len(groups) == 1 + sum(after - before > 1 for before, after in pairwise(ordinals))
        assert len(starts) == len(set(starts))
