"""Runs whose process is gone, however it ended.

Dagster hears of a run's end from the run. One that was killed stays "started": it keeps its slot in the
pool `gpu`, so that every later run waits for ever, and the sensor believes that it is still at work.
Dagster's own monitoring mends that only while the daemon runs, and never for the runs of `kb ingest`. So
each run is *signed* with its process, and whoever starts or waits for runs *ends* those whose process is
gone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from kb_pipeline.system.process import Identity, is_alive, own_identity

PROCESS_TAG = ".dagster/kb_process"  # the prefix hides it in the UI: it says nothing to a person
LOOK_SECONDS = 5.0
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def signature() -> Mapping[str, str]:
    """The tag of a run that this process executes."""
    process = own_identity()
    return {PROCESS_TAG: f"{process.pid} {process.started} {process.boot} {socket.gethostname()}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the runs whose process is gone as failed, free their pool slots, and return their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        signed = run.tags.get(PROCESS_TAG)
        if signed is None or not _is_dead(signed):
            continue
        # It may have ended as it should since it was listed; now that its process is gone, its status is final.
        latest = instance.get_run_by_id(run.run_id)
        if latest is None or latest.is_finished:
            continue
        instance.report_run_failed(run, "The process of this run ended without a word: it was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        ended.append(run.run_id)
    return ended


@contextmanager
def ending_dead_runs(instance: dg.DagsterInstance) -> Iterator[None]:
    """End dead runs at once, and every few seconds while this lasts: what we wait for may be killed."""
    end_dead_runs(instance)
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(LOOK_SECONDS):
            with suppress(SQLAlchemyError):  # locked or full; the run itself says so, and the next look tries again
                end_dead_runs(instance)

    thread = threading.Thread(target=look, name="ending dead runs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _is_dead(signed: str) -> bool:
    """False for a process of another machine or container, of which nothing is known here."""
    pid, started, boot, host = signed.split(" ", 3)
    return host == socket.gethostname() and not is_alive(Identity(int(pid), int(started), boot))
