"""Nothing changed among many small files: what `kb ingest` costs against merely looking at them.

The files are ingested first, with an embedding server that answers at once. Then two whole processes are
compared, in turns: `kb ingest --json`, with the database running, and a bare Python that walks the same
tree with os.scandir and stats every file.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from common import Cost, home, run, say, table, verdict, write_tiny_files

from kb_pipeline_tests.instant_embedding_server import instant_server

MOST_TIMES = 3.0
MOST_MB = 400
BARE = """
import os, sys
pending = [sys.argv[1]]
while pending:
    with os.scandir(pending.pop()) as entries:
        for entry in entries:
            if entry.is_dir():
                pending.append(entry.path)
            else:
                entry.stat()
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--files", type=int, default=100_000, help="how many files (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="how often each is run (%(default)s)")
    choice = options.parse_args()
    with instant_server(dimension=32) as server, home(embedding_url=server.base_url) as place:
        documents = place.folder / "documents"
        say(f"writing {choice.files:,} files")
        write_tiny_files(documents, choice.files)
        say("ingesting them, once")
        place.start()
        first = place.kb("ingest", str(documents), "--json")
        say(f"took {first.seconds:.0f} s")
        bare: list[Cost] = []
        ingest: list[Cost] = []
        for _ in range(choice.rounds):
            bare.append(run([sys.executable, "-I", "-S", "-c", BARE, str(documents)]))
            ingest.append(place.kb("ingest", "--json"))
    report(choice.files, bare, ingest, first)


def report(files: int, bare: list[Cost], ingest: list[Cost], first: Cost) -> None:
    rows = [
        [name, median([c.cpu for c in costs]), median([c.postgres for c in costs]),
         median([c.seconds for c in costs]), max(c.peak_mb for c in costs)]
        for name, costs in (("scandir and stat", bare), ("kb ingest", ingest))
    ]  # fmt: skip
    table(
        f"Nothing changed among {files:,} files (medians of {len(ingest)} runs; the first ingest took "
        f"{first.seconds:.0f} s, {first.all_cpu:.0f} CPU-s)",
        ["", "CPU-s", "PostgreSQL CPU-s", "wall s", "peak MiB"],
        rows,
    )
    ratio = median([i.cpu for i in ingest]) / median([b.cpu for b in bare])
    whole = median([i.all_cpu for i in ingest]) / median([b.cpu for b in bare])
    peak = max(cost.peak_mb for cost in ingest)
    verdict("CPU of kb ingest / scandir and stat", ratio, f"at most {MOST_TIMES:g}", met=ratio <= MOST_TIMES)
    print(f"  with PostgreSQL: {whole:.2f}; peak memory {peak:.0f} MiB (aim: at most {MOST_MB})")


if __name__ == "__main__":
    main()
