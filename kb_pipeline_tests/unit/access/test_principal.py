"""What a principal may, and the condition that its queries carry."""

from __future__ import annotations

import pytest

from kb_pipeline.access.keys import duration
from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.errors import Forbidden, SettingsError
from kb_pipeline.store.conditions import And, Column, Membership, ReadableBy

LEGAL = Principal(
    "key:legal", ("legal", "cafe\u0301"), collections=("contracts", "cases"), rights=frozenset({"search"})
)


def test_a_right_that_it_lacks_is_named() -> None:
    LEGAL.require("search")
    with pytest.raises(Forbidden, match="key:legal may not do this: it needs the right read"):
        LEGAL.require("read")


def test_its_grant_is_part_of_every_query() -> None:
    readable = ReadableBy(("everyone", "legal", "caf\u00e9"))
    assert LEGAL.condition() == And(Membership(Column("collection"), ("contracts", "cases")), readable)
    assert Principal("key:x", ("legal", "cafe\u0301")).condition() == readable
    assert Principal("key:x").condition() == ReadableBy(("everyone",))
    assert ANYONE.condition() is None


@pytest.mark.parametrize(
    ("asked", "read_by"),
    [
        ((), ("contracts", "cases")),
        (("cases",), ("cases",)),
        (("cases", "secret"), ("cases",)),
        (("secret",), ("contracts", "cases")),
        (("no such",), ("contracts", "cases")),
    ],
)
def test_a_collection_out_of_reach_is_as_one_that_does_not_exist(
    asked: tuple[str, ...], read_by: tuple[str, ...]
) -> None:
    assert LEGAL.among(asked) == read_by
    assert ANYONE.among(asked) == asked


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("30m", 1_800), ("2w", 1_209_600), ("never", None)]
)
def test_a_duration_has_a_unit(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1y", "d", "1.5d", "9999999d"])
def test_another_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="90d"):
        duration(text)
