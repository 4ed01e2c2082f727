"""What is shown of the log of a service that did not start."""

from __future__ import annotations

from pathlib import Path

from kb_pipeline.services.daemon import failure_in

FAILED_LAUNCH = """\
WARNING: another start
Traceback (most recent call last):
  File "before.py", line 1, in <module>
ValueError: of the start before
"""
LAUNCH = """\
[2026-11-02 10:00:01] server_args=ServerArgs(model_path='/models/m')
[2026-11-02 10:00:07 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/venv/sglang/srt/managers/scheduler.py", line 3119, in run_scheduler_process
    scheduler = Scheduler(server_args)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.20 GiB.

Traceback (most recent call last):
  File "/venv/sglang/launch_server.py", line 30, in <module>
RuntimeError: Initialization failed. Please see the error messages above.
Set it by --mem-fraction-static.
See the docs.
Killed
"""


def write(log: Path, text: str) -> Path:
    log.write_text(text)
    return log


def test_the_first_exception_of_the_latest_start_is_shown(tmp_path: Path) -> None:
    log = write(tmp_path / "sglang.log", FAILED_LAUNCH + LAUNCH)
    shown = failure_in(log, len(FAILED_LAUNCH))
    assert shown == "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.20 GiB."


def test_without_a_traceback_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = write(tmp_path / "sglang.log", "usage: launch_server\nlaunch_server: error: unknown argument --foo\n")
    assert failure_in(log) == "usage: launch_server | launch_server: error: unknown argument --foo"


def test_a_log_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    assert failure_in(tmp_path / "none.log") == ""
