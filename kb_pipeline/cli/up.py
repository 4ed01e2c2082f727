"""`kb up`: Dagster's web server and daemon and the search server, in the foreground, until Ctrl-C.

Two processes, so that nothing outlives the command, whatever is killed. This one, the *front*, holds the
lock and the terminal; below it a supervisor in a session of its own runs the programs. When the front dies,
the kernel tells the supervisor, which ends everything; when the supervisor dies, what it leaves falls to
the front, which does the same.

Web server and daemon share one code server: that saves a process with all the imports (135 MB and 4
CPU-seconds), and the definitions are loaded once.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from kb_pipeline.errors import SettingsError
from kb_pipeline.services import lease
from kb_pipeline.services.daemon import (
    UP,
    ServiceState,
    owner_lock,
    package_environment,
    read_state,
    remove_state,
    write_state,
)
from kb_pipeline.services.home import make_home, remove_short_link, run_folder, short_link
from kb_pipeline.services.supervisor import STOP_SIGNALS, Plan, Program, end_descendants, say
from kb_pipeline.system.locks import try_lock
from kb_pipeline.system.process import adopt_orphans, child_setup, identify, own_identity

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline.settings import Settings

DEFINITIONS = "kb_pipeline.definitions"  # also the location's name, as `dagster dev` calls it: one history


def run_up(settings: Settings) -> int:
    """Run everything until Ctrl-C, SIGTERM or the end of the terminal (0), or until a program ends (1).

    Raises SettingsError when this home has a `kb up` already or a port is taken, DatabaseUnavailable.
    """
    from kb_pipeline.site import open_site
    from kb_pipeline.store.database import database_errors

    home = make_home(settings.home_path)
    lock = _take(home)
    try:
        _check_port(settings.dagster_port, "KB_DAGSTER_PORT")
        _check_port(settings.search_port, "KB_SEARCH_PORT")
        plan = make_plan(settings)
        # Now, so that a missing database or key is one sentence here and not four in logs.
        with database_errors(), open_site(settings) as site:
            site.scope()
            return run_plan(plan, address=_web_address(settings))
    finally:
        remove_short_link(run_folder(home))
        os.close(lock)


def make_plan(settings: Settings) -> Plan:
    """What `kb up` runs; writes the workspace file that Dagster's programs share."""
    from kb_pipeline.defs.home import prepare_dagster_home

    home = settings.home_path
    dagster_home = prepare_dagster_home(settings)
    code_socket = short_link(run_folder(home)) / "code.sock"
    code_socket.unlink(missing_ok=True)
    server = {"socket": str(code_socket), "location_name": DEFINITIONS}
    workspace = dagster_home / "workspace.yaml"
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))  # JSON is YAML
    python = (sys.executable, "-m")
    web = ("dagster_webserver", "-h", "127.0.0.1", "-p", str(settings.dagster_port), "-w", str(workspace))
    return Plan(
        home=home,
        programs=(
            Program(
                name="code-server",
                title="Dagster's code server",
                command=(*python, "dagster", "api", "grpc", "--socket", str(code_socket), "-m", DEFINITIONS),
                socket=str(code_socket),
                first=True,
                # Asked to stop during a run or a tick, it waits up to a minute for its callers, who are ending as
                # well. Its runs are processes of their own, which record by themselves that they were stopped.
                keeps_nothing=True,
            ),
            Program(
                name="dagster-webserver",
                title="Dagster",
                command=(*python, *web),
                socket=settings.dagster_port,
                address=_web_address(settings),
            ),
            Program(
                name="dagster-daemon",
                title="Dagster's daemon",
                command=(*python, "dagster._daemon", "run", "-w", str(workspace)),
            ),
            Program(
                name="search",
                title="Search",
                command=(*python, "kb_pipeline.cli.app", "serve"),
                socket=settings.search_port,
                address=f"http://127.0.0.1:{settings.search_port}",
            ),
        ),
        environment={"DAGSTER_HOME": str(dagster_home), "KB_HOME": str(home)},
    )


def run_plan(plan: Plan, *, address: str) -> int:
    """Run a plan as the `kb up` of its home, until it ends or a stop signal comes."""
    lease.keep(plan.home)
    # A signal that is ignored on purpose, such as SIGHUP under nohup, stays ignored; SIGTERM always stops: a parent
    # that ignores it itself, as Dagster's processes do, hands that down without meaning it.
    heeded = {number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN}
    stop_signals = heeded | {signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals | {signal.SIGCHLD})
    adopt_orphans()
    supervisor = subprocess.Popen(
        [sys.executable, "-P", "-m", "kb_pipeline.services.supervisor"],
        stdin=subprocess.PIPE,
        env=package_environment(),
        start_new_session=True,
        preexec_fn=child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )
    state = ServiceState(UP, own_identity(), identify(supervisor.pid), address)
    try:
        write_state(plan.home, state)
        if supervisor.stdin:
            with supervisor.stdin as pipe:
                pipe.write(plan.to_json().encode())
        while (code := supervisor.poll()) is None:
            received = signal.sigtimedwait(stop_signals | {signal.SIGCHLD}, 5.0)
            if received and received.si_signo in stop_signals:
                say("Stopping …")
                supervisor.terminate()
        return 0 if code == 0 else 1  # a supervisor that was killed is a failure, too
    finally:
        end_descendants(plan)
        remove_state(plan.home, state)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _take(home: Path) -> int:
    """The lock of the home's only `kb up`."""
    lock = try_lock(owner_lock(home, UP))
    if lock is None:
        state = read_state(home, UP)
        who = f" (process {state.owner.pid}, {state.url})" if state else ""
        raise SettingsError(f"kb up is already running for {home}{who}; use it, or stop it with kb down.")
    return lock


def _check_port(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} cannot be used ({error.strerror}); set {variable} to a free port."
            ) from None


def _web_address(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.dagster_port}"
