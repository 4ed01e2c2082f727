"""The embedding client and the CPU server: what they add to what computing the vectors costs.

  client   a million short texts through one client process, against a server that answers at once: texts/s and memory
  batch    the client against a loop that sends one text at a time, on a server with 5 ms of latency
  server   the CPU server and its client against the same model called in process
  search   how long a query's vector takes while nothing else goes on, and while documents are being embedded

Two sides are measured in turns. Rates are of the clock where a latency is what is measured, and of CPU time where the
processor is what both sides wait for. Everything runs on this machine, so under `search` the documents' own client
process takes part of the processor, too.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openai
from common import MarkdownMaker, run, say, table, tree_cpu, verdict

from kb_pipeline.embedding.client import EmbeddedText, EmbeddingClient
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, profile_for
from kb_pipeline_tests.embedding_fixtures import CpuServer, cpu_server
from kb_pipeline_tests.instant_embedding_server import instant_server

LEAST_TEXTS_PER_SECOND = 20_000
MOST_MB = 300
LATENCY = 0.005  # seconds
LEAST_GAIN = 4.0
LEAST_SHARE = 0.95
MOST_SLOWDOWN = 2.0
PARTS = ("client", "batch", "server", "search")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)} (all)")
    options.add_argument("--texts", type=int, default=1_000_000, help="texts that the client streams (%(default)s)")
    options.add_argument("--dimension", type=int, default=384, help="of their vectors (%(default)s)")
    options.add_argument("--pages", type=int, default=300, help="texts that the CPU server embeds (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="how often each is run (%(default)s)")
    options.add_argument("--seconds", type=float, default=15.0, help="of queries in one round (%(default)s)")
    options.add_argument("--stream", nargs=2, metavar=("URL", "TEXTS"), help=argparse.SUPPRESS)  # the client process
    options.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)  # documents without end
    choice = options.parse_args()
    if choice.stream:
        _stream(choice.stream[0], int(choice.stream[1]))
        return
    if choice.load:
        _load(choice.load)
        return
    if "client" in choice.parts:
        bench_client(choice.texts, choice.dimension)
    if "batch" in choice.parts:
        bench_batch(choice.rounds)
    if "server" in choice.parts:
        bench_server(choice.pages, choice.rounds)
    if "search" in choice.parts:
        bench_search(choice.seconds, choice.rounds)


def _short_texts(count: int) -> Iterator[tuple[bytes, str]]:
    maker = random.Random(1)
    ends = [" ".join(maker.choices(("leave", "travel", "合同", "audit", "risk"), k=8)) for _ in range(997)]
    return ((number.to_bytes(8, "big"), f"{number} {ends[number % 997]}") for number in range(count))


def _pages(count: int) -> list[str]:
    """Texts of 120 to 900 characters, none of them longer than the model's context."""
    maker, lengths = MarkdownMaker(1), random.Random(1)
    return [maker.document(number)[: lengths.choice((120, 300, 600, 900))] for number in range(count)]


# --- client ------------------------------------------------------------------------------------


def bench_client(texts: int, dimension: int) -> None:
    with instant_server(dimension) as server:
        this = [sys.executable, __file__, "--stream", server.base_url]
        bare = run([*this, "0"])
        say(f"{texts:,} texts")
        whole = run([*this, str(texts)])
    seconds, cpu = whole.seconds - bare.seconds, whole.cpu - bare.cpu
    table(
        f"{texts:,} short texts through one client process, {dimension} dimensions, start-up taken off",
        ["texts/s", "texts per CPU-s", "peak MiB"],
        [[texts / seconds, texts / cpu, whole.peak_mb]],
    )
    rate = texts / cpu
    met = rate >= LEAST_TEXTS_PER_SECOND
    verdict("texts per CPU second / 20,000", rate / LEAST_TEXTS_PER_SECOND, "at least 1", met=met)
    memory = whole.peak_mb * 2**20 / 1e6 / MOST_MB  # what is measured in MiB is aimed at in MB
    verdict("peak memory / 300 MB", memory, "at most 1", met=memory <= 1)


def _stream(url: str, texts: int) -> None:
    with EmbeddingClient.connect(url) as client:
        done = sum(isinstance(result, EmbeddedText) for result in client.embed(_short_texts(texts)))
    if done != texts:
        sys.exit(f"{done} of {texts} texts were embedded.")


# --- batch -------------------------------------------------------------------------------------


def bench_batch(rounds: int) -> None:
    loops, batches = [], []
    with instant_server(384) as server:
        server.set(delay=LATENCY)
        plain = openai.OpenAI(base_url=server.base_url, api_key="none")
        with plain, EmbeddingClient.connect(server.base_url) as client:
            for _ in range(rounds):
                texts = [text for _, text in _short_texts(300)]
                started = time.perf_counter()
                for text in texts:
                    plain.embeddings.create(model="m", input=text)
                loops.append(300 / (time.perf_counter() - started))
                started = time.perf_counter()
                embedded = sum(1 for _ in client.embed(_short_texts(20_000)))
                batches.append(embedded / (time.perf_counter() - started))
    table(
        f"A server with {LATENCY * 1000:.0f} ms of latency: texts/s (best of {rounds} runs)",
        ["one text at a time", "client"],
        [[max(loops), max(batches)]],
    )
    gain = max(batches) / max(loops)
    verdict("client / loop", gain, f"at least {LEAST_GAIN:g}", met=gain >= LEAST_GAIN)


# --- server ------------------------------------------------------------------------------------


@contextmanager
def _cpu_server() -> Iterator[tuple[CpuServer, EmbeddingClient]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        cpu_server(Path(folder) / "ready.json") as server,
        EmbeddingClient.connect(server.base_url) as client,
    ):
        yield server, client


def bench_server(count: int, rounds: int) -> None:
    from kb_pipeline.embedding.encoder import load_encoder

    texts = _pages(count)
    encoder, profile = load_encoder(DEFAULT_CPU_MODEL), profile_for(DEFAULT_CPU_MODEL)
    costs: dict[str, list[float]] = {"in process": [], "server": []}
    with _cpu_server() as (server, client):
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            before = time.process_time()
            encoder.encode(encoder.tokenize([profile.document_text(text) for text in texts]))
            costs["in process"].append(time.process_time() - before)
            before = time.process_time() + tree_cpu(server.process.pid)
            embedded = list(client.embed((str(key).encode(), text) for key, text in enumerate(texts)))
            costs["server"].append(time.process_time() + tree_cpu(server.process.pid) - before)
            if len(embedded) != count:
                sys.exit(f"{len(embedded)} of {count} texts were embedded.")
    rates = {name: count / min(cost) for name, cost in costs.items()}
    table(
        f"{count} texts of 120 to 900 characters: texts per CPU second, both processes counted (best of {rounds})",
        ["in process", "server and client"],
        [[rates["in process"], rates["server"]]],
    )
    share = rates["server"] / rates["in process"]
    verdict("server / in process", share, f"at least {LEAST_SHARE:g}", met=share >= LEAST_SHARE)


# --- search ------------------------------------------------------------------------------------


def bench_search(seconds: float, rounds: int) -> None:
    idle: list[float] = []
    loaded: list[float] = []
    with _cpu_server() as (server, client):
        numbers = itertools.count()
        _ask(client, numbers, 1.0)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            idle += _ask(client, numbers, seconds)
            with subprocess.Popen(
                [sys.executable, __file__, "--load", server.base_url], stdout=subprocess.PIPE
            ) as documents:
                try:
                    assert documents.stdout is not None  # noqa: S101 - it is a pipe
                    documents.stdout.readline()
                    loaded += _ask(client, numbers, seconds)
                finally:
                    documents.kill()
    rows = [[name, *np.percentile(times, [50, 90, 99]).tolist()] for name, times in (("idle", idle), ("load", loaded))]
    table(f"A query's vector from the CPU server: ms ({len(idle)} and {len(loaded)} queries)", _PERCENTILES, rows)
    ratio = float(np.percentile(loaded, 99) / np.percentile(idle, 99))
    verdict("p99 under load / idle", ratio, f"at most {MOST_SLOWDOWN:g}", met=ratio <= MOST_SLOWDOWN)


_PERCENTILES: Sequence[str] = ("", "p50", "p90", "p99")


def _ask(client: EmbeddingClient, numbers: Iterator[int], seconds: float) -> list[float]:
    """Milliseconds of each query, one after another with pauses, for `seconds`; no query comes twice."""
    pauses, times = random.Random(1), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        query = f"How many days of paid leave does employee {next(numbers)} have?"
        asked = time.perf_counter()
        client.embed_query(query, "")
        times.append((time.perf_counter() - asked) * 1000)
        time.sleep(pauses.random() * 0.02)
    return times


def _load(url: str) -> None:
    """Embed documents until killed; a line when the first vector is there."""
    pages = _pages(500)
    endless = ((number.to_bytes(8, "big"), pages[number % len(pages)]) for number in itertools.count())
    with EmbeddingClient.connect(url) as client:
        for number, _ in enumerate(client.embed(endless)):
            if number == 0:
                print("embedding", flush=True)


if __name__ == "__main__":
    main()
