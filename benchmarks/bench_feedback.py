"""Feedback: how many judgments a second are committed, and how long one waits.

Judgments go into the search server's queue as its endpoint puts them there, at a steady pace, into an embedded
PostgreSQL that syncs to disk. HTTP is left out: what is measured is group commit.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from common import table, verdict

from kb_pipeline.services.daemon import stop_all
from kb_pipeline.services.postgres import ensure_postgres
from kb_pipeline.store import database
from kb_pipeline.store.feedback import Judgment
from kb_pipeline.web.feedback import FeedbackWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

LEAST_A_SECOND = 500


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=10.0, help="how long (%(default)s)")
    options.add_argument("--pace", type=int, default=600, help="judgments a second (%(default)s)")
    choice = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb-benchmark-") as scratch:
        home = Path(scratch)
        try:
            measure(ensure_postgres(home, idle_seconds=60.0), choice.seconds, choice.pace)
        finally:
            stop_all(home)


def measure(url: str, seconds: float, pace: int) -> None:
    database.migrate(url)
    with database.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO search_events (query, mode, generation_id, hits) "
            "SELECT 'q', 'lexical', 1, '[{}, {}, {}]' FROM generate_series(1, 1000)"
        )

        @contextmanager
        def connect() -> Iterator[Connection]:
            yield connection

        writer = FeedbackWriter(connect)
        writer.start()
        waits: list[float] = []
        lock = threading.Lock()
        started = time.perf_counter()
        pending = []
        for number in range(int(seconds * pace)):
            time.sleep(max(0.0, started + number / pace - time.perf_counter()))
            sent = time.perf_counter()
            done = writer.submit(Judgment(number % 1000 + 1, number % 4, "anyone", f"voter {number}"))

            def noted(_: object, sent: float = sent) -> None:
                with lock:
                    waits.append((time.perf_counter() - sent) * 1000)

            done.add_done_callback(noted)
            pending.append(done)
        accepted = sum(done.result() for done in pending)
        rate = accepted / (time.perf_counter() - started)
        writer.close()
        (stored,) = connection.execute("SELECT count(*) FROM feedback").fetchone() or (0,)
    p99 = quantiles(waits, n=100)[98]
    table(
        "Feedback in groups",
        ("asked for a second", "committed a second", "acknowledged", "stored", "p50 ms", "p99 ms"),
        [(pace, rate, accepted, stored, median(waits), p99)],
    )
    enough = rate >= LEAST_A_SECOND and accepted == stored
    verdict("judgments committed a second", rate, f"{LEAST_A_SECOND} or more, none lost", met=enough)


if __name__ == "__main__":
    main()
