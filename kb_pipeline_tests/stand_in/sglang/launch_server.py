"""A stand-in for `python -m sglang.launch_server`: the same arguments, log lines, answers and process tree, no model.

It takes `--config FILE` as SGLang does, answers /health with 503 while it starts, logs its flags with the key
among them, has a child process that would hold the card, and answers with the bodies recorded from SGLang.
Vectors are hashes of 8 numbers. A fault is asked for with `--stand-in FAULT`:

    crash       prints what a card without enough memory makes SGLang print, and exits
    sleepy      never becomes healthy
    other       serves another model than it was told

Plain Python: it is run by an interpreter that knows nothing of the project.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STARTING_SECONDS = 0.3
DIMENSION = 8
LARGEST_TOKENS = 512


class Server(ThreadingHTTPServer):
    daemon_threads = True
    ready = False

    def __init__(self, flags: dict[str, Any]) -> None:
        self.flags = flags
        super().__init__((flags["host"], flags["port"]), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        flags = self.server.flags
        if self.path == "/health":
            self._send(200 if self.server.ready else 503, b"")
        elif not self._allowed():
            self._json(401, {"error": "Unauthorized"})
        elif self.path == "/v1/models":
            card = {"id": flags["served-model-name"], "object": "model", "created": 1795339181, "owned_by": "sglang"}
            self._json(200, {"object": "list", "data": [{**card, "parent": None, "max_model_len": LARGEST_TOKENS}]})
        elif self.path == "/model_info":
            info = {"model_path": flags["model-path"], "is_generation": not flags["is-embedding"]}
            self._json(200, {**info, "weight_version": flags["weight-version"]})
        else:
            self._json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self._allowed():
            self._json(401, {"error": "Unauthorized"})
            return
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSION]] for text in texts]
        data = [{"embedding": vector, "index": i, "object": "embedding"} for i, vector in enumerate(vectors)]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self._json(
            200, {"data": data, "model": self.server.flags["served-model-name"], "object": "list", "usage": usage}
        )

    def _allowed(self) -> bool:
        key = self.server.flags.get("api-key")
        return key is None or self.headers.get("authorization") == f"Bearer {key}"

    def _json(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def say(line: str) -> None:
    print(time.strftime("[%Y-%m-%d %H:%M:%S]"), line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--stand-in", choices=("crash", "sleepy", "other"))
    options = parser.parse_args()
    flags = json.loads(Path(options.config).read_text())
    say("server_args=ServerArgs(" + ", ".join(f"{k.replace('-', '_')}={v!r}" for k, v in flags.items()) + ")")
    # Its memory on the card would be held until this one has ended, too.
    scheduler = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "sglang::scheduler"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if options.stand_in == "crash":
        scheduler.kill()
        say("Scheduler hit an exception: Traceback (most recent call last):")
        say("RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.")
        sys.exit(1)
    if options.stand_in == "other":
        flags["served-model-name"] = flags["model-path"] = "Qwen3-Embedding-8B"
    server = Server(flags)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(f"Uvicorn running on http://{flags['host']}:{flags['port']} (Press CTRL+C to quit)")
    time.sleep(STARTING_SECONDS)
    if options.stand_in != "sleepy":
        server.ready = True
        say("The server is fired up and ready to roll!")
    while os.getppid() != 1:
        time.sleep(1.0)


if __name__ == "__main__":
    main()
