"""What the benchmarks share: made-up documents, a knowledge base of their own, and what things cost.

Every benchmark works in a temporary folder with a KB_HOME of its own and leaves nothing behind. Costs are
CPU seconds, user and system together: wall time says little on a machine that does other things as well.
What a *command* costs is what its process and all processes below it used. What *PostgreSQL* costs is what
its server and the backends of this KB_HOME used meanwhile; it is not below the command, so it comes on top.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kb_pipeline.services.daemon import ServiceState

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a benchmark is run as a file, so its own folder is what Python put there

# A benchmark that is told to stop clears up as one that is interrupted does.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

_TICKS = os.sysconf("SC_CLK_TCK")
# Starts one command and writes what it cost to a file descriptor. The peak memory that Linux tells of a
# process counts the moment before its exec, too, so it must not be started by a process of many megabytes.
_LAUNCHER = """
import json, os, subprocess, sys, time
report = int(sys.argv[1])
started = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
seconds = time.perf_counter() - started
cost = [seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode]
os.write(report, json.dumps(cost).encode())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """`seconds` of wall time, `cpu` seconds of the command, `postgres` CPU seconds of the database beside it,
    `peak_mb`: MiB of the command's largest process."""

    seconds: float
    cpu: float
    peak_mb: float = 0.0
    postgres: float = 0.0

    @property
    def all_cpu(self) -> float:
        return self.cpu + self.postgres


@dataclass(frozen=True, slots=True)
class Home:
    """A KB_HOME below `folder`, and the environment in which commands use it."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def path(self) -> Path:
        return self.folder / "kb"

    def kb(self, *arguments: str, codes: Sequence[int] = (0,)) -> Cost:
        """What `kb` with these arguments costs, its database included. Its output is thrown away."""
        return self.run([*KB, *arguments], codes=codes)

    def run(self, command: Sequence[str], *, codes: Sequence[int] = (0,)) -> Cost:
        """What any command costs that uses this KB_HOME, its database included, which must be running."""
        before = self.postgres_cpu()
        cost = run(command, self.environment, self.folder, codes=codes)
        return Cost(cost.seconds, cost.cpu, cost.peak_mb, self.postgres_cpu() - before)

    def start(self) -> None:
        """Start the database, so that no cost holds that."""
        run([*KB, "status"], self.environment, self.folder)

    def postgres_cpu(self) -> float:
        """CPU seconds that the embedded server, which must be running, and its backends used so far."""
        server = self._postgres().server
        return tree_cpu(server.pid) if server is not None else 0.0

    def database_url(self) -> str:
        """The URL of the embedded server, which must be running."""
        url = self._postgres().url
        if url is None:
            sys.exit("The database of the benchmark is not running.")
        return url

    def _postgres(self) -> ServiceState:
        from kb_pipeline.services.daemon import POSTGRES, read_state

        state = read_state(self.path, POSTGRES)
        if state is None:
            sys.exit("The database of the benchmark is not running.")
        return state


KB = [sys.executable, "-P", "-c", "from kb_pipeline.cli.app import main; main()"]


@contextmanager
def home(**settings: str) -> Iterator[Home]:
    """A fresh KB_HOME in a temporary folder with these KB_* settings; it is stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="kb-benchmark-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KB_", "DAGSTER_"))}
    environment |= {f"KB_{name.upper()}": value for name, value in settings.items()}
    environment |= {"KB_HOME": str(folder / "kb"), "PYTHONPATH": str(ROOT)}
    try:
        yield Home(folder, environment)
    finally:
        try:
            run([*KB, "down"], environment, folder)
        finally:
            shutil.rmtree(folder)


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    codes: Sequence[int] = (0,),
) -> Cost:
    """What a command costs. What it prints is thrown away; an exit code besides `codes` ends the benchmark."""
    receiver, sender = os.pipe()
    with os.fdopen(receiver) as report, tempfile.TemporaryFile() as complaints:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(sender), *command],
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[sender],
            check=True,
        )
        os.close(sender)
        seconds, cpu, peak, code = json.load(report)
        if code not in codes:
            complaints.seek(0)
            last = complaints.read().decode(errors="replace")[-2000:]
            sys.exit(f"{' '.join(command)} ended with exit code {code}:\n{last}")
    return Cost(seconds, cpu, peak)


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process, of its ended children, and of the processes below it that live now."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(entry))
        used[int(entry)] = sum(int(field) for field in fields[11:15]) / _TICKS
    total, pending = 0.0, [pid]
    while pending:
        process = pending.pop()
        total += used.get(process, 0.0)
        pending += children.get(process, [])
    return total


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names; numbers stand right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}\n")
    for row in (columns, ["-" * width for width in widths], *cells):
        first, *others = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        print("  ".join([row[0].ljust(len(first)), *others]))


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def verdict(name: str, ratio: float, aim: str, *, met: bool) -> None:
    """Print the ratio that a benchmark is about, and whether it is where it should be."""
    print(f"\n{name}: {ratio:.2f}  (aim: {aim}; {'met' if met else 'MISSED'})")


def say(text: str) -> None:
    """A line about what goes on, on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


# --- documents ---------------------------------------------------------------------------------------


def write_tiny_files(folder: Path, count: int) -> None:
    """`count` text files of a few words, 100 to a folder, in three collections."""
    for number in range(count):
        place = folder / f"team-{number % 3}" / f"{number // 300:04d}"
        if number % 300 < 3:
            place.mkdir(parents=True)
        (place / f"note-{number:06d}.txt").write_text(f"Note {number}: the meeting is in room {number % 97}.\n")


def write_markdown_files(folder: Path, count: int, *, seed: int = 1) -> None:
    """`count` Markdown files of about 2 kB with a title and four sections, in three collections."""
    maker = MarkdownMaker(seed)
    for number in range(count):
        place = folder / f"team-{number % 3}" / f"{number // 300:04d}"
        if number % 300 < 3:
            place.mkdir(parents=True)
        (place / f"document-{number:06d}.md").write_text(maker.document(number))


class MarkdownMaker:
    """Documents of invented words whose frequencies fall as those of a natural language do."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        syllables = [c + v for c in "bcdfghklmnprstvw" for v in "aeiou"]
        words = {"".join(self._random.choices(syllables, k=self._random.randint(1, 4))) for _ in range(12_000)}
        self._words = sorted(words)
        self._random.shuffle(self._words)
        total = 0.0
        self._weights = [total := total + 1 / (rank + 3) for rank in range(len(self._words))]

    def document(self, number: int) -> str:
        sections = [f"# Document {number} on {self.sentence(3)}"]
        for section in range(1, 5):
            sections.append(f"## {section}. {self.sentence(4)}")
            sections += [" ".join(self.sentence(12) + "." for _ in range(3)) for _ in range(2)]
        return "\n\n".join(sections) + "\n"

    def sentence(self, words: int) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words)).capitalize()
