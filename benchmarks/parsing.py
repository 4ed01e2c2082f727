"""What this project and other tools make of documents: labelled ones that are built here, and a folder of real ones.

The labelled documents are drawn at random from a seed (labelled/), so nothing can be fitted to them: another seed
gives others. How they are marked is told in parsing_scores.py; costs are CPU seconds and MiB of the process that
runs the tool (parsing_tools.py), without the import of its libraries. The other tools live in an environment of
their own:

  python -m venv peers && peers/bin/pip install -r benchmarks/parsing_peer_requirements.txt
  python benchmarks/parsing.py --peer-python peers/bin/python --data FOLDER

That environment is large (torch comes along), so `make bench` leaves this benchmark out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from common import ROOT, say, table
from labelled.build import FORMATS, Labelled, build
from parsing_scores import Piece, Scores, leaks, match_headings, score

HERE = Path(__file__).resolve().parent
OURS = "ours"
PEERS = ("unstructured", "unstructured-clean", "kreuzberg", "markitdown", "pymupdf4llm", "docling")
LANGUAGES = ("zh", "en")
FILE_SECONDS = 300  # wall time that a tool may spend on one file
COLUMNS = {
    "heading_text": "headings", "heading_level": "with level", "removal": "removed", "body_recall": "body",
    "whole": "whole", "ruled": "ruled", "unruled": "unruled", "pages": "pages", "error_rate": "CER",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tool made of one file. `cpu`: seconds; `peak_mb`: MiB; `error`: None or why there is nothing."""

    pieces: tuple[Piece, ...]
    cpu: float
    peak_mb: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One tool over all files. `cannot`: None or why it does not run here at all."""

    tool: str
    version: str = ""
    note: str = ""
    cannot: str | None = None
    readings: Mapping[Path, Reading] = dataclasses.field(default_factory=dict)


def main() -> None:
    choice = _options()
    with tempfile.TemporaryDirectory(prefix="kb-benchmark-") as scratch:
        folder = choice.keep or Path(scratch, "documents")
        say(f"building {choice.documents} documents of each format and language, seed {choice.seed}")
        labelled = [
            document
            for kind in choice.formats
            for language in choice.languages
            for document in build(folder, kind, language, count=choice.documents, seed=choice.seed)
        ]
        real = sorted(path for path in choice.data.rglob("*") if path.is_file()) if choice.data else []
        runs = []
        for tool in choice.tools:
            say(f"{tool}: {len(labelled)} labelled and {len(real)} real files")
            python = sys.executable if tool == OURS else choice.peer_python
            runs.append(run_tool(tool, python, [*(document.path for document in labelled), *real], Path(scratch)))
        results = [(run, marks(run, labelled)) for run in runs]
        if choice.json:
            print(json.dumps(_as_json(choice, results, labelled, real), ensure_ascii=False, indent=1))
        else:
            report(results, labelled, real, worst=choice.worst)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--documents", type=int, default=6, help="labelled ones per format and language (%(default)s)")
    options.add_argument("--formats", default=",".join(FORMATS), help="of the labelled ones (%(default)s)")
    options.add_argument("--languages", default=",".join(LANGUAGES), help="(%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="another one gives other documents (%(default)s)")
    options.add_argument("--tools", default=",".join((OURS, *PEERS)), help="(%(default)s)")
    options.add_argument("--peer-python", help="Python of an environment with parsing_peer_requirements.txt")
    options.add_argument("--data", type=Path, help="a folder of real files to read as well")
    options.add_argument("--worst", type=int, default=3, help="show that many of this project's worst documents")
    options.add_argument("--keep", type=Path, help="write the labelled documents into this folder and leave them there")
    options.add_argument("--json", action="store_true", help="all figures, per document, as one JSON document")
    choice = options.parse_args()
    for name, known in (("formats", FORMATS), ("languages", LANGUAGES), ("tools", (OURS, *PEERS))):
        values = [value for value in getattr(choice, name).split(",") if value]
        if unknown := set(values) - set(known):
            options.error(f"unknown {name}: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        setattr(choice, name, values)
    if choice.peer_python is None:
        choice.tools = [tool for tool in choice.tools if tool == OURS]
        say("no --peer-python: this project only")
    return choice


# --- running -----------------------------------------------------------------------------------------


def run_tool(tool: str, python: str, files: Sequence[Path], scratch: Path) -> Run:
    """The tool over all files; it is started again after a file that killed it or took too long."""
    readings: dict[Path, Reading] = {}
    opening: dict[str, Any] = {}
    pending = list(files)
    while pending:
        jobs, result = scratch / "jobs.json", scratch / "report.jsonl"
        jobs.write_text(json.dumps([str(path) for path in pending]), encoding="utf-8")
        result.write_text("", encoding="utf-8")
        reason = _run_once(tool, python, jobs, result)
        lines = [json.loads(line) for line in result.read_text(encoding="utf-8").splitlines()]
        if not lines or "cannot" in lines[0]:
            return Run(tool, cannot=lines[0]["cannot"] if lines else reason)
        opening = lines[0]
        for line in lines[1:]:
            pieces = tuple(Piece(**piece) for piece in line["pieces"])
            readings[Path(line["file"])] = Reading(pieces, line["cpu"], line["peak_mb"], line["error"])
        pending = pending[len(lines) - 1 :]
        if pending:
            readings[pending[0]] = Reading((), 0.0, 0.0, reason)
            pending = pending[1:]
    return Run(tool, opening.get("version", ""), opening.get("note", ""), readings=readings)


def _run_once(tool: str, python: str, jobs: Path, result: Path) -> str:
    """Why it ended. Ends it when it has written nothing for FILE_SECONDS."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
    command = [python, "-P", str(HERE / "parsing_tools.py"), tool, str(jobs), str(result)]
    with subprocess.Popen(
        command,
        env=environment,
        cwd=jobs.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return _await(process, result)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the programs that it started


def _await(process: subprocess.Popen[bytes], result: Path) -> str:
    size = -1
    while True:
        try:
            return f"its process ended with {process.wait(FILE_SECONDS)}"
        except subprocess.TimeoutExpired:
            if result.stat().st_size == size:
                return f"took more than {FILE_SECONDS} s"
            size = result.stat().st_size


# --- marking -----------------------------------------------------------------------------------------


def marks(run: Run, labelled: Sequence[Labelled]) -> dict[Path, Scores]:
    """The figures of every labelled document that the tool gave something for; a failure is a document of zeros."""
    return {
        document.path: score(document.truth, run.readings[document.path].pieces, recognised=document.scanned)
        for document in labelled
        if document.path in run.readings
    }


def mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


# --- printing ----------------------------------------------------------------------------------------

Results = Sequence[tuple[Run, Mapping[Path, Scores]]]


def report(results: Results, labelled: Sequence[Labelled], real: Sequence[Path], *, worst: int) -> None:
    for kind in dict.fromkeys(document.kind for document in labelled):
        for language in dict.fromkeys(document.truth.language for document in labelled):
            group = [d for d in labelled if d.kind == kind and d.truth.language == language]
            if group:
                pages = sum(document.sheets for document in group)
                title = f"{kind}, {language}: {len(group)} documents, {pages:.0f} pages"
                table(title, ["", *COLUMNS.values(), "CPU-s/page", "peak MiB", "failed"], list(_rows(results, group)))
    if real:
        _report_real(results, real)
    for run, _ in results:
        if run.cannot:
            print(f"\n{run.tool} does not run here: {run.cannot}")
        elif run.note:
            print(f"\n{run.tool} {run.version}: {run.note}")
        errors = Counter(reading.error for reading in run.readings.values() if reading.error)
        for error, count in errors.most_common(2):
            print(f"{run.tool}, {count} files: {error}")
    print(
        "\nheadings, with level: F1; removed: furniture left out; body: recall of its text; whole: paragraphs in one"
        "\npiece; ruled, unruled: F1 of table cells; pages: right page numbers; CER: character error rate."
    )
    for run, scores in results:
        if run.tool == OURS and scores and worst:
            _report_worst(run, scores, labelled, worst)


def _rows(results: Results, group: Sequence[Labelled]) -> Iterator[list[object]]:
    for run, scores in results:
        if run.cannot:
            continue
        readings = [run.readings[document.path] for document in group]
        if all(reading.error for reading in readings):
            yield [run.tool, *("–" for _ in COLUMNS), "–", "–", len(readings)]
            continue
        means = [mean([getattr(scores[document.path], name) for document in group]) for name in COLUMNS]
        pages = sum(document.sheets for document in group)
        cpu = sum(reading.cpu for reading in readings) / pages
        yield [
            run.tool, *("–" if value is None else f"{value:.3f}" for value in means),
            f"{cpu:.3f}", round(max(reading.peak_mb for reading in readings)),
            sum(reading.error is not None for reading in readings),
        ]  # fmt: skip


def _report_real(results: Results, real: Sequence[Path]) -> None:
    tools = [run for run, _ in results if not run.cannot]
    sheets = {path: pdf_pages(path) for path in real}
    columns = ["file", "PDF pages", *(f"{run.tool}: {what}" for run in tools for what in ("CPU-s", "elements"))]
    rows = []
    for path in real:
        cells: list[object] = [path.name[:40], sheets[path] or "–"]
        for run in tools:
            reading = run.readings[path]
            cells += [f"{reading.cpu:.2f}", "failed" if reading.error else len(reading.pieces)]
        rows.append(cells)
    table("Real files", columns, rows)
    table(
        f"All {len(real)} real files; those that gave nothing and no error are empty",
        ["", "failed", "empty", "CPU-s", "CPU-s/PDF page", "peak MiB"],
        [_real_row(run, sheets) for run in tools],
    )


def _real_row(run: Run, sheets: Mapping[Path, int | None]) -> list[object]:
    readings = [run.readings[path] for path in sheets]
    read = [(run.readings[path], count) for path, count in sheets.items() if count and not run.readings[path].error]
    pages = sum(count for _, count in read)
    return [
        run.tool,
        sum(reading.error is not None for reading in readings),
        sum(reading.error is None and not reading.pieces for reading in readings),
        sum(reading.cpu for reading in readings),
        f"{sum(reading.cpu for reading, _ in read) / pages:.3f}" if pages else "–",
        round(max(reading.peak_mb for reading in readings)),
    ]


def pdf_pages(path: Path) -> int | None:
    """None for what is no PDF, or none that can be opened."""
    import pypdfium2

    if path.suffix.lower() != ".pdf":
        return None
    try:
        with pypdfium2.PdfDocument(path) as document:
            return len(document)
    except pypdfium2.PdfiumError:
        return None


def _report_worst(run: Run, scores: Mapping[Path, Scores], labelled: Sequence[Labelled], count: int) -> None:
    def badness(document: Labelled) -> float:
        own = scores[document.path]
        parts = (own.heading_level, own.removal, own.body_recall, own.ruled, own.unruled, own.pages)
        return sum(part for part in parts if part is not None) / max(1, sum(part is not None for part in parts))

    print(f"\nThe worst documents of {run.tool}:")
    for document in sorted(labelled, key=badness)[:count]:
        pieces = run.readings[document.path].pieces
        headings = match_headings(document.truth.headings, [piece for piece in pieces if piece.kind == "heading"])
        figures = {COLUMNS[name]: round(value, 3) for name, value in dataclasses.asdict(scores[document.path]).items()
                   if value is not None}  # fmt: skip
        print(f"\n{document.path.name}  {run.readings[document.path].error or ''}\n  {figures}")
        print(f"  {dict(document.truth.features)}")
        print(f"  headings missed: {[heading.text for heading in headings.missed][:8]}")
        print(f"  headings invented: {[piece.text[:40] for piece in headings.invented][:8]}")
        wrong = [(h.text[:30], h.level, p.level) for h, p in headings.matched]
        print(f"  levels (true, given): {wrong[:12]}")
        print(f"  furniture kept: {dict(leaks(document.truth, pieces).most_common(5))}")


def _as_json(
    choice: argparse.Namespace, results: Results, labelled: Sequence[Labelled], real: Sequence[Path]
) -> dict[str, Any]:
    truths = {document.path: document for document in labelled}
    tools = []
    for run, scores in results:
        files = []
        for path, reading in run.readings.items():
            document = truths.get(path)
            files.append({
                "file": path.name if document else str(path), "labelled": document is not None,
                "kind": document.kind if document else path.suffix.lstrip(".").lower(),
                "language": document.truth.language if document else None,
                "pages": document.truth.pages if document else None,
                "features": dict(document.truth.features) if document else None,
                "scores": dataclasses.asdict(scores[path]) if document else None,
                "elements": len(reading.pieces), "cpu_seconds": round(reading.cpu, 4),
                "peak_mb": round(reading.peak_mb, 1), "error": reading.error,
            })  # fmt: skip
        tools.append({"tool": run.tool, "version": run.version, "note": run.note, "cannot": run.cannot, "files": files})
    return {"seed": choice.seed, "documents": len(labelled), "real_files": len(real), "root": ROOT.name, "tools": tools}


if __name__ == "__main__":
    main()
