"""The whole way through Dagster's own processes: daemon, sensor, run queue, code server and run workers.

One daemon serves this module. What its sensor asks for depends on the folder alone: many dropped files with
a small KB_DOCUMENTS_PER_RUN become several runs at once, which is how two runs meet at the pool `gpu`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest
import yaml
from psycopg import sql

from kb_pipeline.defs.home import prepare_dagster_home
from kb_pipeline.defs.runs import PROCESS_TAG
from kb_pipeline.operations.audit import audit
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site
from kb_pipeline.store import database, ledger
from kb_pipeline.system.process import descendants, end
from kb_pipeline_tests.conftest import TEMPLATE, folder_in_memory
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server

pytestmark = pytest.mark.timeout(900)

DEADLINE_SECONDS = 240.0  # of each wait; a machine under load needs minutes for what takes seconds
DOCUMENTS_PER_RUN = 12
# Of each request, and so twice that of a run, which asks for a probe first; a client waits ten seconds for that.
EMBEDDING_SECONDS = 6.0


@dataclass(frozen=True)
class Daemon:
    folder: Path
    database_url: str
    server: InstantServer
    instance: dg.DagsterInstance

    def drop(self, prefix: str, count: int) -> None:
        for number in range(count):
            path = self.folder / f"{prefix}{number}.txt"
            path.write_text(f"The {prefix} of number {number}.")
            os.utime(path, (1_700_000_000, 1_700_000_000))

    def searchable(self) -> int:
        with psycopg.connect(self.database_url) as connection:
            if connection.execute("SELECT to_regclass('knowledge_chunks')").fetchone() == (None,):
                return 0  # the view comes with the first run
            row = connection.execute("SELECT count(DISTINCT source_file) FROM knowledge_chunks").fetchone()
        return int(row[0]) if row else 0

    def runs(self, *statuses: dg.DagsterRunStatus, since: float = 0.0) -> list[dg.DagsterRun]:
        records = self.instance.get_run_records(dg.RunsFilter(statuses=list(statuses) or None))
        return [record.dagster_run for record in records if record.create_timestamp.timestamp() >= since]

    def parsed(self, since: float) -> list[dg.DagsterRun]:
        """The runs since then that have got as far as chunks."""
        success = dg.DagsterEventType.STEP_SUCCESS
        return [run for run in self.runs(since=since) if "chunks" in self.step_times(run, success)]

    def step_times(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> dict[str, float]:
        """step -> when this happened to it."""
        entries = self.instance.all_logs(run.run_id, of_type=kind)
        return {entry.step_key: entry.timestamp for entry in entries if entry.step_key}

    def eventually(self, what: str, happened: Callable[[], Any]) -> Any:
        """What `happened` gives once it is true."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (result := happened()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {DEADLINE_SECONDS:.0f} s: {what}\n{self._history()}")
            time.sleep(0.2)
        return result

    def _history(self) -> str:
        """What every run did when, and the end of the daemon's log."""
        lines = [f"{self.searchable()} documents searchable, {self.server.seen()} at the embedding server"]
        for run in self.runs():
            lines.append(f"{run.run_id} {run.status.value} {run.tags}")
            for entry in self.instance.all_logs(run.run_id):
                if (event := entry.dagster_event) is not None:
                    moment = time.strftime("%H:%M:%S", time.gmtime(entry.timestamp))
                    lines.append(f"  {moment} {event.event_type_value} {entry.step_key or ''} {event.message or ''}")
        log = self.folder.parent / "daemon.log"
        return "\n".join([*lines, *log.read_text(errors="replace").splitlines()[-60:]])


@pytest.fixture(scope="module")
def daemon(postgres_url: str) -> Iterator[Daemon]:
    with folder_in_memory() as root:  # Dagster's history is a thousand small transactions a run
        yield from _daemon(postgres_url, root)


def _daemon(postgres_url: str, root: Path) -> Iterator[Daemon]:
    folder = root / "documents"
    folder.mkdir()
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )
    database_url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    with pytest.MonkeyPatch.context() as patch, instant_server(dimension=32) as server:
        patch.chdir(root)
        patch.setenv("KB_HOME", str(root / "home"))
        patch.setenv("KB_DATABASE_URL", database_url)
        patch.setenv("KB_EMBEDDING_URL", server.base_url)
        patch.setenv("KB_PARSER_PROCESSES", "1")
        patch.setenv("KB_DOCUMENTS_PER_RUN", str(DOCUMENTS_PER_RUN))
        database.migrate(database_url)
        with database.connect(database_url, autocommit=True) as connection:
            ledger.register_source(connection, str(folder))
        dagster_home = prepare_dagster_home(load_settings())
        _shorten_waits(dagster_home / "dagster.yaml")
        patch.setenv("DAGSTER_HOME", str(dagster_home))
        with dg.DagsterInstance.get() as instance, (root / "daemon.log").open("wb") as log:
            command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "kb_pipeline.definitions"]
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            try:
                yield Daemon(folder, database_url, server, instance)
            finally:
                left = descendants(process.pid)
                process.terminate()
                process.wait(timeout=60)
                end(left, [(signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)])
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _shorten_waits(file: Path) -> None:
    """What a site waits minutes for, a test cannot."""
    content = yaml.safe_load(file.read_text())
    content["run_monitoring"] |= {"free_slots_after_run_end_seconds": 1, "poll_interval_seconds": 1}
    content["run_coordinator"] = {
        "module": "dagster",
        "class": "QueuedRunCoordinator",
        "config": {"dequeue_interval_seconds": 1},
    }
    file.write_text(yaml.safe_dump(content))


def test_a_dropped_file_becomes_searchable_without_anyone_doing_anything(daemon: Daemon) -> None:
    daemon.drop("first", 1)
    daemon.eventually("the file is searchable", lambda: daemon.searchable() == 1)
    daemon.eventually("its run ended well", lambda: daemon.runs(dg.DagsterRunStatus.SUCCESS))


def test_two_runs_parse_at_the_same_time_and_embed_one_after_the_other(daemon: Daemon) -> None:
    since, before = time.time(), daemon.searchable()
    daemon.server.set(delay=EMBEDDING_SECONDS)
    daemon.drop("second", 2 * DOCUMENTS_PER_RUN)
    daemon.eventually("two runs have parsed", lambda: len(daemon.parsed(since)) >= 2)
    daemon.server.set(delay=0.0)
    daemon.eventually("all is searchable", lambda: daemon.searchable() == before + 2 * DOCUMENTS_PER_RUN)
    runs = daemon.eventually(
        "two runs ended well",
        lambda: len(found := daemon.runs(dg.DagsterRunStatus.SUCCESS, since=since)) >= 2 and found,
    )
    times = []
    for run in runs:
        started = daemon.step_times(run, dg.DagsterEventType.STEP_START)
        ended = daemon.step_times(run, dg.DagsterEventType.STEP_SUCCESS)
        times.append((started["embeddings"], ended["embeddings"], ended["chunks"]))
    for (_, embedded, _), (next_embeds, _, next_chunked) in pairwise(sorted(times)):
        assert next_chunked < embedded  # it did its own parsing meanwhile
        assert next_embeds >= embedded


def test_a_run_killed_while_it_embeds_gives_its_place_to_the_next_and_loses_nothing(daemon: Daemon) -> None:
    since = time.time()
    before = daemon.searchable()
    daemon.server.set(delay=30.0)
    requests = daemon.server.seen()["requests"]
    daemon.drop("third", 2 * DOCUMENTS_PER_RUN)
    daemon.eventually("a run embeds", lambda: daemon.server.seen()["requests"] > requests)
    (victim,) = [
        run
        for run in daemon.runs(dg.DagsterRunStatus.STARTED, since=since)
        if "embeddings" in daemon.step_times(run, dg.DagsterEventType.STEP_START)
    ]
    os.kill(int(victim.tags[PROCESS_TAG].split()[0]), signal.SIGKILL)
    daemon.server.set(delay=0.0)
    daemon.eventually(
        "the killed run is marked failed",
        lambda: victim.run_id in {run.run_id for run in daemon.runs(dg.DagsterRunStatus.FAILURE, since=since)},
    )
    daemon.eventually("another run embedded", lambda: daemon.runs(dg.DagsterRunStatus.SUCCESS, since=since))
    daemon.eventually("a later run did the rest", lambda: daemon.searchable() == before + 2 * DOCUMENTS_PER_RUN)
    daemon.eventually(
        "nothing is under way",
        lambda: not daemon.runs(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED),
    )
    slots = daemon.instance.event_log_storage.get_concurrency_info("gpu")
    assert slots.active_slot_count == 0
    with open_site(load_settings()) as site:
        assert audit(site).findings == ()
