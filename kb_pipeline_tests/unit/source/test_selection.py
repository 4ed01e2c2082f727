"""Which files of a source are read."""

from __future__ import annotations

import unicodedata

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.parsing.formats import EXTENSIONS, UNREADABLE_EXTENSIONS
from kb_pipeline.source.selection import EVERYTHING, Selection


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.pdf", ["a.pdf", "b/c/A.PDF"], ["a.pdf.txt", "pdf"]),
        ("drafts/", ["drafts/", "drafts/a.md", "a/drafts/b/c.md"], ["drafts", "my drafts/a.md"]),
        ("a/*.md", ["a/b.md"], ["a/b/c.md", "x/a/b.md"]),
        ("/a", ["a", "a/b"], ["x/a"]),
        ("**/tmp/**", ["tmp/a", "x/tmp/a/b"], ["tmp", "tmpa/b"]),
        ("a/**/b.md", ["a/b.md", "a/x/y/b.md"], ["a/xb.md"]),
        ("201[0-9]*", ["2019 报告.md", "x/2010/a.md"], ["2020.md"]),
        ("[!a-z]*.md", ["1.md"], ["a.md"]),
        ("a+(b).md", ["a+(b).md"], ["aab.md"]),
        ("报告?.md", ["报告1.md"], ["报告.md"]),
    ],
)
def test_a_pattern_matches_as_in_gitignore(pattern: str, matching: list[str], others: list[str]) -> None:
    selection = Selection(exclude=(pattern,))
    assert [path for path in (*matching, *others) if selection.excludes(path)] == matching


def test_what_is_included_is_read_unless_it_is_excluded_and_every_folder_is_looked_into() -> None:
    selection = Selection(include=("*.md", "reports/"), exclude=("old/", "~*"))
    paths = ["a.md", "x/b.md", "reports/c.pdf", "c.pdf", "old/a.md", "x/old/", "~a.md", "y/"]
    assert [path for path in paths if not selection.excludes(path)] == ["a.md", "x/b.md", "reports/c.pdf", "y/"]
    assert not any(EVERYTHING.excludes(path) for path in paths)


def test_a_name_matches_however_its_letters_are_composed() -> None:
    assert Selection(exclude=("Café",)).excludes(unicodedata.normalize("NFD", "Café"))


def test_a_pattern_that_cannot_be_is_named() -> None:
    with pytest.raises(SettingsError, match=r"\[z-a\]"):
        Selection(exclude=("[z-a]*",)).excludes("a")


def test_no_format_that_has_a_reader_is_passed_over() -> None:
    assert not UNREADABLE_EXTENSIONS & EXTENSIONS.keys()
    selection = Selection(unreadable=UNREADABLE_EXTENSIONS)
    names = ("film.MP4", "a.exe", "report.pdf", "README", "archive.zip", "script.ts")
    assert [selection.unreadable_kind(name) for name in names] == [".mp4", ".exe", None, None, None, None]
