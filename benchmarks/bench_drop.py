"""One changed file among many: what the run costs, and how long until the change can be found.

The run is measured twice: as `kb ingest`, and as a Dagster run in a process of its own over all shards, which is
more than the daemon's runs are asked for. With --daemon a dagster-daemon runs, with its sensor, and what is timed
is from the file's change until a query of the view finds it; the sensor looks every so many seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg
from common import Cost, Home, home, say, table, tree_cpu, verdict, write_markdown_files

from kb_pipeline.defs.home import prepare_dagster_home
from kb_pipeline.operations.jobs import REFRESH
from kb_pipeline.settings import load_settings
from kb_pipeline_tests.instant_embedding_server import instant_server

MOST_CPU = 10.0
PATIENCE = 180.0  # seconds until a change must have come through
POLL_SECONDS = 0.1
WHOLE_RANGE = {"dagster/asset_partition_range_start": "0", "dagster/asset_partition_range_end": "f"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--files", type=int, default=10_000, help="how many files (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="how often each is run (%(default)s)")
    options.add_argument("--daemon", action="store_true", help="also from drop to searchable through a daemon")
    choice = options.parse_args()
    with instant_server() as server, home(embedding_url=server.base_url) as fresh:
        documents = fresh.folder / "documents"
        say(f"writing and ingesting {choice.files:,} files")
        write_markdown_files(documents, choice.files)
        fresh.start()
        fresh.kb("ingest", str(documents))
        os.environ.update(fresh.environment)
        dagster_home = str(prepare_dagster_home(load_settings()))
        place = Home(fresh.folder, {**fresh.environment, "DAGSTER_HOME": dagster_home})
        files = random.Random(1).sample(sorted(documents.rglob("*.md")), 3 * choice.rounds + 1)
        ingest = [_changed(place, files.pop(), through_dagster=False) for _ in range(choice.rounds)]
        worker = [_changed(place, files.pop(), through_dagster=True) for _ in range(choice.rounds)]
        waits = _through_daemon(place, files[: choice.rounds + 1]) if choice.daemon else []
    report(choice.files, ingest, worker, waits)


def report(files: int, ingest: list[Cost], worker: list[Cost], waits: list[tuple[float, float]]) -> None:
    table(
        f"One changed file among {files:,} (medians of {len(ingest)} runs)",
        ["", "CPU-s", "PostgreSQL CPU-s", "all CPU-s", "wall s", "peak MiB"],
        [
            [
                name,
                *(median([getattr(cost, field) for cost in costs])
                  for field in ("cpu", "postgres", "all_cpu", "seconds", "peak_mb")),
            ]
            for name, costs in (("kb ingest", ingest), ("a Dagster run of its own", worker))
        ],
    )  # fmt: skip
    if waits:
        from kb_pipeline.defs.sensors import INTERVAL_SECONDS

        table(
            f"Through a running dagster-daemon, whose sensor looks every {INTERVAL_SECONDS} s",
            ["change", "s until searchable", "CPU-s of daemon, code server and run"],
            [[str(number), *wait] for number, wait in enumerate(waits, start=1)],
        )
    most = max(median([cost.all_cpu for cost in costs]) for costs in (ingest, worker))
    verdict("CPU seconds of the run", most, f"below {MOST_CPU:g}", met=most < MOST_CPU)


def _change(file: Path) -> str:
    """Add a sentence to a file, as of a minute ago, so that nobody waits for it to be at rest; returns the sentence."""
    sentence = f"Amendment {time.time_ns()} was agreed."
    file.write_text(f"{file.read_text()}\n{sentence}\n")
    then = time.time() - 60
    os.utime(file, (then, then))
    return sentence


def _changed(place: Home, file: Path, *, through_dagster: bool) -> Cost:
    sentence = _change(file)
    if through_dagster:
        command = ["-m", "dagster", "job", "execute", "-m", "kb_pipeline.definitions", "-j", REFRESH]
        cost = place.run([sys.executable, *command, "--tags", json.dumps(WHOLE_RANGE)])
    else:
        cost = place.kb("ingest", "--json")
    if not _is_searchable(place.database_url(), file, sentence):
        sys.exit(f"The run did not bring in the change to {file.name}.")
    return cost


def _is_searchable(url: str, file: Path, sentence: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM knowledge_chunks WHERE source_file LIKE %s AND strpos(content, %s) > 0)",
            [f"%{file.name}", sentence],
        ).fetchone()
    return bool(row and row[0])


# --- the daemon --------------------------------------------------------------------------------------


def _through_daemon(place: Home, files: list[Path]) -> list[tuple[float, float]]:
    """For each file but the first, which warms everything up: seconds until searchable, CPU seconds meanwhile."""
    say("starting the daemon")
    waits = []
    with _daemon(place) as process:
        for file in files:
            before, started = tree_cpu(process.pid), time.perf_counter()
            sentence = _change(file)
            while not _is_searchable(place.database_url(), file, sentence):
                if time.perf_counter() - started > PATIENCE:
                    sys.exit(f"A change was not searchable after {PATIENCE:.0f} s; see {place.folder / 'daemon.log'}.")
                time.sleep(POLL_SECONDS)
            waits.append((time.perf_counter() - started, tree_cpu(process.pid) - before))
    return waits[1:]


@contextmanager
def _daemon(place: Home) -> Iterator[subprocess.Popen[bytes]]:
    with (place.folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-m", "kb_pipeline.definitions"],
            env=place.environment,
            cwd=place.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
