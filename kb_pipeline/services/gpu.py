"""The NVIDIA cards of this machine, as nvidia-smi tells of them."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_SECONDS = 5.0
QUERY = ("name", "driver_version", "memory.total", "memory.used", "utilization.gpu")
ANSWER_SECONDS = 10.0  # a driver that wakes up takes a few


@dataclass(frozen=True, slots=True)
class Card:
    """`memory_total`, `memory_used` in MiB; `utilization`: percent of the last second in which it computed."""

    name: str
    driver: str
    memory_total: int
    memory_used: int
    utilization: int


@dataclass(slots=True)
class Samples:
    """What the cards did over a time. Empty where there is none."""

    looks: list[list[Card]] = field(default_factory=list)

    @property
    def utilization(self) -> int | None:
        """Percent of the time in which a card computed, over all looks and cards."""
        found = [card.utilization for cards in self.looks for card in cards]
        return round(sum(found) / len(found)) if found else None

    @property
    def memory_used(self) -> int | None:
        """The most that was used at a time, of all cards together, in MiB."""
        return max((sum(card.memory_used for card in cards) for cards in self.looks), default=None)


@contextmanager
def sampled(seconds: float = SAMPLE_SECONDS) -> Iterator[Samples]:
    """Look at the cards every `seconds` while the block runs, and once at its end."""
    samples, ended = Samples(), threading.Event()

    def look() -> None:
        while not ended.wait(seconds) and (seen := cards()):
            samples.looks.append(seen)

    thread = threading.Thread(target=look, name="nvidia-smi", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
        if seen := cards():
            samples.looks.append(seen)


def cards() -> list[Card]:
    """Every card; none where there is no nvidia-smi or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_cards(done.stdout) if done.returncode == 0 else []


def parse_cards(answer: str) -> list[Card]:
    """The cards of nvidia-smi's CSV. What a card does not tell, such as its use under MIG, counts as 0."""
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.splitlines()]
    return [Card(row[0], row[1], *map(_number, row[2:])) for row in rows if len(row) == len(QUERY)]


def _number(cell: str) -> int:
    return int(cell) if cell.isdigit() else 0
