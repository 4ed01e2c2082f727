"""`kb` in processes of its own, without the seconds that each would spend on imports.

A *template* is a Python that has imported what commands import, and nothing that depends on a site; it starts with the
first command of a test process. Each command is a fork of it: a real process with the arguments, environment,
folder and output that it is given, that ends by itself, by a signal or with an exit code. Between the template and the
command stands a *keeper* that waits for it, so that the test hears how it ended.

What depends on a fresh interpreter (the installed script, what is imported when) has tests of its own.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What an ingest and a search import. Not the definitions: they are made for the settings of their process.
PRELOADED = (
    "dagster",
    "openai",
    "pgvector.psycopg",
    "psycopg_pool",
    "sqlalchemy.dialects.sqlite",
    "unstructured.chunking.title",
    "kb_pipeline.cli.app",
    "kb_pipeline.defs.execute",
    "kb_pipeline.embedding.client",
    "kb_pipeline.operations.audit",
    "kb_pipeline.operations.ingest",
    "kb_pipeline.operations.privacy",
    "kb_pipeline.operations.search",
    "kb_pipeline.operations.status",
    "kb_pipeline.parsing.sandbox",
    "kb_pipeline.privacy.detection",
    "kb_pipeline.privacy.recognizers",
    "kb_pipeline.stages.chunks",
    "kb_pipeline.stages.cleaned_elements",
    "kb_pipeline.stages.embeddings",
    "kb_pipeline.stages.knowledge_chunks",
    "kb_pipeline.stages.raw_documents",
)
MESSAGE_BYTES = 1 << 20
LISTENING = b"listening\n"  # what a template says once


class KbProcess:
    """A command that was started; as much of subprocess.Popen as tests need."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, own_group: bool) -> None:
        self.returncode: int | None = None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._keeper.connect(_template())
        request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(folder)}
        message = json.dumps(request | {"own_group": own_group}).encode()
        socket.send_fds(self._keeper, [message], [self._out.fileno(), self._err.fileno()])
        self.pid = int(self._keeper.recv(100))

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        if self.returncode is None:
            self._keeper.setblocking(False)
            try:
                self._take(self._keeper.recv(100))
            except BlockingIOError:
                pass
            finally:
                self._keeper.setblocking(True)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; what it wrote. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                self._take(self._keeper.recv(100))
            except TimeoutError:
                raise subprocess.TimeoutExpired("kb", timeout or 0.0) from None
        self._keeper.close()
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return texts[0], texts[1]

    def _take(self, message: bytes) -> None:
        if not message:
            raise RuntimeError("the keeper of a command ended before it")
        self.returncode = os.waitstatus_to_exitcode(int(message))


@cache
def _template() -> str:
    """The address of this process's template, which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="kb-forking-"))
    address = str(folder / "socket")
    # BLAS threads would not survive a fork.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", __name__, address]
    template = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    atexit.register(_end, template, folder)
    assert template.stdout is not None
    with template.stdout as said:
        assert said.readline() == LISTENING, "the template of commands did not start"
    return address


def _end(template: subprocess.Popen[bytes], folder: Path) -> None:
    """The end of the pipe to its input ends it."""
    assert template.stdin is not None
    template.stdin.close()
    template.wait()
    shutil.rmtree(folder, ignore_errors=True)


def serve(address: str) -> None:
    """Be the template: until whoever started it is gone, fork a command for each connection."""
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no one to wait for them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(address)
    server.listen()
    os.write(1, LISTENING)
    if os.fork() == 0:
        sys.stdin.buffer.read()  # until the test process ends, however it does
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            _keep(connection)
        connection.close()


def _keep(connection: socket.socket) -> None:
    """Start the command that is asked for, say its pid and then how it ended. Returns in the command alone."""
    message, files, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(json.loads(message), files)
    connection.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # the test is gone
        connection.send(str(status).encode())
    os._exit(0)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    if request["own_group"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["kb", *request["arguments"]]
    from kb_pipeline.cli.app import main

    main()


if __name__ == "__main__":
    serve(sys.argv[1])
