"""What `make run` does after installing: ingest the sample documents, search them, say what to do next.

Leaves nothing running, unless something of this home was running before: others may be using it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kb_pipeline.cli.app import run_command
from kb_pipeline.defs.execute import run_job
from kb_pipeline.operations.ingest import IngestResult, ingest
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.services.daemon import running, stop_all
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site
from kb_pipeline.store import generations, ledger

SAMPLES = Path(__file__).resolve().parent.parent / "sample_docs"
QUESTIONS = ("年假最多可以结转几天？", "What is the penalty for late payment?")
# What is only there in the other language.
ACROSS = ("存储阵列的保修期有多久？", "How many days of marriage leave do employees get?")
NEXT = """
What to do next
  .venv/bin/kb search "your question"      search; -h shows modes, filters and --json
  .venv/bin/kb ingest /path/to/your/docs   make a folder of yours a source (its sub-folders are collections)
  make up                                  Dagster at http://127.0.0.1:{dagster}, search page at http://127.0.0.1:{search};
                                           then drop a file in sample_docs/policies and watch it appear
  README.md                                how it works, settings, your own PostgreSQL and GPU server
"""


def main() -> int:
    settings = load_settings()
    were_running = running(settings.home_path)
    started = time.monotonic()
    print(f"Ingesting {SAMPLES.name}/ (state is kept in {settings.home_path}) ...", flush=True)
    try:
        with open_site(settings) as site:
            result = ingest(site, str(SAMPLES), run=run_job)
            _print_ingest(result)
            connection = site.connect()
            active = generations.active_generation(connection)
            if active is not None:
                print(
                    f"The knowledge base holds {ledger.count_documents(connection)} documents, "
                    f"{active.row_count} chunks, embedded by {active.model}."
                )
            for question in (*QUESTIONS, *ACROSS):
                _print_search(search(site, SearchRequest(question, k=3)))
    finally:
        if not were_running:
            stop_all(settings.home_path)
    left = "what was running before still is" if were_running else "nothing was left running"
    print(f"\nDone in {time.monotonic() - started:.0f} s; {left}.")
    print(NEXT.format(dagster=settings.dagster_port, search=settings.search_port))
    return 0


def _print_ingest(result: IngestResult) -> None:
    print(
        f"{result.scanned} files: {result.new} new, {result.changed} changed, {result.unchanged} unchanged, "
        f"{result.failed} failed; {result.chunks_written} chunks written, {result.texts_embedded} texts embedded."
    )


def _print_search(result: SearchResult) -> None:
    print(f"\n? {result.query}   ({result.mode})")
    if result.note:
        print(f"  {result.note.text}")
    for hit in result.hits:
        page = f", page {hit.page_number}" if hit.page_number else ""
        section = f"  [{' > '.join(hit.section_path)}]" if hit.section_path else ""
        text = " ".join(hit.content.split())
        print(f"  {hit.rank}. {hit.source_file}{page}{section}\n     {text[:160]}{'…' if len(text) > 160 else ''}")


if __name__ == "__main__":
    sys.exit(run_command(main))
