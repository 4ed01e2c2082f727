"""Where a source ends: links that lead out of its folder are not followed unless its owner says so, and what KB_HOME
holds (keys, databases, copies of models) is no document, wherever it lies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Boundary:
    """`home`: KB_HOME, None for no such folder. `follow_links`: also those that lead out of the source."""

    home: Path | None = None
    follow_links: bool = False

    def holds_link(self, path: str, root: str) -> bool:
        """Whether what a link leads to belongs to the source at the real path `root`."""
        real = os.path.realpath(path)
        if self.is_home(real):
            return False
        return self.follow_links or _is_below(real, root)

    def is_home_folder(self, info: os.stat_result) -> bool:
        try:
            return self.home is not None and os.path.samestat(info, self.home.stat())
        except OSError:
            return False

    def is_home(self, real: str) -> bool:
        """Whether a real path is KB_HOME or lies in it."""
        return self.home is not None and _is_below(real, str(self.home))


def _is_below(real: str, folder: str) -> bool:
    return real == folder or real.startswith(folder.rstrip("/") + "/")
