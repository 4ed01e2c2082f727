"""The parser process: takes jobs from a socket, answers each with a document or an error.

Started by `sandbox.ParserPool`, never imported by anything else. The kernel enforces the limits: memory by
RLIMIT_DATA, CPU by RLIMIT_CPU, wall time by an alarm; each kills the process, so no library can outwait
them. What else it may not do is in `confinement`. Nothing that a library prints leaves the process.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from kb_pipeline.errors import DocumentError
from kb_pipeline.parsing import clock
from kb_pipeline.parsing.confinement import confine
from kb_pipeline.parsing.document import read_document
from kb_pipeline.parsing.offline import block_heavy_imports
from kb_pipeline.parsing.parsed import ParseLimits


def main() -> None:
    """Arguments: socket file descriptor, private folder, ParseLimits as JSON."""
    socket_fd, folder, numbers = sys.argv[1:]
    limits = ParseLimits(**json.loads(numbers))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the workers
    block_heavy_imports()
    _silence()
    memory = limits.memory_mb << 20
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    confine(file_mb=limits.unzipped_mb)
    connection = Connection(int(socket_fd))
    jobs: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs, Path(folder)), daemon=True).start()
    connection.send(("ready", None))
    while True:
        path, name, content_hash, mask, readers = jobs.get()
        clock.start(limits.seconds)
        answer = _answer(Path(path), name, content_hash, mask, readers, limits)
        clock.stop()
        connection.send(answer)


def _answer(
    path: Path, name: str, content_hash: bytes | None, mask: Any, readers: Mapping[str, str], limits: ParseLimits
) -> tuple[str, Any]:
    try:
        document = read_document(path, name=name, mask=mask, limits=limits, content_hash=content_hash, readers=readers)
        return "document", document
    except DocumentError as error:
        return type(error).__name__, str(error)
    except MemoryError:
        return "LimitExceeded", f"Reading the file takes more than {limits.memory_mb} MiB; raise limits.memory_mb."


def _receive(connection: Connection, jobs: SimpleQueue[tuple[Any, ...]], folder: Path) -> None:
    """Hand jobs on; when the parent is gone, end at once, whatever is being parsed."""
    try:
        while True:
            jobs.put(connection.recv())
    except (EOFError, OSError):
        pass  # the parent closed its end or died
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # this process and its converters


def _silence() -> None:
    """Send standard output and error of this process, its libraries and converters nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
