"""Rows of tables in real reports: what this project and other tools make of those that `pdftotext -layout` shows.

Real reports have no labels, but poppler's `pdftotext -layout` draws each page with blanks, so that a row of a table
stands on one line: a label, then a wide gap, then numbers. Slanted text, as of watermarks, is left out of it. Of each
such row, its label and at least two numbers, is asked what a tool made of it:

  one line   the label and all its numbers in order are on one line, with hardly another number.
  mashed     the same inside a line that holds several rows.
  torn       the numbers are on one line in order, the label is not there.
  lost       the rest: the numbers are not together, or not there.

A long line without gaps that stands among others is running text; *prose* is the share of it inside tables. It
compares with its own eyes only: a row that poppler itself tears apart is not asked for.

  apt-get install poppler-utils
  python -m venv peers && peers/bin/pip install -r benchmarks/parsing_peer_requirements.txt
  python benchmarks/report_tables.py --peer-python peers/bin/python --data FOLDER
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import say, table
from parsing import OURS, run_tool
from parsing_scores import Piece

PEERS = ("markitdown", "kreuzberg")
KINDS = ("one line", "mashed", "torn", "lost")
_GAP = re.compile(r" {2,}")
_NUMBER = re.compile(r"\d(?:[\d,.]*\d)?")
_NUMBERS_ALONE = re.compile(r"[\s\d,.%$€£¥()\-–—―/*†‡]*\d[\s\d,.%$€£¥()\-–—―/*†‡]*|[\s$€£¥]*[-–—―][\s%]*|[$€£¥()%]+")
_MARKS = re.compile(r"(?:\s*\(\w{1,2}\))+$|[*†‡]+$")  # of notes, behind a label
_OTHER_NUMBERS = 2  # that a line may hold beside those of a row and its label
_FEWEST_NUMBERS = 2  # cells of a row; letters of its label
_PROSE = 70  # columns of a line of running text
_PROSE_LINES = 3  # that follow each other


@dataclass(frozen=True, slots=True)
class Row:
    """A row as poppler shows it: `label` without blanks and signs, the digits of its `numbers`."""

    label: str
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    letters: str
    numbers: tuple[str, ...]


def main() -> None:
    choice = _options()
    files = sorted(choice.data.rglob("*.pdf"))
    shown = {path: pdftotext(path) for path in files}
    with tempfile.TemporaryDirectory(prefix="kb-benchmark-") as scratch:
        for tool in choice.tools:
            say(f"{tool}: {len(files)} reports")
            run = run_tool(tool, sys.executable if tool == OURS else choice.peer_python, files, Path(scratch))
            if run.cannot:
                print(f"\n{tool} does not run here: {run.cannot}")
                continue
            lines, everything, prose, read = [], Counter[str](), [0, 0], [0.0, 0]
            for path in files:
                reading, text = run.readings[path], shown[path]
                found = marked(rows(text), reading.pieces)
                counts = Counter(kind for _, kind in found)
                inside, of = prose_in_tables(text, reading.pieces)
                pages = max(1, text.count("\f"))
                lines.append(_figures(path.stem[:36], counts, (inside, of), (reading.cpu, pages)))
                everything += counts
                prose[0], prose[1] = prose[0] + inside, prose[1] + of
                read[0], read[1] = read[0] + reading.cpu, read[1] + pages
                if choice.missed and tool == OURS:
                    _print_missed(path, found)
            lines.append(_figures("all", everything, (prose[0], prose[1]), (read[0], int(read[1]))))
            table(f"{tool} {run.version}", ["", "rows", *KINDS, "prose in tables", "CPU-s/page"], lines)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--data", type=Path, required=True, help="a folder of reports (PDF)")
    options.add_argument("--tools", default=",".join((OURS, *PEERS)), help="(%(default)s)")
    options.add_argument("--peer-python", help="Python of an environment with parsing_peer_requirements.txt")
    options.add_argument("--missed", action="store_true", help="print the rows that this project does not give as one")
    choice = options.parse_args()
    choice.tools = [tool for tool in choice.tools.split(",") if tool == OURS or choice.peer_python]
    return choice


def _figures(name: str, counts: Counter[str], prose: tuple[int, int], cpu: tuple[float, int]) -> list[object]:
    total = counts.total()
    shares = [f"{counts[kind] / total:.3f}" if total else "–" for kind in KINDS]
    return [name, total, *shares, f"{prose[0] / prose[1]:.3f}" if prose[1] else "–", f"{cpu[0] / cpu[1]:.3f}"]


def _print_missed(path: Path, found: Sequence[tuple[Row, str]]) -> None:
    print(f"\n{path.name}")
    for row, kind in found:
        if kind != KINDS[0]:
            print(f"  {kind:8} {row.label}  {' '.join(row.numbers)}")


# --- what poppler shows ------------------------------------------------------------------------------


def pdftotext(path: Path) -> str:
    """The pages of a PDF as `pdftotext -layout` draws them, each ended by a form feed."""
    command = ["pdftotext", "-layout", "-nodiag", "-enc", "UTF-8", str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def rows(text: str) -> list[Row]:
    """The rows of tables: a label, a gap, and nothing but numbers behind it."""
    found = []
    for line in text.splitlines():
        label, *cells = _GAP.split(line.strip())
        numbers = tuple(number for cell in cells for number in numbers_of(cell))
        letters = letters_of(label)
        if (
            sum(any(map(str.isdecimal, cell)) for cell in cells) >= _FEWEST_NUMBERS
            and all(_NUMBERS_ALONE.fullmatch(cell) for cell in cells)
            and sum(letter.isalpha() for letter in letters) >= _FEWEST_NUMBERS
        ):
            found.append(Row(letters, numbers))
    return found


def prose_lines(text: str) -> list[str]:
    """The letters of lines of running text: long, without gaps, among others of the kind."""
    kept = []
    for long, group in itertools.groupby(text.splitlines(), key=_is_long):
        lines = list(group)
        if long and len(lines) >= _PROSE_LINES:
            kept += [letters_of(line) for line in lines]
    return kept


def _is_long(line: str) -> bool:
    plain = line.strip()
    wide = sum(1 + (unicodedata.east_asian_width(character) == "W") for character in plain)
    return wide >= _PROSE and not _GAP.search(plain) and len(_NUMBER.findall(plain)) < _PROSE / 10


def letters_of(text: str) -> str:
    """Letters and figures only, full-width and raised ones as plain ones, marks of notes left out."""
    plain = unicodedata.normalize("NFKC", _MARKS.sub("", text.strip()))
    return "".join(character for character in plain.lower() if character.isalnum())


def numbers_of(text: str) -> list[str]:
    return [re.sub(r"\D", "", number) for number in _NUMBER.findall(unicodedata.normalize("NFKC", text))]


# --- what a tool made of it --------------------------------------------------------------------------


def marked(wanted: Sequence[Row], pieces: Sequence[Piece]) -> list[tuple[Row, str]]:
    """Each row with the kind of what became of it."""
    lines = [_Line(letters_of(line), tuple(numbers_of(line))) for line in _lines(pieces)]
    by_number: dict[str, list[_Line]] = {}
    for line in lines:
        for number in dict.fromkeys(line.numbers):
            by_number.setdefault(number, []).append(line)
    found = []
    for row in wanted:
        rarest = min(row.numbers, key=lambda number: len(by_number.get(number, ())))
        kinds = {_kind(row, line) for line in by_number.get(rarest, ())}
        found.append((row, min(kinds, key=KINDS.index, default=KINDS[-1])))
    return found


def _lines(pieces: Sequence[Piece]) -> Iterator[str]:
    for piece in pieces:
        yield from piece.text.splitlines()


def _kind(row: Row, line: _Line) -> str:
    if not _in_order(row.numbers, line.numbers):
        return "lost"
    if row.label not in line.letters:
        return "torn"
    own = len(row.numbers) + len(numbers_of(row.label))
    return "one line" if len(line.numbers) <= own + _OTHER_NUMBERS else "mashed"


def _in_order(wanted: Sequence[str], given: Sequence[str]) -> bool:
    rest = iter(given)
    return all(number in rest for number in wanted)


def prose_in_tables(text: str, pieces: Sequence[Piece]) -> tuple[int, int]:
    """How many lines of running text are inside tables, and how many there are."""
    tables = "\n".join(
        letters_of(line) for piece in pieces if piece.kind == "table" for line in piece.text.splitlines()
    )
    lines = prose_lines(text)
    return sum(line in tables for line in lines), len(lines)


if __name__ == "__main__":
    main()
