"""A site for each test: a source folder, an empty database and an embedding server that answers at once.

`site`: a Workplace. The embedding server and Dagster's instance serve a whole module; each test finds the history empty
and no faults set. Files are dated back, so that no scan waits to see whether they are still being written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData  # has no public place

from kb_pipeline.definitions import defs
from kb_pipeline.defs.home import instance as dagster_instance
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.placement import GROUP, Placement, place
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource
from kb_pipeline.settings import load_settings
from kb_pipeline.store import database, ledger
from kb_pipeline_tests.conftest import folder_in_memory
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server


@dataclass(frozen=True)
class Workplace:
    folder: Path
    home: Path
    database_url: str
    server: InstantServer
    instance: dg.DagsterInstance

    @property
    def place(self) -> Placement:
        return place(None, key_prefix=(), group=GROUP, owners=None, execution_timezone=None)

    def write(self, name: str, text: str, *, age_seconds: float = 60.0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        then = time.time() - age_seconds
        os.utime(path, (then, then))
        return path

    def tick(self, cursor: str | None = None) -> SensorExecutionData:
        resources = {"knowledge_base": KnowledgeBaseResource()}
        with dg.build_sensor_context(
            instance=self.instance, definitions=defs, resources=resources, cursor=cursor
        ) as context:
            return defs.resolve_sensor_def("dropped_files").evaluate_tick(context)

    def requests(self) -> list[dg.RunRequest]:
        """The runs that a tick asks for; fails when it asks for none."""
        result = self.tick()
        assert result.run_requests, result
        return list(result.run_requests)

    def skip_reason(self, cursor: str | None = None) -> str:
        result = self.tick(cursor)
        assert not result.run_requests, result
        return result.skip_message or ""

    def run(
        self,
        job: str = "refresh",
        first: str = "0",
        last: str = "f",
        *,
        tags: Mapping[str, str] | None = None,
        raise_on_error: bool = True,
        **options: Any,
    ) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**range_tags(first, last), **(tags or {})},
            raise_on_error=raise_on_error,
            **options,
        )

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def server() -> Iterator[InstantServer]:
    with instant_server(dimension=32) as server:
        yield server


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with folder_in_memory() as home, dagster_instance(load_settings(home=home)) as instance:
        yield instance


@pytest.fixture
def site(
    tmp_path: Path,
    home: Path,
    database_url: str,
    server: InstantServer,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    folder = tmp_path / "documents"
    folder.mkdir()
    monkeypatch.setenv("KB_HOME", str(home))
    monkeypatch.setenv("KB_DATABASE_URL", database_url)
    monkeypatch.setenv("KB_EMBEDDING_URL", server.base_url)
    monkeypatch.setenv("KB_PARSER_PROCESSES", "1")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    server.clear()
    for run in instance.get_runs():  # and not `wipe`, which takes the pool with it
        instance.delete_run(run.run_id)
    instance.wipe_assets(list(instance.all_asset_keys()))
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        ledger.register_source(connection, str(folder))
    return Workplace(folder, home, database_url, server, instance)
