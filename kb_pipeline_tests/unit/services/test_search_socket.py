"""The socket of a KB_HOME at which searches are answered."""

from __future__ import annotations

import socket
import stat
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.progress import waiting_for
from kb_pipeline.services.home import make_home
from kb_pipeline.services.search_socket import answering, ask, identity
from kb_pipeline.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = {"query": "年假 \ud800", "k": 3}


def echo(question: dict[str, Any]) -> dict[str, Any]:
    return {"asked": question}


def told(_sentence: str) -> None:
    """Nothing has to be waited for."""


def socket_of(home: Path) -> Path:
    return home / "run" / "search.sock"


@contextmanager
def left_behind(home: Path) -> Iterator[None]:
    """What a search server leaves that was killed: a socket at which nobody listens."""
    with socket.socket(socket.AF_UNIX) as killed:
        make_home(home)
        killed.bind(str(socket_of(home)))
    yield


def test_an_answer_is_what_was_said_of_the_question(home: Path) -> None:
    with answering(home, "a", echo):
        assert ask(home, "a", QUESTION, told) == {"asked": QUESTION}
        assert ask(home, "a", {"query": "x" * 300_000}, told) == {"asked": {"query": "x" * 300_000}}


def test_dates_come_as_kb_prints_them(home: Path) -> None:
    with answering(home, "a", lambda _: {"day": date(2026, 11, 30)}):
        assert ask(home, "a", QUESTION, told) == {"day": "2026-11-30"}


def test_only_the_owner_may_connect_and_nothing_is_left(home: Path) -> None:
    with answering(home, "a", echo):
        status = socket_of(home).stat()
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
    assert not socket_of(home).exists()
    assert ask(home, "a", QUESTION, told) is None


def test_a_home_may_lie_deeper_than_the_address_of_a_socket_is_long(tmp_path: Path) -> None:
    deep = tmp_path / ("folder" * 20) / ("层" * 40)
    with answering(deep, "a", echo):
        assert ask(deep, "a", QUESTION, told) == {"asked": QUESTION}


def test_the_socket_of_a_killed_server_is_passed_over_and_replaced(home: Path) -> None:
    with left_behind(home):
        assert ask(home, "a", QUESTION, told) is None
        with answering(home, "a", echo):
            assert ask(home, "a", QUESTION, told) == {"asked": QUESTION}


def test_a_second_server_leaves_the_socket_to_the_first(home: Path) -> None:
    with answering(home, "a", echo):
        with answering(home, "b", echo):
            assert ask(home, "b", QUESTION, told) is None
        assert ask(home, "a", QUESTION, told) == {"asked": QUESTION}


def test_another_server_is_asked_nothing(home: Path) -> None:
    asked: list[dict[str, Any]] = []

    def remember(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return {}

    with answering(home, "a", remember):
        assert ask(home, "b", QUESTION, told) is None
    assert asked == []


def test_a_wrong_question_is_the_error_that_the_command_would_raise(home: Path) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise SettingsError("k is 0; choose a number.")

    with answering(home, "a", refuse), pytest.raises(SettingsError, match=r"^k is 0; choose a number\.$"):
        ask(home, "a", QUESTION, told)


@pytest.mark.parametrize("error", [ZeroDivisionError("年假"), OSError("年假"), None])
def test_where_the_server_fails_the_command_is_left_to_itself(
    home: Path, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: dict[str, Any]) -> None:
        if error is not None:
            raise error

    with answering(home, "a", fail):
        assert ask(home, "a", QUESTION, told) is None
    assert "年假" not in caplog.text


def test_whoever_asks_hears_what_is_waited_for(home: Path) -> None:
    def start_something(_: dict[str, Any]) -> dict[str, Any]:
        waiting_for("SGLang is being started.")
        return {}

    heard: list[str] = []
    with answering(home, "a", start_something):
        assert ask(home, "a", QUESTION, heard.append) == {}
    assert heard == ["SGLang is being started."]


def test_one_who_goes_away_disturbs_nobody(home: Path) -> None:
    gone = Event()

    def slow(question: dict[str, Any]) -> dict[str, Any]:
        if question == {"gone": True}:
            gone.wait(10)
        return {"asked": question}

    with answering(home, "a", slow):
        with socket.socket(socket.AF_UNIX) as hasty:
            hasty.connect(str(socket_of(home)))
            hasty.sendall(b'{"gone": true}\n')
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(socket_of(home)))
            rude.sendall(b"GET / HTTP/1.1\r\n")
        gone.set()
        assert ask(home, "a", QUESTION, told) == {"asked": QUESTION}


def test_an_identity_stands_for_all_that_changes_an_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    same = identity(load_settings())
    monkeypatch.setenv("KB_HOME", str(tmp_path / ".kb"))  # as `kb up` names the default to what it runs
    monkeypatch.setenv("KB_SEARCH_PORT", "9000")
    assert identity(load_settings()) == same
    found = {same}
    for variable, value in {
        "KB_DATABASE_URL": "postgresql://u:one@h/d",
        "KB_DIMENSION": "256",
        "PGPASSFILE": "/etc/passfile",
        "KB_HOME": str(tmp_path / "other"),
    }.items():
        monkeypatch.setenv(variable, value)
        found.add(identity(load_settings()))
    monkeypatch.setenv("KB_DATABASE_URL", "postgresql://u:two@h/d")  # another password
    found.add(identity(load_settings()))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found.add(identity(load_settings()))
    assert len(found) == 7
