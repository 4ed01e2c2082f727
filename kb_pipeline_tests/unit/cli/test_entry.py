"""How the process of `kb` ends when Ctrl-C comes before or after the command itself."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from kb_pipeline.cli.entry import EXIT_INTERRUPTED, INTERRUPTED

PRELUDE = """
import atexit, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

"""
WHEN = {
    "while commands are imported": "sys.meta_path.insert(0, Interrupting())",
    "when the command is done": "atexit.register(signal.raise_signal, signal.SIGINT)",
}


@pytest.mark.parametrize("when", WHEN.values(), ids=WHEN)
def test_ctrl_c_is_one_sentence_whenever_it_comes(when: str) -> None:
    program = f"{PRELUDE}{when}\nfrom kb_pipeline.cli.entry import main\nmain()"
    ended = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_INTERRUPTED
    assert ended.stderr == f"kb: {INTERRUPTED}\n"


def test_a_command_in_the_background_goes_on_ignoring_it() -> None:
    program = f"{PRELUDE}{WHEN['while commands are imported']}\nfrom kb_pipeline.cli.entry import main\nmain()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
