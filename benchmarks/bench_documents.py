"""Many Markdown files of about 2 kB: the pipeline's own time per document, and a peer's on the same files.

The embedding server answers at once, so that what is measured is everything but the model. Ours is `kb ingest`
as a whole process, from an empty database to searchable, all indexes built; then the same again stage by stage.
The peer is LlamaIndex's IngestionPipeline as peer_llamaindex.py configures it, into the same PostgreSQL,
once with a full-text and a vector index as ours has them, and once with no index at all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from common import Cost, Home, home, run, say, table, verdict, write_markdown_files

from kb_pipeline_tests.instant_embedding_server import MODEL_NAME, instant_server

HERE = Path(__file__).resolve().parent
DIMENSION = 384
LEAST_TIMES = 3.0
INDEXED = "LlamaIndex, the same indexes"
UNINDEXED = "LlamaIndex, no index"


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    cost: Cost
    chunks: int


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--files", type=int, default=10_000, help="how many files (%(default)s)")
    options.add_argument("--data", type=Path, help="a folder of Markdown files to take instead of made-up ones")
    options.add_argument("--peer-python", help="Python of an environment that holds peer_requirements.txt")
    options.add_argument("--peer-workers", type=int, default=1, help="its processes (%(default)s)")
    options.add_argument("--no-peer", action="store_true", help="only ours")
    choice = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kb-benchmark-") as scratch,
        instant_server(dimension=DIMENSION) as server,
    ):
        documents = choice.data.resolve() if choice.data else Path(scratch, "documents")
        if choice.data is None:
            say(f"writing {choice.files:,} files")
            write_markdown_files(documents, choice.files)
        files = [path for path in documents.rglob("*.md") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / len(files)
        with home(embedding_url=server.base_url) as place:
            place.start()
            say("ours, as a whole")
            contenders = [Contender("kb ingest", place.kb("ingest", str(documents)), _chunks(place))]
            with peer_python(choice) as python:
                for name, indexes in ((INDEXED, True), (UNINDEXED, False)):
                    if python:
                        say(name)
                        contenders.append(_peer(place, documents, python, choice.peer_workers, server.base_url,
                                                name, indexes=indexes))  # fmt: skip
        with home(embedding_url=server.base_url) as place:
            place.start()
            say("ours, stage by stage")
            stages = _stages(place, documents)
    report(len(files), size, contenders, stages)


def report(files: int, size: float, contenders: list[Contender], stages: list[list[float]]) -> None:
    per_document = [[stage, *(1000 * value / files for value in used), 1000 * sum(used[1:]) / files]
                    for stage, *used in stages]  # fmt: skip
    total = ["all", *(sum(row[i] for row in per_document) for i in range(1, 6))]
    table(
        f"{files:,} Markdown files of {size:,.0f} bytes, stage by stage: milliseconds per document",
        ["stage", "wall", "own CPU", "parser CPU", "PostgreSQL CPU", "all CPU"],
        [*per_document, total],
    )
    table(
        "Whole processes, from nothing to searchable",
        ["", "chunks", "wall s", "documents/s", "CPU-s", "PostgreSQL CPU-s", "documents/CPU-s", "peak MiB"],
        [
            [c.name, c.chunks, c.cost.seconds, files / c.cost.seconds, c.cost.cpu, c.cost.postgres,
             files / c.cost.all_cpu, c.cost.peak_mb]
            for c in contenders
        ],
    )  # fmt: skip
    ours, *peers = contenders
    for peer in peers:
        wall = peer.cost.seconds / ours.cost.seconds
        cpu = peer.cost.all_cpu / ours.cost.all_cpu
        if peer.name == UNINDEXED:
            print(f"\nFor comparison, {peer.name}, whose every query reads the whole table: {wall:.2f} and {cpu:.2f}")
            continue
        verdict(f"documents/s against {peer.name}", wall, f"at least {LEAST_TIMES:g}", met=wall >= LEAST_TIMES)
        verdict(f"documents/CPU-s against {peer.name}", cpu, f"at least {LEAST_TIMES:g}", met=cpu >= LEAST_TIMES)


def _chunks(place: Home) -> int:
    from kb_pipeline.store import database, generations

    with database.connect(place.database_url(), autocommit=True) as connection:
        active = generations.active_generation(connection)
        return active.row_count if active else 0


def _stages(place: Home, documents: Path) -> list[list[float]]:
    file = place.folder / "stages.json"
    run([sys.executable, str(HERE / "stage_costs.py"), str(documents), str(file)], place.environment, place.folder)
    stages: list[list[float]] = json.loads(file.read_text())
    return stages


# --- the peer ----------------------------------------------------------------------------------------


@contextmanager
def peer_python(choice: argparse.Namespace) -> Iterator[str | None]:
    """A Python with the peer in it: the one that was named, or that of a new environment, removed at the end."""
    if choice.no_peer or choice.peer_python:
        yield None if choice.no_peer else choice.peer_python
        return
    with tempfile.TemporaryDirectory(prefix="kb-benchmark-peer-") as folder:
        say("installing the peer into an environment of its own")
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        run([python, "-m", "pip", "install", "--quiet", "-r", str(HERE / "peer_requirements.txt")])
        yield python


def _peer(
    place: Home, documents: Path, python: str, workers: int, embedding_url: str, name: str, *, indexes: bool
) -> Contender:
    parts = urlsplit(place.database_url())
    file = place.folder / "peer.json"
    call = {
        "documents": str(documents),
        "database": parse_qs(parts.query)["host"][0],
        "name": parts.path.lstrip("/"),
        "table": f"peer_{int(indexes)}",
        "embedding_url": embedding_url,
        "model": MODEL_NAME,
        "dimension": DIMENSION,
        "workers": workers,
        "indexes": indexes,
        "storage": str(place.folder / "peer"),
        "report": str(file),
    }
    cost = place.run([python, str(HERE / "peer_llamaindex.py"), json.dumps(call)])
    result = json.loads(file.read_text())
    say(f"{name}: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in result["steps"].items()))
    return Contender(name, cost, result["nodes"])


if __name__ == "__main__":
    main()
