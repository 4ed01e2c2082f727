"""What archives and messages carry, and what of it is left out."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from kb_pipeline.errors import DocumentError, LimitExceeded
from kb_pipeline.parsing.carriers import contents, extract, left_out


def archive(*files: tuple[str | zipfile.ZipInfo, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files:
            target.writestr(name, content)
    return buffer


def paths(file: io.BytesIO, name: str = "a.zip") -> list[str]:
    return [carried.path for carried in contents(file, name, unzipped_mb=10)]


def reasons(file: io.BytesIO) -> str:
    return " ".join(left_out(file, "a.zip", unzipped_mb=10))


def test_names_lead_nowhere_else_and_are_told_apart() -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.warns(UserWarning, match="Duplicate"):
        file = archive(
            ("../up.txt", b"1"),
            ("/root.txt", b"2"),
            ("C:\\x.txt", b"3"),
            (link, b"/etc/passwd"),
            ("./a//b.txt", b"4"),
            ("a/b.txt", b"5"),
            ("a/b.txt", b"6"),
            ("two\nlines.txt", b"7"),
        )
    assert paths(file) == ["a/b.txt", "a/b [2].txt", "a/b [3].txt", "two_lines.txt"]
    assert "3 files inside were left out: their names lead out of the file" in reasons(file)
    assert "1 files inside were left out: they are links" in reasons(file)
    assert extract(file, "a.zip", "a/b [3].txt", unzipped_mb=10) == b"6"


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "big5"])
def test_names_without_an_encoding_are_guessed(encoding: str) -> None:
    name = "合同/采购協議書.txt" if encoding != "big5" else "合同/採購協議書與附件說明.txt"
    stored = name.encode(encoding).decode("cp437")
    file = archive((stored, b"x"))
    data = file.getvalue().replace(stored.encode(), b"\0")  # written as UTF-8, with the flag
    assert data
    info = zipfile.ZipInfo("placeholder" * 1)
    info.filename = "x" * len(name.encode(encoding))
    plain = archive((info, b"x")).getvalue().replace(info.filename.encode(), name.encode(encoding))
    assert paths(io.BytesIO(plain)) == [name]


def test_carriers_in_carriers_are_opened_to_a_depth() -> None:
    data = b"text"
    name = "leaf.txt"
    for _ in range(5):
        data, name = archive((name, data)).getvalue(), "in.zip"
    assert paths(io.BytesIO(data)) == ["in.zip", "in.zip/in.zip", "in.zip/in.zip/in.zip"]
    assert "more than 3 deep" in reasons(io.BytesIO(data))


def test_limits_hold_for_all_that_is_inside_together() -> None:
    with pytest.raises(LimitExceeded, match="10 MiB"):
        contents(archive(("a.bin", bytes(11 << 20))), "a.zip", unzipped_mb=10)
    nested = archive(("a.txt", b"a"), ("in.zip", archive(("b.bin", bytes(11 << 20))).getvalue()))
    assert paths(nested) == ["a.txt", "in.zip"]
    assert "beyond the limits" in reasons(nested)


def test_a_document_is_no_carrier_whatever_its_name() -> None:
    assert paths(archive(("[Content_Types].xml", b""), ("word/document.xml", b""))) == []
    assert paths(io.BytesIO(b"no archive")) == []


@pytest.mark.parametrize("cut", [10, 60, 90])
def test_a_damaged_archive_is_one_error(cut: int) -> None:
    with pytest.raises(DocumentError):
        contents(io.BytesIO(archive(("a.txt", b"abc" * 100)).getvalue()[:cut]), "a.zip", unzipped_mb=10)
