"""A company's own terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.chunking.lexemes import Term
from kb_pipeline.errors import SettingsError
from kb_pipeline.search.glossary import NO_GLOSSARY, Glossary, Group, hints, load_glossary

if TYPE_CHECKING:
    from pathlib import Path

SLA = Group(("SLA", "服务水平协议", "service level agreements"))
RISK = Group(("T1", "tier-one capital"), frozenset({"risk"}))
GLOSSARY = Glossary([SLA, RISK])


def looked_up_by(text: str, *collections: str) -> set[str]:
    return {term.lexeme for term in GLOSSARY.expansion(text, collections)}


def test_a_question_is_looked_up_by_what_means_the_same_for_half() -> None:
    assert {"服务", "协议", "servic", "agreement"} <= looked_up_by("what does the SLA promise")
    assert "sla" in looked_up_by("服務水平協議的罰則")
    assert Term("sla", 0.5, asked=False) in GLOSSARY.expansion("a service level agreement", ())
    assert all(term.weight <= 0.5 / 3 for term in GLOSSARY.expansion("the SLA", ()))


def test_a_term_is_found_as_a_whole_only() -> None:
    assert not looked_up_by("the level of the service")
    assert not looked_up_by("slab")


def test_words_of_the_question_stay_as_they_are() -> None:
    assert "servic" not in looked_up_by("SLA of the cleaning service")


def test_a_group_may_hold_for_some_collections() -> None:
    assert looked_up_by("T1 ratio", "risk", "legal")
    assert looked_up_by("T1 ratio")
    assert not looked_up_by("T1 ratio", "legal")


def test_a_file_is_read_and_read_again_when_it_changed(tmp_path: Path) -> None:
    assert load_glossary(None) is NO_GLOSSARY
    file = tmp_path / "glossary.yaml"
    file.write_text("- [SLA, 服务水平协议]\n- terms: [T1, tier-one capital]\n  collections: [risk]\n")
    assert load_glossary(file).groups == (Group(("SLA", "服务水平协议")), RISK)
    file.write_text("")
    assert load_glossary(file).groups == ()


@pytest.mark.parametrize(
    "text", ["a: b", "- [one]", "- [1, 2]", "- {terms: [a, b], x: 1}", "- [a", "- a", "- !!python/none"]
)
def test_what_is_no_glossary_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "glossary.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="glossary") as error:
        load_glossary(file)
    assert "\n" not in str(error.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_glossary(tmp_path / "none.yaml")


def test_hints_name_what_helps_nobody() -> None:
    glossary = Glossary([SLA, Group(("sla", "OLA", "OLA", "?!")), RISK])
    found = hints(glossary, {"sla", "t1", "ola"}, ["legal"])
    assert "'sla' stands in two groups; join them if all of it means the same." in found
    assert "'OLA' stands twice in one group." in found
    assert "'?!' has no word that could be looked up." in found
    assert "'服务水平协议' occurs nowhere in the knowledge base." in found
    assert "There is no collection risk." in found
    assert not any("'T1'" in hint for hint in found)
