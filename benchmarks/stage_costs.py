"""Runs the five stages one after another on a folder, and tells what each cost; a part of bench_documents.py.

Arguments: the folder, and a file for the report: JSON, a list of [stage, wall seconds, CPU seconds of this
process, CPU seconds of the parser processes, CPU seconds of PostgreSQL]. The knowledge base is that of KB_HOME.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from common import tree_cpu

from kb_pipeline.services.daemon import POSTGRES, running
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site
from kb_pipeline.stages import chunks, cleaned_elements, embeddings, knowledge_chunks, raw_documents
from kb_pipeline.store import ledger


def main() -> None:
    folder, report = sys.argv[1:]
    settings = load_settings()
    with open_site(settings) as site:
        postgres = next(service for service in running(settings.home_path) if service.name == POSTGRES)
        assert postgres.server is not None  # noqa: S101 - it runs
        postmaster = postgres.server.pid
        ledger.register_source(site.connect(), folder)
        costs = []
        for stage in (raw_documents, cleaned_elements, chunks, embeddings, knowledge_chunks):
            before = _clocks(postmaster)
            stage.run(site, None)
            used = [after - at for after, at in zip(_clocks(postmaster), before, strict=True)]
            costs.append([stage.__name__.rpartition(".")[2], *used])
    Path(report).write_text(json.dumps(costs))


def _clocks(postmaster: int) -> list[float]:
    """Wall, own CPU, CPU of ended children, CPU of PostgreSQL; all in seconds."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return [
        time.perf_counter(),
        own.ru_utime + own.ru_stime,
        children.ru_utime + children.ru_stime,
        tree_cpu(postmaster),
    ]


if __name__ == "__main__":
    main()
