"""Where Dagster keeps its history: in KB_HOME/dagster, whoever starts it and from where.

dagster.yaml names `HomeInstance` as its `instance_class`. Dagster alone would keep everything beside the
dagster.yaml it reads, or in a folder that vanishes with `dagster dev`; and a path in dagster.yaml can be
fixed or come from an environment variable, but cannot fall back to a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance
from dagster._core.instance import InstanceRef  # has no public place; `instance_class` needs it
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage  # neither

from kb_pipeline.settings import load_settings
from kb_pipeline.system.locks import locked


class HomeInstance(DagsterInstance):
    """A DagsterInstance whose runs, events, schedules and logs lie in KB_HOME/dagster."""

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """No settings in dagster.yaml besides Dagster's own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:  # noqa: ARG004 - Dagster passes it by position
        """Dagster's defaults with KB_HOME/dagster in the place of `base_dir`."""
        history = load_settings().home_path / "dagster"
        history.mkdir(parents=True, exist_ok=True)
        # Two processes that make Dagster's database files at once leave them unusable for good, and `kb up`
        # starts three.
        with locked(history / "making.lock"):
            DagsterSqliteStorage.from_local(str(history)).dispose()
        return InstanceRef.config_defaults(str(history))

    def delete_run(self, run_id: str) -> None:
        """Delete a run with all that is known of it; Dagster itself empties the run's database file and leaves it."""
        super().delete_run(run_id)
        for file in (Path(self.root_directory) / "history" / "runs").glob(f"{run_id}.db*"):
            file.unlink(missing_ok=True)
