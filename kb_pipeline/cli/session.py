"""What every command needs: the settings, an open site, progress on stderr, and the exit codes.

Exit codes: 0 done; 1 done, and it found something wrong; 2 the call or the settings are wrong; 3 something
it needs is not there.
"""

from __future__ import annotations

import resource
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kb_pipeline.errors import TooFewFiles
from kb_pipeline.terminal.output import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.settings import Settings
    from kb_pipeline.site import Site

EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3
OPEN_FILES = 256  # an ingest with its pool of parsers and Dagster's storage has about 80 open


def call_settings() -> Settings:
    """The settings of this call. Raises SettingsError, and TooFewFiles before anything half works."""
    _may_open(OPEN_FILES)
    from kb_pipeline.settings import load_settings

    return load_settings()


def _may_open(files: int) -> None:
    """Raise this process's limit of open files where it may, and TooFewFiles where that is not enough."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY in (allowed, most) or allowed >= files:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, most), most))
    if most < files:
        raise TooFewFiles(too_few_files())


def too_few_files() -> str:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"This process may open {allowed:,} files only; allow it {OPEN_FILES:,} (ulimit -n {OPEN_FILES})."


def is_debugging() -> bool:
    """Whether this call has `--debug`: an error shows where it arose."""
    return "--debug" in sys.argv


def told(sentence: str) -> None:
    """Tell a terminal what is waited for."""
    if sys.stderr.isatty():
        note(sentence)


@contextmanager
def opened_site() -> Iterator[Site]:
    """The site of this call; what a database refuses is a KbError, and a terminal is told what is waited for."""
    from kb_pipeline.progress import telling
    from kb_pipeline.site import open_site
    from kb_pipeline.store.database import database_errors

    with telling(told), database_errors(), open_site(call_settings()) as site:
        yield site


@contextmanager
def progress(as_json: bool) -> Iterator[None]:
    """Bars on stderr while something takes long; nothing when it is piped or JSON is asked for."""
    if as_json or not sys.stderr.isatty():
        yield
        return
    from kb_pipeline.terminal.bars import showing_bars

    with showing_bars():
        yield
