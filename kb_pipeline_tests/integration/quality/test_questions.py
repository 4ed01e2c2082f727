"""Evaluation sets in the database: found again after every change of documents, masked, and their state said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.questions import import_questions, show
from kb_pipeline.store.quality import questions as store

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.sites import TestSite

LEAVE = "# 休假\n\n" + "员工每年可以休假,具体天数按照工龄计算。" * 12 + "\n\n年假至多可以结转 5 天至次年三月。\n"
PHONE = "# Contact\n\nThe duty phone of the data centre is 138 1234 5678, at any hour.\n"


def given(tmp_path: Path, *entries: dict[str, str]) -> Path:
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(entries))
    return file


def state(kb: TestSite) -> dict[str, tuple[int, bool]]:
    """Question -> how many places it has, and whether one is split."""
    return {found.question.question: (len(found.places), found.is_split) for found in show(kb.site, "asked").located}


def test_answers_outlive_another_chunking_and_a_move_but_no_deletion(kb: TestSite, tmp_path: Path) -> None:
    kb.write("policies/leave.md", LEAVE)
    kb.write("policies/other.md", "# Other\n\nNothing about leave is said here.\n")
    kb.refresh()
    by_name = {"question": "年假可以结转几天?", "document": "leave", "quote": "至多可以结转 5 天"}
    by_quote = {"question": "何时之前要休完?", "quote": "年假至多可以结转 5 天至次年三月"}
    result = import_questions(kb.site, given(tmp_path, by_name, by_quote), "asked")
    assert (result.questions, result.new, result.unfound) == (2, 2, 0)
    questions = store.questions_of(kb.connection, "asked")
    assert {answer.path for question in questions for answer in question.answers} == {"policies/leave.md"}
    whole = {"年假可以结转几天?": (1, False), "何时之前要休完?": (1, False)}
    assert state(kb) == whole

    before = show(kb.site, "asked").located[0].places[0].passages
    kb.reopen(chunking={"max_characters": 200})
    kb.refresh()
    assert state(kb) == whole
    assert show(kb.site, "asked").located[0].places[0].passages != before

    kb.move("policies/leave.md", "hr/leave.md")
    kb.refresh()
    assert state(kb) == whole

    (kb.documents / "hr/leave.md").unlink()
    kb.refresh(allow_mass_delete=True)
    assert show(kb.site, "asked").coverage == 0
    assert store.sets(kb.connection)[0].gone == 2

    kb.write("policies/leave.md", LEAVE)  # the same path again, another document
    kb.refresh()
    assert state(kb) == whole


def test_personal_data_is_masked_before_it_is_stored(kb: TestSite, tmp_path: Path) -> None:
    kb.write("ops/contact.md", PHONE)
    kb.refresh()
    entry = {"question": "Is 138 1234 5678 the duty phone?", "document": "contact.md", "quote": PHONE.split("\n")[2]}
    import_questions(kb.site, given(tmp_path, entry), "asked")
    stored = json.dumps(
        kb.connection.execute(
            "SELECT question, quote FROM evaluation_questions q JOIN evaluation_answers a ON a.question_id = q.id"
        ).fetchall()
    )
    assert "1234" not in stored
    (located,) = show(kb.site, "asked").located
    assert len(located.places) == 1
    assert not located.is_split


def test_importing_again_corrects_the_answers_and_keeps_the_splits(kb: TestSite, tmp_path: Path) -> None:
    for number in range(12):
        kb.write(f"a/n{number}.md", f"# Note {number}\n\nThe meeting {number} is in room {number}.\n")
    kb.refresh()
    wrong = [{"question": f"Where does group g{n} meet?", "document": f"n{(n + 1) % 12}.md"} for n in range(12)]
    import_questions(kb.site, given(tmp_path, *wrong), "asked")
    before = {question.question: question.split for question in store.questions_of(kb.connection, "asked")}
    right = [{"question": f"Where does group g{n} meet?", "document": f"n{n}.md"} for n in range(12)]
    assert import_questions(kb.site, given(tmp_path, *right), "asked").new == 0
    after = store.questions_of(kb.connection, "asked")
    assert {question.question: question.split for question in after} == before
    assert all(f"g{question.answers[0].path[3:-3]} " in question.question for question in after)  # type: ignore[index]


def test_what_is_not_here_is_counted(kb: TestSite, tmp_path: Path) -> None:
    kb.write("a.md", "# A\n\nText.\n")
    kb.refresh()
    assert import_questions(kb.site, given(tmp_path, {"question": "q", "document": "gone.md"}), "asked").unfound == 1
    assert show(kb.site, "asked").coverage == 0
    with pytest.raises(SettingsError, match="There is no evaluation set other; there are: asked"):
        show(kb.site, "other")
    with pytest.raises(SettingsError, match="up to 64 letters"):
        import_questions(kb.site, given(tmp_path), "a b")
