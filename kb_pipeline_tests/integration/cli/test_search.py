"""`kb search` beside a running search server of its KB_HOME: quicker, and else as without it."""

from __future__ import annotations

import os
import re
import signal
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.cli.app import app, run_command
from kb_pipeline.services.search_socket import answering, ask, identity
from kb_pipeline.settings import load_settings
from kb_pipeline.web.local_searches import LocalSearches
from kb_pipeline_tests.forking import KbProcess
from kb_pipeline_tests.sites import TestSite, kb, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.integration.services.conftest import WaitFor

__all__ = ["kb", "parsers"]

# What no two searches have in common.
OWN_TO_ONE = re.compile(r'"event_id": \d+|"[a-z_]+": [0-9.]+(?=,?\n +("[a-z]+": [0-9.]+,?\n +)*("total"|\}))')
LEAVE = "# 年假 Leave\n\n员工每年享有十天年假。 Twenty days a year.\n\n# 结转 Carry over\n\n年假最多可以结转五天。\n"
TRAVEL = "# Travel\n\nHotels are refunded up to 400 yuan. Twenty days a year.\n\n# Contact\n\nlei@example.com knows.\n"
CALLS = [
    ["年假"],
    ["年假", "--json"],
    ["年假 days", "--explain"],
    ["年假 days", "--explain", "--json"],
    ["days", "--where", "source_file = 'travel/hotels.md'", "--json"],
    ["days", "--per-document", "1", "--k", "5"],
    ["days 年假", "--merge", "--json"],
    ["days", "--no-fold", "--mode", "lexical", "--json"],
    ["days", "--mode", "vector", "--fusion", "rrf"],
    ['"享有十天"', "--json"],
    ['"no such words"'],
    ["days -hotels", "--collection", "travel"],
    ["days", "--collection", "nowhere", "--collection", "travel"],
    ["lei@example.com", "--json"],
    ["12345"],
    ["days", "--generation", "g1", "--json"],
]
WRONG = [
    [" "],
    ["--", "-days"],
    ["days \udcff"],
    ["days", "--k", "0"],
    ["days", "--where", "page_number >>"],
    ["days", "--generation", "none"],
    ["days", "--per-document", "0", "--json"],
]


class Beside:
    """A search server of the site that answers; `answered`: how many calls."""

    def __init__(self) -> None:
        self.answered = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        settings = load_settings()
        with closing(LocalSearches(settings)) as searches:

            def answer(asked: dict[str, Any]) -> dict[str, Any] | None:
                self.answered += 1
                return searches.answer(asked)

            with answering(settings.home_path, identity(settings), answer):
                yield


@pytest.fixture
def site(kb: TestSite, monkeypatch: pytest.MonkeyPatch) -> TestSite:
    kb.write("policies/leave.md", LEAVE)
    kb.write("travel/hotels.md", TRAVEL)
    kb.refresh()
    for name, value in kb.settings.items():
        monkeypatch.setenv(f"KB_{name.upper()}", str(value))
    return kb


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a call."""
    code = run_command(lambda: app(["search", *arguments], standalone_mode=False))
    out, err = capsys.readouterr()
    return code, OWN_TO_ONE.sub("…", out), err


def test_every_call_says_the_same_with_and_without_a_server(site: TestSite, capsys: pytest.CaptureFixture[str]) -> None:
    calls = CALLS + WRONG
    without = [said(capsys, *call) for call in calls]
    assert "rank 1" in without[CALLS.index(["年假 days", "--explain"])][1]
    assert [code for code, _, _ in without] == [0] * len(CALLS) + [2] * len(WRONG)
    beside = Beside()
    with beside.running():
        assert [said(capsys, *call) for call in calls] == without
    assert beside.answered == len(calls)


def test_settings_that_are_not_of_what_is_searched_are_said_in_both_ways(
    site: TestSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KB_DIMENSION", "64")
    without = [said(capsys, "days", "--mode", mode) for mode in ("hybrid", "lexical")]
    assert all("64 dimensions" in err for _, _, err in without)
    beside = Beside()
    with beside.running():
        assert [said(capsys, "days", "--mode", mode) for mode in ("hybrid", "lexical")] == without
    assert beside.answered == 2


def test_a_server_that_reaches_no_embedding_server_leaves_the_search_to_the_command(
    site: TestSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Beside()
    monkeypatch.setenv("KB_EMBEDDING_URL", "http://127.0.0.1:9/v1")
    calls = (["days"], ["days", "--mode", "vector"])
    without = [said(capsys, *call) for call in calls]
    with beside.running():
        assert [said(capsys, *call) for call in calls] == without
    assert beside.answered == 2
    assert [code for code, _, _ in without] == [0, 3]


def test_a_server_with_other_settings_is_not_asked(
    site: TestSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Beside()
    with beside.running():
        monkeypatch.setenv("KB_SEARCH__FUSION_WEIGHT", "0.1")
        assert said(capsys, "days")[0] == 0
    assert beside.answered == 0


def test_kb_serve_answers_a_search_until_it_is_stopped(site: TestSite, wait_for: WaitFor) -> None:
    settings = load_settings()
    server = KbProcess(["serve"], os.environ | {"KB_SEARCH_PORT": "0"}, Path.cwd(), own_group=False)

    def answered() -> dict[str, Any] | None:
        question = {"query": "days", "collections": []}
        return ask(settings.home_path, identity(settings), question, lambda _: None)

    try:
        wait_for(answered, "a search was answered")
        os.kill(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0
    assert answered() is None
    assert not (settings.home_path / "run" / "search.sock").exists()
