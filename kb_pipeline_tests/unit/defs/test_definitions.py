"""What Dagster loads: everything there is, by name, and nothing that it warns about."""

from __future__ import annotations

import warnings
from datetime import timedelta

import dagster as dg
import pytest

from kb_pipeline.definitions import defs
from kb_pipeline.defs.build import build_defs
from kb_pipeline.defs.placement import ASSETS
from kb_pipeline.defs.sensors import WORK_TAG, _nothing_new, run_requests
from kb_pipeline.settings import load_settings
from kb_pipeline.stages.planning import Plan

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def test_five_assets_follow_one_another_and_three_are_about_their_quality() -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): (
            sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            sorted(graph.get(key).pools or ()),
            sorted(graph.get(key).kinds),
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == {
        "raw_documents": ([], [], ["postgres", "python"]),
        "cleaned_elements": (["raw_documents"], [], ["postgres", "python"]),
        "chunks": (["cleaned_elements"], [], ["postgres", "python"]),
        "embeddings": (["chunks"], ["gpu"], ["postgres", "python"]),
        "knowledge_chunks": (["embeddings"], [], ["postgres", "python"]),
        "retrieval_evaluation": (["knowledge_chunks"], [], ["postgres", "python"]),
        "hard_negatives": (["knowledge_chunks"], [], ["postgres", "python"]),
        "tuned_model": (["hard_negatives"], ["gpu"], ["python", "pytorch"]),
    }


def test_every_asset_says_what_it_is_and_runs_a_range_of_sixteen_shards_at_once() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        asset = graph.get(key)
        assert asset.description
        assert asset.group_name == ("knowledge_base" if key.path[-1] in ASSETS else "knowledge_base_quality")
        assert list(asset.owners) == []  # nobody is named where the settings name nobody
        assert asset.code_version
        if key.path[-1] not in ASSETS:
            continue
        assert asset.partitions_def is not None
        assert asset.partitions_def.get_partition_keys() == list("0123456789abcdef")
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_the_table_is_late_when_a_night_was_missed() -> None:
    policy = defs.resolve_asset_graph().get(dg.AssetKey("knowledge_chunks")).freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=26))


def test_checks_that_guard_the_next_asset_block_and_the_others_do_not() -> None:
    blocking = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking
        for checks in defs.asset_checks or ()
        for spec in getattr(checks, "check_specs", ())
    }
    assert blocking == {
        ("embeddings", "vectors_are_sound"): True,
        ("knowledge_chunks", "counts_agree"): True,
        ("cleaned_elements", "failure_rate"): False,
        ("chunks", "nothing_is_unmasked"): False,
        ("knowledge_chunks", "no_orphans"): False,
        ("knowledge_chunks", "golden_questions"): False,
        ("retrieval_evaluation", "no_significant_drop"): False,
    }


def test_jobs_sensor_and_schedules_are_there_and_on() -> None:
    repository = defs.get_repository_def()
    jobs = {name for name in repository.job_names if not name.startswith("__")}
    of_generations = {"build_generation", "activate_generation", "roll_back_generation", "drop_generation"}
    assert jobs == {"refresh", "re_embed", "dimension_curve", "evaluate", "tune_model"} | of_generations
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert sensors.keys() == {"dropped_files", "alerts"}
    assert sensors["dropped_files"].job_name == "refresh"
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert {name: schedule.job_name for name, schedule in schedules.items()} == {
        "nightly_sweep": "refresh",
        "weekly_re_embedding": "re_embed",
        "weekly_evaluation": "evaluate",
    }
    for schedule in schedules.values():
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == {
        "nightly_sweep": "30 2 * * *",
        "weekly_re_embedding": "0 3 * * 0",
        "weekly_evaluation": "0 5 * * 0",
    }
    assert all(defs.resolve_job_def(name).description for name in jobs)
    assert all(schedule.description for schedule in schedules.values())
    assert all(sensor.description for sensor in sensors.values())


@pytest.mark.parametrize("name", ["nightly_sweep", "weekly_re_embedding"])
def test_a_schedule_asks_for_one_run_over_all_shards(name: str) -> None:
    schedule = defs.get_repository_def().get_schedule_def(name)
    result = schedule.evaluate_tick(dg.build_schedule_context())
    (request,) = result.run_requests or ()
    assert (request.tags[FIRST], request.tags[LAST]) == ("0", "f")
    assert request.run_key is None  # a key would be remembered, and the next night skipped


def test_the_work_of_many_documents_becomes_a_run_per_span() -> None:
    plan = Plan(scans=(), dirty={"0": 3, "3": 3, "4": 3, "f": 9}, fingerprint="abc")
    requests = run_requests(plan, load_settings(documents_per_run=6), after="first")
    assert [(request.tags[FIRST], request.tags[LAST]) for request in requests] == [("0", "3"), ("4", "4"), ("f", "f")]
    assert len({request.run_key for request in requests}) == 3
    assert {request.tags[WORK_TAG] for request in requests} == {"abc"}


def test_a_second_attempt_at_the_same_work_is_another_run_to_dagster() -> None:
    plan = Plan(scans=(), dirty={"0": 1}, fingerprint="abc")
    keys = {run_requests(plan, load_settings(), after=after)[0].run_key for after in ("first", "run-1", "run-2")}
    assert len(keys) == 3


def test_a_source_that_is_not_due_is_a_source() -> None:
    resting = Plan(scans=(), dirty={}, fingerprint="abc", resting=1)
    assert _nothing_new(resting) == "Nothing new among 0 files. 1 sources are not due to be looked at yet."
    assert "no source yet" in _nothing_new(Plan(scans=(), dirty={}, fingerprint="abc"))


def test_building_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_defs().get_repository_def()
