"""The folders of a KB_HOME: where the local processes of one home keep their state.

    KB_HOME/
      run/        locks and state files of the services
      log/        what the services print, one file each
      tmp/        scratch space, safe to delete when nothing runs
      postgres/   the embedded PostgreSQL cluster
      sglang/     the environment of the GPU embedding server, see `sglang`
      dagster/    DAGSTER_HOME under `kb up`

Only the user who made a home can look into it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from kb_pipeline.errors import SettingsError

PRIVATE = 0o700


def make_home(home: Path) -> Path:
    """Make the home and its folders where they are missing; return the home as an absolute path.

    A home that is already there keeps its mode. Raises SettingsError when it cannot be made.
    """
    home = home.expanduser().resolve()
    try:
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        for folder in (run_folder(home), log_folder(home), home / "tmp"):
            folder.mkdir(mode=PRIVATE, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"KB_HOME {home} cannot be used: {error.strerror}. Set KB_HOME to a folder that you can write to."
        ) from None
    if not os.access(run_folder(home), os.W_OK | os.X_OK):
        raise SettingsError(f"KB_HOME {home} belongs to another user. Set KB_HOME to a folder of your own.")
    return home


def run_folder(home: Path) -> Path:
    return home / "run"


def log_folder(home: Path) -> Path:
    return home / "log"


def short_link(folder: Path) -> Path:
    """A short ASCII path that leads to `folder`, for sockets, whose addresses take 107 bytes at most.

    A link in a folder of /tmp that is private to the user. Raises SettingsError.
    """
    links = _links_folder()
    links.mkdir(mode=PRIVATE, exist_ok=True)
    status = links.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise SettingsError(f"{links} is not a folder that is private to you; remove it and try again.")
    link = _link_name(links, folder)
    with suppress(FileExistsError):  # its name says where it points
        link.symlink_to(folder)
    return link


def remove_short_link(folder: Path) -> None:
    """Remove the link to `folder`, if there is one."""
    _link_name(_links_folder(), folder).unlink(missing_ok=True)


def _links_folder() -> Path:
    return Path(f"/tmp/kb_pipeline-{os.geteuid()}")  # noqa: S108 - checked to be private before use


def _link_name(links: Path, folder: Path) -> Path:
    return links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
