"""Keeping libraries from what they do unasked: calling home, and importing machine-learning frameworks."""

from __future__ import annotations

import os
import sys

_QUIET = {"DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "true", "UNSTRUCTURED_DISABLE_NOTICE": "1"}
# Some packages import whichever of these is installed, for nothing: torch alone costs 1.5 s and 180 MB.
_UNWANTED = ("torch", "tensorflow", "mxnet", "cupy", "transformers")


def block_heavy_imports() -> None:
    """Make the machine-learning frameworks look absent. Only for a process that parses and does nothing else."""
    for module in _UNWANTED:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]


def allow_heavy_imports() -> None:
    """Undo it, for a reader that computes with one of them."""
    for module in _UNWANTED:
        if module in sys.modules and sys.modules[module] is None:
            del sys.modules[module]


def silence_unstructured() -> None:
    """Call before unstructured is imported: its import alone tells its makers, unless these variables are set."""
    os.environ.update(_QUIET)
