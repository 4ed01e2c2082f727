"""Processes by identity."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

from kb_pipeline.system.process import descendants, end, end_child, identify, is_alive, own_identity, send

FAMILY = "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"


def test_a_recycled_pid_is_not_the_same_process() -> None:
    me = own_identity()
    assert is_alive(me)
    assert not is_alive(replace(me, started=me.started - 1))
    assert not is_alive(replace(me, boot="another boot"))


def test_a_signal_never_reaches_a_process_with_a_recycled_pid() -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        found = identify(stranger.pid)
        assert found
        assert not send(replace(found, started=found.started - 1), signal.SIGKILL)
        assert stranger.poll() is None
        stranger.kill()


def test_a_zombie_counts_as_gone() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert identify(child.pid) is None


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()
        found = identify(stubborn.pid)
        assert found
        assert end([found], [(signal.SIGTERM, 0.2), (signal.SIGKILL, 10.0)]) == []


def test_a_child_that_ignores_sigterm_is_killed_and_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()
        end_child(stubborn, [(signal.SIGTERM, 0.2), (signal.SIGKILL, 10.0)])
        assert stubborn.returncode == -signal.SIGKILL


def test_descendants_are_found_at_any_depth() -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        grandchild = int(parent.stdout.readline())
        below = [process.pid for process in descendants(os.getpid())]  # with those of other tests
        assert {parent.pid, grandchild} <= set(below)
        assert [process.pid for process in descendants(parent.pid)] == [grandchild]
        os.kill(grandchild, signal.SIGKILL)
