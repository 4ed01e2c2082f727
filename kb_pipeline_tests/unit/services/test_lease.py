"""Leases: who counts as using a home."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from kb_pipeline.services import lease
from kb_pipeline.services.home import make_home

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from kb_pipeline.services import lease
held = lease.hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def is_unused(home: Path) -> bool:
    with lease.claim(home) as unused:
        return unused


def test_a_home_is_unused_while_nobody_holds_a_lease(tmp_path: Path) -> None:
    make_home(tmp_path)
    assert is_unused(tmp_path)
    with lease.hold(tmp_path), lease.hold(tmp_path):
        assert not is_unused(tmp_path)
    assert is_unused(tmp_path)


def test_a_killed_process_holds_no_lease(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert not is_unused(tmp_path)
        holder.kill()
    assert is_unused(tmp_path)


def test_a_command_between_two_looks_counts_as_use(tmp_path: Path) -> None:
    make_home(tmp_path)
    before = lease.last_taken(tmp_path)
    lease.hold(tmp_path).release()
    assert lease.last_taken(tmp_path) > before


def test_a_home_made_anew_is_leased_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lease.keep(home)
    shutil.rmtree(home)
    make_home(home)
    assert is_unused(home)
    lease.keep(home)
    assert not is_unused(home)
