"""Who may read a document, by what is said of it."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import BadSidecar
from kb_pipeline.fields.groups import OPEN, Readers, closed, may_name_groups, named, readers
from kb_pipeline.fields.layers import Layer
from kb_pipeline.fields.sidecars import read_sidecar
from kb_pipeline.fields.values import Written


def test_the_nearest_place_that_names_groups_decides_alone() -> None:
    near, far = Layer("a.md.meta.yaml", {"groups": ["hr"]}), Layer("_meta.yaml", {"groups": "legal; board", "tag": "x"})
    assert readers([near, far]) == Readers(("hr",), "a.md.meta.yaml")
    assert readers([Layer("a.md.meta.yaml", {"tag": "x"}), far]) == Readers(("legal", "board"), "_meta.yaml")
    assert readers([Layer("_meta.yaml", {"tag": "x"})]) == OPEN
    assert readers([Layer("a.md.meta.yaml", {"groups": "everyone"}), far]).groups == OPEN.groups


@pytest.mark.parametrize("written", ["", " ", ";", [], [""], [" "], "x" * 501, [f"g{n}" for n in range(201)]])
def test_what_names_no_group_opens_nothing(written: Written) -> None:
    assert named(written) is None
    assert readers([Layer("a", {"groups": written}), Layer("b", {"groups": "everyone"})]) == Readers((), "a")


def test_what_is_closed_keeps_the_rest() -> None:
    assert readers([Layer("a", closed({"tag": "x", "groups": "everyone"}))]).groups == ()
    assert closed({"tag": "x"})["tag"] == "x"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "groups:"),
        ("a.yaml", "Groups: null"),
        ("a.yaml", "groups: {hr: true}"),
        ("a.yaml", "groups: [[hr]]"),
        ("a.json", '{"groups": []}'),
        ("a.json", '{"groups": {"any": ["hr"]}}'),
        ("a.json", '{"GROUPS": ""}'),
    ],
)
def test_a_sidecar_that_says_groups_and_names_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadSidecar, match="names no group"):
        read_sidecar(text.encode(), name)


@pytest.mark.parametrize(
    ("data", "may"),
    [
        (b"tag: [", False),
        (b"", False),
        (b"groups: [hr", True),
        (b"GROUPS = hr", True),
        ("groups: [".encode("utf-16"), True),
        ("groups: [".encode("utf-16-le"), True),
        (b'{"\\u0067roups": ["hr"', True),
        (b"\xff\xfe\x00", False),
        ("负责人: [".encode("gb18030") + b"\ngroups: hr", True),
    ],
)
def test_a_file_that_cannot_be_used_may_have_named_groups(data: bytes, *, may: bool) -> None:
    assert may_name_groups(data) is may
