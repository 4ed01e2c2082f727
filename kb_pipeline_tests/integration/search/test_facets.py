"""Facets count what a search with the same filter could find, for the same principal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.search import mask_query
from kb_pipeline.search.facets import Facets, facets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline_tests.sites import TestSite

DECLARED = {"tag": "text", "date": "date", "amount": "number", "draft": "boolean", "groups": "list of text"}
SAID = {
    "hr/a": "tag: x\ngroups: [p, q, q]\ndate: 2024-01-02\namount: 3",
    "hr/b": "tag: x\ngroups: [q]\namount: 3.5\ndraft: true",
    "law/c": "tag: y\nfield: of nobody",
    "law/d": "",
}


@pytest.fixture
def filled(kb: TestSite) -> TestSite:
    kb.reopen(fields=DECLARED)
    for name, said in SAID.items():
        kb.write(f"{name}.md", f"# One\n\nA passage of {name}.\n\n# Two\n\nAnother passage.\n")
        kb.write(f"{name}.md.meta.yaml", said)
    kb.refresh()
    return kb


def counted(kb: TestSite, *names: str, principal: Principal = ANYONE, **options: Any) -> Facets:
    def mask(text: str, collections: Sequence[str]) -> list[str]:
        return mask_query(kb.site, text, collections)

    return facets(kb.connection, principal, names, mask=mask, **options)


def plain(found: Facets) -> Mapping[str, list[tuple[Any, int]]]:
    return {name: [(value.value, value.documents) for value in values] for name, values in found.facets.items()}


def test_each_value_counts_the_documents_that_have_it(filled: TestSite) -> None:
    found = counted(filled)
    assert found.documents == 4
    assert plain(found) == {
        "tag": [("x", 2), ("y", 1)],
        "date": [("2024-01-02", 1)],
        "amount": [(3, 1), (3.5, 1)],
        "draft": [(True, 1)],
        "groups": [("q", 2), ("p", 1)],
        "collection": [("hr", 2), ("law", 2)],
    }


def test_a_filter_and_a_grant_leave_out_what_a_search_would(filled: TestSite) -> None:
    assert plain(counted(filled, "tag", where="amount > 3")) == {"tag": [("x", 1)]}
    assert plain(counted(filled, "collection", where="section_title = 'Two' and tag = 'y'")) == {
        "collection": [("law", 1)]
    }
    reader = Principal("reader", collections=("law",))
    seen = counted(filled, "tag", "collection", principal=reader)
    assert (seen.documents, plain(seen)) == (2, {"tag": [("y", 1)], "collection": [("law", 2)]})
    assert counted(filled, "tag", principal=reader, collections=["hr"]) == Facets(0, {"tag": ()})
    assert plain(counted(filled, "collection", collections=["hr"])) == {"collection": [("hr", 2)]}


def test_the_most_frequent_come_first_and_no_more_than_asked_for(filled: TestSite) -> None:
    assert plain(counted(filled, "groups", most=1)) == {"groups": [("q", 2)]}


def test_an_unknown_field_is_answered_with_the_known_ones(filled: TestSite) -> None:
    with pytest.raises(SettingsError, match=r"no field tags to count; there are: tag, date, .*groups, collection\."):
        counted(filled, "tags")
    with pytest.raises(SettingsError, match="no column tags"):
        counted(filled, "tag", where="tags = 'x'")


def test_before_the_first_document_there_is_nothing_to_count(kb: TestSite) -> None:
    assert counted(kb, "collection") == Facets(0, {"collection": ()})
