"""Formats that LibreOffice has to convert first: Word and PowerPoint before 2007, OpenDocument sheets and slides.

LibreOffice is a program of its own, used where it is installed. It runs with a profile of its own in a
temporary folder, which ends with it: no macros, no links followed, no setting of the user's touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from kb_pipeline.errors import MalformedDocument, UnsupportedFormat

_PROGRAMS = ("soffice", "libreoffice")
_KILLED_SECONDS = 5.0  # how long a killed process may take to be gone
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution"
 oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks"
 oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link"
 oor:op="fuse"><value>2</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link"
 oor:op="fuse"><value>2</value></prop></item>
</oor:items>
"""


def convert(data: bytes, *, source: str, target: str, seconds: float) -> bytes:
    """The file of the format `source`, such as `doc`, as one of the format `target`, such as `docx`.

    Raises UnsupportedFormat where LibreOffice is not installed, MalformedDocument where it cannot read the
    file, and subprocess.TimeoutExpired after `seconds`.
    """
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise UnsupportedFormat(
            f"Reading {source.upper()} takes LibreOffice, which is not installed; install it, then run kb failures"
            f" retry, or save the file as {target.upper()}."
        )
    with tempfile.TemporaryDirectory(prefix="kb-office-") as name:
        folder = Path(name)
        profile = folder / "profile"
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(_SETTINGS, encoding="utf-8")
        file = folder / f"document.{source}"
        file.write_bytes(data)
        command = [
            *(program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--nolockcheck"),
            *("--nologo", "--convert-to", target, "--outdir", str(folder / "out"), str(file)),
        ]
        _run(command, folder, seconds)
        converted = folder / "out" / f"document.{target}"
        if not converted.is_file():
            raise MalformedDocument(
                f"LibreOffice cannot read the file as {source.upper()}; open it and save it as {target.upper()}."
            )
        return converted.read_bytes()


def _run(command: list[str], folder: Path, seconds: float) -> None:
    """Run LibreOffice in the process group of the parser, which ends whole; after `seconds` all that it started."""
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            process.wait(seconds)
        except BaseException:
            converter = psutil.Process(process.pid)
            started = converter.children(recursive=True)
            for program in (converter, *started):
                with contextlib.suppress(psutil.NoSuchProcess):
                    program.kill()
            # Nothing may write to the folder any more when it is removed.
            psutil.wait_procs(started, timeout=_KILLED_SECONDS)
            raise
