"""Running a Dagster job in this process, as the commands do; its run is in Dagster's history like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import UnavailableError
from kb_pipeline.operations.jobs import Counts
from kb_pipeline.site import Site
from kb_pipeline.terminal.interrupts import noted

if TYPE_CHECKING:
    import dagster as dg

COMMAND_TAG = "kb/command"  # on the runs of commands: the job's name


def run_job(site: Site, job: str, shards: Sequence[str], **ops: dict[str, Any]) -> tuple[str, Counts]:
    """Run `job` over `shards`, in their order; returns its run id and what each stage counted.

    `ops`: config by asset name. Raises the KbError that stopped a stage, and KeyboardInterrupt after Ctrl-C.
    """
    with noted():
        return _run_job(site, job, shards, ops)


def _run_job(site: Site, job: str, shards: Sequence[str], ops: Mapping[str, dict[str, Any]]) -> tuple[str, Counts]:
    import dagster as dg
    from sqlalchemy.exc import OperationalError

    from kb_pipeline.defs.build import build_defs
    from kb_pipeline.defs.home import instance
    from kb_pipeline.defs.partitions import run_tags
    from kb_pipeline.defs.runs import ending_dead_runs, signature

    try:
        with instance(site.settings) as dagster_instance, ending_dead_runs(dagster_instance):
            result = (
                build_defs(site.settings)
                .resolve_job_def(job)
                .execute_in_process(
                    instance=dagster_instance,
                    tags={**run_tags(shards), **signature(), COMMAND_TAG: job},
                    run_config={
                        "ops": {name: {"config": config} for name, config in ops.items()},
                        # The command shows progress of its own; the run's full log is in Dagster.
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                )
            )
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    except dg.Failure as failure:
        # What a step hides from Dagster's storage is for the person at this terminal.
        if isinstance(failure.__context__, KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
            raise KeyboardInterrupt from None
        if isinstance(failure.__context__, Exception):
            raise failure.__context__ from None
        raise
    except OperationalError as error:
        raise UnavailableError(
            f"Dagster's history in {site.settings.home_path / 'dagster'} cannot be written ({error.orig}); make sure"
            " that the disk has space left, and run again: nothing that was committed is lost."
        ) from None
    return result.run_id, stage_counts(result)


def stage_counts(result: dg.ExecuteInProcessResult) -> Counts:
    """What the stages counted, from the one event of each that says so."""
    from kb_pipeline.defs.assets.shared import COUNTS

    found: dict[str, Any] = {}
    for event in result.get_asset_materialization_events():
        if event.asset_key is not None and COUNTS in event.materialization.metadata:
            found[event.asset_key.path[-1]] = event.materialization.metadata[COUNTS].value
    return found
