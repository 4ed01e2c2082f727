"""The quality loop as assets: figures that become plots, a check that fails on a drop, and no text in the history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kb_pipeline.definitions import defs
from kb_pipeline.operations.questions import import_questions
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg
    import pytest

    from kb_pipeline_tests.integration.defs.conftest import Workplace

COUNT = 40


def evaluated(site: Workplace) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("evaluate").execute_in_process(instance=site.instance)


def test_the_sets_are_measured_and_a_drop_fails_the_check(
    site: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = evaluated(site)
    assert nothing.success

    for number in range(COUNT):
        site.write(f"n{number}.md", f"# Item m{number}z\n\nWhat is said about m{number}z here.\n")
    site.run()
    file = tmp_path / "items.json"
    file.write_text(json.dumps([{"question": f"m{n}z item", "document": f"n{n}.md"} for n in range(COUNT)]))
    with open_site(load_settings()) as opened:
        import_questions(opened, file, "items")

    first = evaluated(site)
    (event,) = first.asset_materializations_for_node("retrieval_evaluation")
    assert event.metadata["recall_at_10"].value == 1
    assert event.metadata["asked"].value == COUNT
    assert all(check.passed for check in first.get_asset_check_evaluations())
    (mined,) = first.asset_materializations_for_node("hard_negatives")
    assert mined.metadata["questions"].value == site.sql("SELECT count(*) FROM triplets")[0][0] > 0
    assert "m7z" not in str([event.metadata, mined.metadata])
    tuned = defs.resolve_job_def("tune_model").execute_in_process(instance=site.instance)
    (model,) = tuned.asset_materializations_for_node("tuned_model")
    assert model.metadata["kept"].value is False
    assert "tuning needs 50" in str(model.metadata["reason"].value)

    monkeypatch.setenv("KB_SEARCH__FUSION_WEIGHT", "1")  # by the vectors alone, which mean nothing here
    second = evaluated(site)
    assert second.success  # it warns and stops nothing
    (check,) = second.get_asset_check_evaluations()
    assert not check.passed
    assert "items -" in str(check.metadata["ndcg_at_10"].value)
