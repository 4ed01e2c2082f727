"""The owner process of one service: `python -m kb_pipeline.services.owner NAME --home …`.

It detaches, starts the server as its child, writes the state file when the server is ready, and stays
until the server dies, SIGTERM comes, the home is deleted, or nobody has used the home for long enough.
If the owner itself is killed, the kernel tells the server (see `child_setup`).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kb_pipeline.errors import KbError
from kb_pipeline.services import lease
from kb_pipeline.services.daemon import (
    EMBEDDING,
    POSTGRES,
    SGLANG,
    ServiceState,
    owner_lock,
    read_state,
    remove_state,
    write_state,
)
from kb_pipeline.system.locks import try_lock
from kb_pipeline.system.process import descendants, end, identify, own_identity

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_READY_POLL_SECONDS = 0.02
_KILL_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Server(Protocol):
    """What an owner needs to know about the server that it starts."""

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; raises KbError when that cannot work."""

    def url_when_ready(self) -> str | None:
        """Its URL once it answers, None before; raises KbError when it never will."""

    def is_in_use(self) -> bool:
        """True when someone without a lease uses it."""

    def stop(self, child: subprocess.Popen[bytes], *, graceful: bool) -> None:
        """End the server and wait until it is gone."""


def own(home: Path, state: ServiceState, server: Server, *, idle_seconds: float, start_seconds: float) -> int:
    """Run the service until it ends; the exit code says whether it ended as wished."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS | {signal.SIGCHLD})
    write_state(home, state)
    try:
        child = server.start()
        try:
            url = _wait_until_ready(server, child, start_seconds)
            if url is None:
                server.stop(child, graceful=True)
                return 1
            state = replace(state, server=identify(child.pid), url=url)
            write_state(home, state)
            return _watch(home, state, server, child, idle_seconds)
        finally:
            if child.poll() is None:
                server.stop(child, graceful=False)
    finally:
        remove_state(home, state)


def _wait_until_ready(server: Server, child: subprocess.Popen[bytes], seconds: float) -> str | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (code := child.poll()) is not None:
            _log.error("The server ended with code %s before it was ready.", code)
            return None
        if (url := server.url_when_ready()) is not None:
            return url
        if _next_signal(_READY_POLL_SECONDS) in _STOP_SIGNALS:
            _log.info("Stopped before the server was ready.")
            return None
    _log.error("The server was not ready after %.0f s.", seconds)
    return None


def _watch(home: Path, state: ServiceState, server: Server, child: subprocess.Popen[bytes], idle_seconds: float) -> int:
    """Wait for a reason to end, then end the server; 1 when it died by itself."""
    poll_seconds = min(2.0, max(0.05, idle_seconds / 5))
    last_used = time.monotonic()
    last_taken = lease.last_taken(home)
    while True:
        received = _next_signal(poll_seconds)
        if (code := child.poll()) is not None:
            _log.error("The server ended with code %s.", code)
            return 1
        if received in _STOP_SIGNALS:
            server.stop(child, graceful=True)
            return 0
        if read_state(home, state.name) != state:  # the home was deleted, perhaps made anew
            server.stop(child, graceful=False)
            return 0
        with lease.claim(home) as unused:
            if not unused or lease.last_taken(home) != last_taken or server.is_in_use():
                last_used, last_taken = time.monotonic(), lease.last_taken(home)
            elif time.monotonic() - last_used >= idle_seconds:
                server.stop(child, graceful=True)
                remove_state(home, state)
                return 0


def _next_signal(seconds: float) -> int | None:
    received = signal.sigtimedwait(_STOP_SIGNALS | {signal.SIGCHLD}, seconds)
    return received.si_signo if received else None


def _server(name: str, home: Path, options: Mapping[str, str]) -> Server:
    if name == POSTGRES:
        from kb_pipeline.services.postgres import PostgresServer

        return PostgresServer(home)
    if name == SGLANG:
        from kb_pipeline.services.sglang import SglangServer

        return SglangServer(home, options)
    from kb_pipeline.services.embedding import EmbeddingServer

    return EmbeddingServer(home, options.get("model"))


def _detach() -> None:
    """Leave the process that started us, which waits only for this."""
    if os.fork() > 0:
        os._exit(0)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="kb_pipeline.services.owner", description=__doc__)
    parser.add_argument("name", choices=[POSTGRES, EMBEDDING, SGLANG])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--idle-seconds", type=float, required=True)
    parser.add_argument("--start-seconds", type=float, required=True)
    parser.add_argument("--options", type=json.loads, default={})
    options = parser.parse_args(arguments)
    # Held until this process ends; taken before detaching, so that our starter can rely on it.
    if try_lock(owner_lock(options.home, options.name)) is None:
        return os.EX_TEMPFAIL
    _detach()
    logging.basicConfig(format="%(asctime)s owner: %(message)s", level=logging.INFO)
    try:
        return own(
            options.home,
            ServiceState(options.name, own_identity(), options=options.options),
            _server(options.name, options.home, options.options),
            idle_seconds=options.idle_seconds,
            start_seconds=options.start_seconds,
        )
    except KbError as error:
        _log.error(error)
        return 1
    finally:
        # A server that was killed may leave processes of its own, which fall to us where it asked for that.
        end(descendants(os.getpid()), [(signal.SIGKILL, _KILL_SECONDS)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
