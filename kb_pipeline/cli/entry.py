"""Where the process of `kb` begins and ends: a Ctrl-C is answered the same way before, during and after the command.

Imports of the commands take a good part of a second, so nothing else is imported before that holds.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = "Interrupted; what was committed stays, and the next run goes on from there."
EXIT_INTERRUPTED = 130


def main() -> NoReturn:
    """The entry point of `kb`."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # whoever started us wants it ignored
        from kb_pipeline.cli.app import main as command

        command()
    signal.signal(signal.SIGINT, _leave)
    from kb_pipeline.cli.app import main as command

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:
        _leave()
    finally:
        signal.signal(signal.SIGINT, _leave)


def _leave(_number: int = signal.SIGINT, _frame: FrameType | None = None) -> NoReturn:
    sys.stderr.write(f"kb: {INTERRUPTED}\n")
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
