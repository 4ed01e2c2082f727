"""DAGSTER_HOME for the commands of this project: KB_HOME/dagster, with the project's dagster.yaml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import Settings
from kb_pipeline.system.files import write_atomically

if TYPE_CHECKING:
    import dagster as dg

INSTANCE_FILE = "dagster.yaml"
NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


def prepare_dagster_home(settings: Settings) -> Path:
    """Make KB_HOME/dagster with a copy of the project's dagster.yaml, and return it.

    Raises SettingsError when the project's file is not there.
    """
    project = Path(__file__).resolve().parents[2] / INSTANCE_FILE
    if not project.is_file():
        raise SettingsError(f"{project} is missing; run kb from a checkout of kb_pipeline.")
    home = settings.home_path / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    copy = home / INSTANCE_FILE
    if not copy.exists() or copy.read_bytes() != project.read_bytes():
        write_atomically(copy, project.read_bytes(), mode=0o644)
    return home


@contextmanager
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of KB_HOME, whose runs the web server shows, for a run inside this process.

    Without captured output: a run inside a command prints nothing, and the programs that Dagster starts to
    follow what is printed would answer Ctrl-C with a traceback each.
    """
    import dagster as dg
    from dagster._core.instance import InstanceRef  # overrides have no public place

    # Dagster and what runs inside the job read the environment.
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    os.environ["KB_HOME"] = str(settings.home_path)
    home = os.environ["DAGSTER_HOME"]
    reference = InstanceRef.from_dir(home, overrides={"compute_logs": NO_COMPUTE_LOGS})
    with dg.DagsterInstance.from_ref(reference) as found:
        yield found
