"""What a command prints, and what it says when nobody takes it."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable

import pytest

from kb_pipeline.errors import OutputUnavailable
from kb_pipeline.terminal.output import print_json, say, table


class Full(io.StringIO):
    """A stdout that goes to a full disk."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "printing", [lambda: say("text"), lambda: print_json({"a": 1}), lambda: table("Title", [{"a": 1}])]
)
def test_output_that_cannot_be_written_is_not_blamed_on_the_disk_of_the_home(
    monkeypatch: pytest.MonkeyPatch, printing: Callable[[], None]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OutputUnavailable, match=r"^The output cannot be written \(No space"):
        printing()
