"""The knowledge base inside somebody else's Dagster project: by `build_defs`, and as a component in a defs folder."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

import kb_pipeline
from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import load_settings

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DEFS_YAML = """
type: kb_pipeline.KnowledgeBaseComponent
attributes:
  sources: [documents, "s3://bucket/contracts"]
  collections:
    contracts: {chunking: {max_characters: 900}}
  schedules: {nightly_sweep: "15 1 * * *"}
  owners: ["team:people", "kb@example.com"]
  timezone: Asia/Shanghai
  key_prefix: [hr]
  group: people
  settings: {shard_digits: 2}
"""
PYPROJECT = """
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "team"
"""


def load_example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _keys(defs: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}


def test_two_knowledge_bases_and_a_teams_own_assets_fit_into_one_project() -> None:
    defs: dg.Definitions = load_example("team_project").defs
    dg.Definitions.validate_loadable(defs)
    assert {"hr/knowledge_chunks", "legal/knowledge_chunks", "leave_policy"} <= _keys(defs)
    repository = defs.get_repository_def()
    assert {"hr_refresh", "hr_re_embed", "legal_refresh", "legal_re_embed"} <= set(repository.job_names)
    sensors = {sensor.name for sensor in repository.sensor_defs}
    assert sensors == {f"{one}_{name}" for one in ("hr", "legal") for name in ("dropped_files", "alerts")}
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert schedules.keys() == {f"{one}_{name}" for one in ("hr", "legal") for name in SCHEDULES}
    assert schedules["hr_nightly_sweep"].execution_timezone == "Asia/Shanghai"
    graph = defs.resolve_asset_graph()
    chunks = graph.get(dg.AssetKey(["hr", "chunks"]))
    assert (chunks.group_name, list(chunks.owners)) == ("hr", ["team:people"])
    assert chunks.parent_keys == {dg.AssetKey(["hr", "cleaned_elements"])}
    assert defs.executor is dg.multiprocess_executor


SCHEDULES = ("nightly_sweep", "weekly_re_embedding", "weekly_evaluation")


def test_a_knowledge_base_brings_nothing_that_is_for_the_whole_project() -> None:
    defs = kb_pipeline.build_defs()
    assert defs.executor is None
    assert not defs.loggers
    assert set(defs.resources or ()) == {"knowledge_base"}


def test_settings_that_are_given_are_those_of_the_assets() -> None:
    defs = kb_pipeline.build_defs(load_settings(shard_digits=2, owners=["team:kb"], timezone="Europe/Paris"))
    asset = defs.resolve_asset_graph().get(dg.AssetKey("chunks"))
    assert asset.partitions_def is not None
    assert len(asset.partitions_def.get_partition_keys()) == 256
    assert list(asset.owners) == ["team:kb"]
    assert {schedule.execution_timezone for schedule in defs.get_repository_def().schedule_defs} == {"Europe/Paris"}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # Dagster's own loader calls what Dagster calls beta
def test_a_component_in_a_defs_folder_becomes_the_knowledge_base_it_describes(tmp_path: Path) -> None:
    root = tmp_path / "team"
    (root / "defs" / "documents").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (root / "__init__.py").touch()
    (root / "defs" / "__init__.py").touch()
    (root / "defs" / "documents" / "defs.yaml").write_text(DEFS_YAML)
    defs = _load_folder(tmp_path)
    assert {"hr/raw_documents", "hr/knowledge_chunks"} <= _keys(defs)
    asset = defs.resolve_asset_graph().get(dg.AssetKey(["hr", "chunks"]))
    assert (asset.group_name, list(asset.owners)) == ("people", ["team:people", "kb@example.com"])
    assert asset.partitions_def is not None
    assert len(asset.partitions_def.get_partition_keys()) == 256
    schedule = defs.get_repository_def().get_schedule_def("hr_nightly_sweep")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 1 * * *", "Asia/Shanghai")


def _load_folder(folder: Path) -> dg.Definitions:
    sys.path.insert(0, str(folder))
    try:
        return dg.load_from_defs_folder(path_within_project=folder / "team")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "team"]:
            del sys.modules[name]


def test_a_wrong_setting_of_a_component_is_named() -> None:
    component = kb_pipeline.KnowledgeBaseComponent(timezone="Mars/Olympus")
    with pytest.raises(SettingsError, match="KB_TIMEZONE"):
        component.build_defs(None)  # type: ignore[arg-type]


def test_importing_the_package_loads_none_of_its_parts() -> None:
    code = "import sys, kb_pipeline; dir(kb_pipeline); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"dagster", "pydantic", "psycopg", "kb_pipeline.settings"} & set(loaded)
    assert set(kb_pipeline.__all__) <= set(dir(kb_pipeline))
    with pytest.raises(AttributeError, match="no attribute 'Knowledge'"):
        _ = _attribute(kb_pipeline, "Knowledge")


def _attribute(module: ModuleType, name: str) -> Any:
    return getattr(module, name)
