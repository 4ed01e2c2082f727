"""What a document could do to a parser process, as functions that a job can carry there.

They stand where masking would: the last thing that the worker does with a document.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from kb_pipeline.parsing.elements import CleanedDocument


def _wanted(document: CleanedDocument) -> bool:
    return "evil" in document.elements[0].text


def unchanged(document: CleanedDocument) -> CleanedDocument:
    return document


def kill_itself(document: CleanedDocument) -> CleanedDocument:
    if _wanted(document):
        os.kill(os.getpid(), signal.SIGKILL)
    return document


def segfault(document: CleanedDocument) -> CleanedDocument:
    if _wanted(document):
        ctypes.string_at(0)
    return document


def hang_with_the_interpreter_locked(document: CleanedDocument) -> CleanedDocument:
    if _wanted(document):
        re.match(r"(a|a)*$", "a" * 64 + "b")
    return document


def take_all_memory(document: CleanedDocument) -> CleanedDocument:
    if _wanted(document):
        hoard = [bytearray(16 << 20) for _ in range(10_000)]
        return replace(document, warnings=(str(len(hoard)),))
    return document


def talk(document: CleanedDocument) -> CleanedDocument:
    print("SECRET on stdout")
    os.write(2, b"SECRET on stderr\n")
    sys.stderr.write("SECRET again\n")
    return document


def leave_a_temporary_file(document: CleanedDocument) -> CleanedDocument:
    if _wanted(document):
        (Path(tempfile.mkdtemp()) / "unmasked").write_text("SECRET")
        os.kill(os.getpid(), signal.SIGKILL)
    return document


def hang_with_children(document: CleanedDocument) -> CleanedDocument:
    """The text names a pipe: it stays open as long as one of the children lives."""
    if _wanted(document):
        name = document.elements[0].text.split()[1]
        with Path(name).open("w") as pipe:
            for _ in range(20):
                subprocess.Popen(["sleep", "600"], stdout=pipe)
        signal.pause()
    return document


def tell_about_the_process(document: CleanedDocument) -> CleanedDocument:
    loaded = sorted(name for name in sys.modules if "." not in name and sys.modules[name] is not None)
    return replace(document, metadata={"pid": os.getpid(), "modules": loaded})


def abort_without_memory(document: CleanedDocument) -> CleanedDocument:
    """As a library in C does, which has no exceptions."""
    if _wanted(document):
        hoard = []
        try:
            while True:
                hoard.append(b"x" * (16 << 20))
        except MemoryError:
            os.abort()
    return document


def tell_what_it_may_do(document: CleanedDocument) -> CleanedDocument:
    sockets = {}
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
            sockets[family.name] = "open"
        except OSError as error:
            sockets[family.name] = errno.errorcode[error.errno or 0]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return replace(
        document,
        metadata={
            "environment": sorted(os.environ),
            "no_new_privileges": status["NoNewPrivs"].strip(),
            "largest_file": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
            "sockets": sockets,
        },
    )
