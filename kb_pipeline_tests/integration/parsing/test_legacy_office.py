"""Word before 2007 through LibreOffice: a real one where it is installed, else a program that behaves like it."""

from __future__ import annotations

import io
import os
import select
import shutil
import sys
from pathlib import Path

import docx
import olefile
import pytest

from kb_pipeline.errors import EncryptedDocument, LimitExceeded, MalformedDocument, UnsupportedFormat
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.partition import partition
from kb_pipeline_tests.integration.parsing.conftest import Parse

OLD_WORD_FILE = Path(__file__).parents[2] / "unit" / "parsing" / "office" / "files" / "old.doc"
# Takes LibreOffice's arguments, checks them, and gives the DOCX that KB_TEST_CONVERTED names.
STAND_IN = """#!{python}
import os, pathlib, shutil, sys
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index("--outdir") + 1])
profile = next(a for a in arguments if a.startswith("-env:UserInstallation=file://"))
assert "--headless" in arguments and pathlib.Path(arguments[-1]).is_file()
assert pathlib.Path(profile.partition("file://")[2], "user", "registrymodifications.xcu").is_file()
folder.mkdir()
shutil.copy(os.environ["KB_TEST_CONVERTED"], folder / ("document." + arguments[arguments.index("--convert-to") + 1]))
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, script: str) -> None:
    program = folder / "soffice"
    program.write_text(script)
    program.chmod(0o755)


def read(data: bytes, seconds: float = 60) -> list[str]:
    document = clean_document(partition(data, name="a.doc", limits=ParseLimits(seconds=seconds)))
    return [element.text for element in document.elements]


def test_without_libreoffice_the_failure_names_it(programs: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"DOC takes LibreOffice.*install it.*save the file as DOCX"):
        read(OLD_WORD_FILE.read_bytes())


def test_what_libreoffice_makes_of_it_is_read(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = docx.Document()
    file.add_heading("总则", 1)
    file.save(str(tmp_path / "converted.docx"))
    monkeypatch.setenv("KB_TEST_CONVERTED", str(tmp_path / "converted.docx"))
    install(programs, STAND_IN.format(python=sys.executable))
    assert read(OLD_WORD_FILE.read_bytes()) == ["总则"]


def test_a_file_that_libreoffice_cannot_read_is_malformed(programs: Path) -> None:
    install(programs, "#!/bin/sh\nexit 0\n")
    with pytest.raises(MalformedDocument, match="LibreOffice cannot read the file as DOC"):
        read(OLD_WORD_FILE.read_bytes())


def test_a_conversion_that_hangs_ends_with_all_that_it_started(programs: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    install(programs, f"#!/bin/sh\n/bin/sleep 600 &\necho $! > {pid_file}\nwait\n")
    with pytest.raises(LimitExceeded, match="takes more than"):
        read(OLD_WORD_FILE.read_bytes(), seconds=2)
    try:
        started = os.pidfd_open(int(pid_file.read_text()))
    except ProcessLookupError:
        return  # gone and collected already
    ended, _, _ = select.select([started], [], [], 10)  # readable once it has ended, collected or not
    os.close(started)
    assert ended


def test_a_word_file_with_a_password_says_so() -> None:
    data = io.BytesIO(OLD_WORD_FILE.read_bytes())
    with olefile.OleFileIO(data, write_mode=True) as ole:
        stream = bytearray(ole.openstream("WordDocument").read())
        stream[11] |= 0x01  # fEncrypted
        ole.write_stream("WordDocument", bytes(stream))
    with pytest.raises(EncryptedDocument):
        read(data.getvalue())


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_itself_reads_an_old_word_file_in_the_sandbox(parse: Parse) -> None:
    document = parse(OLD_WORD_FILE)
    assert [(element.text, element.heading_level) for element in document.elements] == [("总则", 1), ("正文。", None)]
    assert document.metadata["format"] == "doc"
