"""What a call needs before it begins."""

from __future__ import annotations

import resource

import pytest

from kb_pipeline.cli.app import run_command
from kb_pipeline.cli.session import OPEN_FILES, call_settings
from kb_pipeline.errors import TooFewFiles


def test_the_limit_of_open_files_is_raised_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(8, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    call_settings()
    assert limits[-1] == (OPEN_FILES, 4096)
    call_settings()
    assert len(limits) == 2


def test_too_few_open_files_are_named_and_not_the_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    with pytest.raises(TooFewFiles, match=r"may open 8 files only.*ulimit -n 256"):
        call_settings()

    def open_too_many() -> None:
        raise OSError(24, "Too many open files")

    assert run_command(open_too_many) == 3
    assert "may open 8 files only" in capsys.readouterr().err


def test_an_unlimited_number_of_files_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (endless, endless))
    call_settings()
