"""What a message says, in the forms that receivers take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kb_pipeline.alerts.message import HEADINGS, LONGEST_TEXT, Condition, Digest, body, text, untold

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LINKS = {"Overview": "https://kb.example.com/#/overview", "Dagster": "https://dagster.example.com"}


def failed(*names: str) -> list[Condition]:
    return [Condition("documents", f"{number}/parse", "v1", name, "Broken") for number, name in enumerate(names)]


def digest(conditions: list[Condition], **known: int) -> Digest:
    return Digest(conditions, {kind: known[kind] for kind in HEADINGS if kind in known}, AT, LINKS)


def test_a_message_counts_names_five_of_each_kind_and_leads_to_the_page_and_dagster() -> None:
    held = Condition("deletions", "/srv/docs", "held", "/srv/docs", "60 files are gone")
    said = text(digest([*failed(*"abcdefg"), held], documents=12, deletions=1))
    assert said.splitlines() == [
        "kb_pipeline: 7 documents failed, 1 source whose deletions are held",
        "Documents failed: 7 new, 12 in all",
        *(f"- {name} (Broken)" for name in "abcde"),
        "- and 2 more",
        "Source whose deletions are held: 1 new, 1 in all",
        "- /srv/docs (60 files are gone)",
        "Overview: https://kb.example.com/#/overview",
        "Dagster: https://dagster.example.com",
    ]


def test_the_plain_form_has_the_same_for_programs() -> None:
    assert body(digest(failed("a.pdf"), documents=3), "json") == {
        "text": text(digest(failed("a.pdf"), documents=3)),
        "at": "2026-01-02T03:04:00+00:00",
        "alerts": {"documents": {"new": 1, "all": 3, "notes": {"Broken": 1}, "examples": ["a.pdf"]}},
        "links": LINKS,
    }


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("slack", {"text": "T"}),
        ("feishu", {"msg_type": "text", "content": {"text": "T"}}),
        ("dingtalk", {"msgtype": "text", "text": {"content": "T"}}),
        ("wecom", {"msgtype": "text", "text": {"content": "T"}}),
    ],
)
def test_chat_groups_take_a_text_each_in_its_own_place(form: Any, shape: dict[str, Any]) -> None:
    plain = digest(failed("a.pdf"), documents=1)

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(below) for key, below in value.items()}
        return text(plain) if value == "T" else value

    assert body(plain, form) == filled(shape)


@pytest.mark.parametrize("form", ["slack", "feishu"])
def test_a_file_name_calls_nobody_in_a_chat_group(form: Any) -> None:
    said = str(body(digest(failed('<!channel> <at user_id="all">'), documents=1), form))
    assert "<" not in said


def test_a_message_stays_below_what_receivers_take_whatever_the_names_are() -> None:
    conditions = [
        Condition(kind, str(number), "v1", "名" * 500 + "\n" + str(number)) for kind in HEADINGS for number in range(9)
    ]
    said = text(digest(conditions, documents=9, deletions=9, checks=9, runs=9))
    assert len(said.encode()) <= LONGEST_TEXT
    assert said.endswith("Dagster: https://dagster.example.com")
    assert "名…" in said


def test_only_another_state_is_new() -> None:
    a, b = failed("a", "b")
    assert untold([a, b], {}) == [a, b]
    assert untold([a, b], {a.key: "v1", b.key: "v0"}) == [b]
