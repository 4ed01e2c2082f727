"""The CPU embedding server of a home: one process that all commands and runs of the home share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.services.daemon import EMBEDDING, ServiceRequest, ensure
from kb_pipeline.system.process import child_setup, end_child

START_SECONDS = 600.0  # a model may have to be downloaded first
REMEDY = "Correct that and try again, or set KB_EMBEDDING_URL to an embedding server of your own."


def ensure_embedding_server(home: Path, *, model: str | None, idle_seconds: float) -> str:
    """Base URL (`http://127.0.0.1:PORT/v1`) of this home's embedding server, which is started if needed.

    `model`: its name or folder; None is the server's default. A server that runs another model is
    replaced. The server stops `idle_seconds` after its last user. Raises EmbeddingServerUnavailable.
    """
    if model is not None and Path(model).is_dir():
        model = str(Path(model).resolve())  # the server does not run in our working folder
    request = ServiceRequest(
        name=EMBEDDING,
        title="The embedding server",
        idle_seconds=idle_seconds,
        start_seconds=START_SECONDS,
        remedy=REMEDY,
        error=EmbeddingServerUnavailable,
        options={} if model is None else {"model": model},
        takes_long=True,
    )
    return ensure(home, request)


class EmbeddingServer:
    """The server of one home, as its owner starts and stops it."""

    def __init__(self, home: Path, model: str | None) -> None:
        self._model = model
        self._ready_file = home / "tmp" / f"embedding-{os.getpid()}.json"
        self._folder = home

    def start(self) -> subprocess.Popen[bytes]:
        self._ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "kb_pipeline.embedding.server", "--host", "127.0.0.1", "--port", "0"]
        command += ["--ready-file", str(self._ready_file)]
        if self._model is not None:
            command += ["--model", self._model]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            # It keeps nothing that a shutdown would save.
            preexec_fn=child_setup(signal.SIGKILL),  # noqa: PLW1509 - an owner has one thread
        )

    def url_when_ready(self) -> str | None:
        try:
            url = str(json.loads(self._ready_file.read_text())["url"]).rstrip("/")
        except FileNotFoundError:
            return None
        self._ready_file.unlink()
        return url if url.endswith("/v1") else f"{url}/v1"

    def is_in_use(self) -> bool:
        """Its users hold leases."""
        return False

    def stop(self, child: subprocess.Popen[bytes], *, graceful: bool) -> None:
        end_child(child, [(signal.SIGTERM, 10.0)] * graceful + [(signal.SIGKILL, 10.0)])
