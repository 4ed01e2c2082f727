"""The search server under load: mixed requests of many users at once, and more of them than it takes on.

    python benchmarks/bench_server.py [--users 100] [--seconds 300] [--overload 1000]

The server is `kb serve` over a knowledge base of made-up documents, and the embedding server answers at once. A user
comes within the first seconds, asks, views a document of a hit, says that the hit helped, and pauses for half a second
to a second and a half between requests. Under overload so many clients come within a second and ask for ten, each on a
connection of its own; those that are refused come again when they were told to. Users, in a process of their own, share
this machine with the server and PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import subprocess
import time
from collections import Counter
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import httpx
import numpy as np
import psutil
import uvloop
from common import KB, Home, home, say, table, verdict, write_markdown_files

from kb_pipeline_tests.instant_embedding_server import instant_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

DOCUMENTS = 500
PAUSES = (0.5, 1.5)  # seconds
LONGEST_P99 = 250.0  # ms
LONGEST_REFUSAL = 50.0  # ms
OVERLOAD_SECONDS = 10.0
PORT = "8957"


@dataclass(slots=True)
class Seen:
    """Milliseconds of every answer by what was asked, and how many there were of each status."""

    took: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int | str] = field(default_factory=Counter)

    async def ask(
        self, client: aiohttp.ClientSession, kind: str, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> bytes | None:
        """The answer; None where there was none, after as long a pause as was asked for."""
        started = time.perf_counter()
        try:
            async with client.request(method, path, json=body) as answer:
                said = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.statuses[type(error).__name__] += 1
            return None
        self.statuses[answer.status] += 1
        self.took.setdefault(kind if answer.ok else "refused", []).append((time.perf_counter() - started) * 1000)
        if answer.ok:
            return said
        await asyncio.sleep(float(answer.headers.get("retry-after", "0")))
        return None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--users", type=int, default=100, help="at once (%(default)s)")
    options.add_argument("--seconds", type=float, default=300.0, help="how long (%(default)s)")
    options.add_argument("--overload", type=int, default=1000, help="clients at once (%(default)s)")
    choice = options.parse_args()
    with (
        instant_server(dimension=64) as embeddings,
        home(embedding_url=embeddings.base_url, search_port=PORT, server__requests_per_minute="0") as own,
    ):
        folder = own.folder / "documents"
        folder.mkdir()
        write_markdown_files(folder, DOCUMENTS)
        own.start()
        say(f"loading {DOCUMENTS} documents")
        own.kb("ingest", str(folder))
        measure(own, choice.users, choice.seconds, choice.overload)


def measure(own: Home, users: int, seconds: float, clients: int) -> None:
    with (
        subprocess.Popen([*KB, "serve"], env=dict(own.environment), stdout=subprocess.PIPE, text=True) as server,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        try:
            wait_until_ready()
            apart(pool, mixed, users, 5.0)  # warm
            before, busy = memory_mb(server.pid), cpu_seconds(server.pid)
            say(f"{users} users for {seconds:.0f} seconds")
            seen = apart(pool, mixed, users, seconds)
            after, busy = memory_mb(server.pid), cpu_seconds(server.pid) - busy
            say(f"{clients} clients at once")
            flood = apart(pool, overload, clients)
            recovered = apart(pool, mixed, 10, 5.0)
        finally:
            server.terminate()
    everything = [took for kind in seen.took.values() for took in kind]
    rows = [(kind, *figures(took)) for kind, took in [*seen.took.items(), ("all", everything)]]
    table(f"{users} users, {seconds:.0f} s", ("", "answers", "p50 ms", "p99 ms", "longest ms"), rows)
    print(f"\nstatuses {dict(seen.statuses)}; memory {before:.0f} MB before, {after:.0f} MB after")
    print(f"{busy / len(everything) * 1000:.1f} CPU-ms of the server and PostgreSQL an answer")
    table(
        f"{clients} clients at once",
        ("", "answers", "p50 ms", "p99 ms", "longest ms"),
        [(kind, *figures(took)) for kind, took in flood.took.items()],
    )
    print(f"\nstatuses {dict(flood.statuses)}; then, 10 users: {dict(recovered.statuses)}")
    p99 = figures(everything)[2]
    verdict("p99 of 100 users, ms", p99, f"{LONGEST_P99:.0f} or less", met=p99 <= LONGEST_P99)
    refusal = figures(flood.took.get("refused", [0.0]))[2]
    verdict("p99 until a refusal, ms", refusal, f"{LONGEST_REFUSAL:.0f} or less", met=refusal <= LONGEST_REFUSAL)


def apart(pool: Executor, measured: Callable[..., Coroutine[None, None, Seen]], *given: float) -> Seen:
    return pool.submit(_run, measured, given).result()


def _run(measured: Callable[..., Coroutine[None, None, Seen]], given: tuple[float, ...]) -> Seen:
    return uvloop.run(measured(*given))


async def mixed(users: int, seconds: float) -> Seen:
    seen = Seen()
    until = time.perf_counter() + seconds
    async with connected(users) as client:
        await asyncio.gather(*(user(client, seen, random.Random(number), until) for number in range(users)))
    return seen


async def user(client: aiohttp.ClientSession, seen: Seen, dice: random.Random, until: float) -> None:
    await asyncio.sleep(dice.uniform(0, 3 * PAUSES[1]))  # nobody comes at the same moment as a hundred others
    while time.perf_counter() < until:
        words = f"document {dice.randrange(DOCUMENTS)} section {dice.randrange(5)}"
        found = await seen.ask(client, "search", "POST", "/v1/search", {"query": words, "k": 10})
        await asyncio.sleep(dice.uniform(*PAUSES))
        answer = json.loads(found) if found else {"hits": []}
        if not answer["hits"]:
            continue
        hit = answer["hits"][0]
        around = f"/v1/documents/{hit['document_id']}/chunks?around={hit['chunk_key']}&limit=5"
        await seen.ask(client, "view", "GET", around)
        await asyncio.sleep(dice.uniform(*PAUSES))
        said = {"event_id": answer["event_id"], "rank": 1, "helpful": True}
        await seen.ask(client, "feedback", "POST", "/v1/feedback", said)
        await asyncio.sleep(dice.uniform(*PAUSES))


async def overload(clients: int) -> Seen:
    seen = Seen()
    until = time.perf_counter() + OVERLOAD_SECONDS

    async def insist(number: int) -> None:
        await asyncio.sleep(number / clients)
        while time.perf_counter() < until:
            await seen.ask(client, "search", "POST", "/v1/search", {"query": f"document {number}"})

    async with connected(clients) as client:
        await asyncio.gather(*map(insist, range(clients)))
    return seen


def connected(clients: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{PORT}",
        connector=aiohttp.TCPConnector(limit=clients),
        timeout=aiohttp.ClientTimeout(total=30.0),
    )


def wait_until_ready() -> None:
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{PORT}/readyz", timeout=5.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("The search server did not become ready.")


def memory_mb(pid: int) -> float:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Of the server, and of every PostgreSQL on this machine."""
    found = [psutil.Process(pid), *(one for one in psutil.process_iter() if one.name() == "postgres")]
    return sum(sum(one.cpu_times()[:2]) for one in found)


def figures(took: list[float]) -> tuple[int, float, float, float]:
    """How many, and the median, the 99th percentile and the longest in milliseconds."""
    return len(took), float(np.median(took)), float(np.percentile(took, 99)), max(took)


if __name__ == "__main__":
    main()
