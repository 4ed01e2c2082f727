"""Embedding servers for tests: import a fixture into a conftest.py to use it.

Fixtures
    cpu_embedding_url   base URL of the real CPU server; one for the whole run, whatever the workers.
    instant             an InstantServer of 64 dimensions, for this test alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.services.embedding import ensure_embedding_server
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 120.0  # a busy machine imports torch slowly
IDLE_SECONDS = 60.0


@pytest.fixture(scope="session")
def cpu_embedding_url(shared_folder: Path) -> str:
    return ensure_embedding_server(shared_folder / "home", model=None, idle_seconds=IDLE_SECONDS)


@pytest.fixture
def instant() -> Iterator[InstantServer]:
    with instant_server(dimension=64) as server:
        yield server


@dataclass(frozen=True, slots=True)
class CpuServer:
    base_url: str
    process: subprocess.Popen[str]

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")


@contextmanager
def cpu_server(ready_file: Path, *options: str) -> Iterator[CpuServer]:
    """Run `python -m kb_pipeline.embedding.server` until the end of the block."""
    command = [sys.executable, "-m", "kb_pipeline.embedding.server", "--ready-file", str(ready_file), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready_file.exists():  # the file is the server's only signal to other processes
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"the CPU embedding server did not start: {process.communicate()[1]}")
            time.sleep(0.02)
        yield CpuServer(json.loads(ready_file.read_text())["url"], process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
