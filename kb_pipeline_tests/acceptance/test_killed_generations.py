"""A build, a switch or a drop of a generation is killed in the midst of it: the same command again ends as if nothing
had been, and whoever searches all the while notices nothing.

Terms
  gate   a lock that the test holds, so that the command waits at a statement that it names; a command is killed when
         its server process is *seen* waiting there, within a transaction that has done its work up to that statement.
         The server goes on with the statement once the gate opens, as it does when a client has died.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg import sql

from kb_pipeline.operations import generations as life
from kb_pipeline.operations.audit import audit
from kb_pipeline.operations.search import searching
from kb_pipeline.search.request import Mode, SearchRequest
from kb_pipeline.site import Site as OpenedSite
from kb_pipeline.site import open_site
from kb_pipeline.store import generations
from kb_pipeline_tests.acceptance.command import Site, wait_for

if TYPE_CHECKING:
    from kb_pipeline_tests.sites import TestSite

NAMES = ("hr/0.md", "hr/1.md", "law/0.md", "law/1.md", "law/2.md")
NOTED = ("generation_documents", "generation_statistics", "generation_languages")
ACTIVATE = ("generations", "activate", "g2", "--force")  # vectors of an instant server agree by chance
PAUSE_SECONDS = 0.02
MODES: tuple[Mode, ...] = ("lexical", "vector")
WAITING = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND query LIKE %s
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """`lock`: the statement that closes it; `waiting`: a pattern of the one that waits at it."""

    lock: str
    waiting: str


# The table is copied into, not yet noted as loaded.
COPYING = Gate("LOCK TABLE generation_documents IN SHARE MODE", "%INSERT INTO generation_documents%")
BEFORE_INDEX = Gate(
    "SELECT pg_advisory_xact_lock(hashtextextended('kb index generation_2_embedding', 0))", "%pg_advisory_xact_lock%"
)
INDEXING = Gate("LOCK TABLE generation_2 IN ROW EXCLUSIVE MODE", "%USING hnsw%")
# The postings are copied, not yet counted.
WORDS = Gate("LOCK TABLE generation_statistics IN SHARE MODE", "%INTO generation_statistics%")
LANGUAGES = Gate("LOCK TABLE generation_languages IN SHARE MODE", "%FROM generation_languages%")
# The one that was searched is retired, the other is not active yet.
SWITCHING = Gate("SELECT FROM generations WHERE id = 2 FOR NO KEY UPDATE", "%SET state = 'active'%")
# It is active; the shared one still holds the documents of its collection.
SWITCHED = Gate("SELECT FROM documents FOR KEY SHARE", "%FROM documents%FOR UPDATE%")
DROPPING = Gate("LOCK TABLE generation_2 IN ACCESS SHARE MODE", "%DROP TABLE%")


@dataclass
class Searcher:
    """Searches by words and by meaning until it is told to stop; each search must find every document."""

    site: OpenedSite
    searches: int = 0
    wrong: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        ask = searching(self.site)
        while not self.stopped.wait(PAUSE_SECONDS):
            for mode in MODES:
                try:
                    result = ask(SearchRequest("says first", k=50, mode=mode, logged=False))
                except Exception as error:  # noqa: BLE001 - whatever a search raises is what the test looks for
                    self.wrong.append(f"{mode}: {error!r}")
                else:
                    found = sorted({hit.source_file for hit in result.hits})
                    self.wrong += [] if found == list(NAMES) else [f"{mode}: {found} of {result.generation}"]
                self.searches += 1


@pytest.fixture
def filled(kb: TestSite) -> TestSite:
    for name in NAMES:
        kb.write(name, f"# About {name}\n\nWhat {name} says first.\n\n# More\n\nWhat {name} says then.\n")
    kb.refresh()
    return kb


@pytest.fixture
def command(filled: TestSite, home: Path) -> Site:
    """Runs commands for what was filled, with a dimension for the collection law in its kb.toml."""
    Path("kb.toml").write_text("[collections.law]\ndimension = 32\n", encoding="utf-8")
    given = ("database_url", "embedding_url")
    return Site(home, {name: str(filled.settings[name]) for name in given})


@contextmanager
def searched(kb: TestSite) -> Iterator[None]:
    """Somebody searches for as long as this lasts, and never fails."""
    with open_site(kb.site.settings) as site:
        searcher = Searcher(site)
        thread = threading.Thread(target=searcher.run)
        thread.start()
        try:
            wait_for(lambda: searcher.searches >= 2, "the first searches")
            yield
            after = searcher.searches
            wait_for(lambda: searcher.searches >= after + 4, "searches after the last command")
        finally:
            searcher.stopped.set()
            thread.join()
    assert searcher.wrong == []


def kill_at(kb: TestSite, command: Site, gates: Sequence[Gate], *arguments: object) -> None:
    """Run `kb ARGUMENTS`, let it through all gates but the last, and kill it when it waits there."""
    url = command.database_url
    with ExitStack() as closed:
        running = None
        for gate in gates:
            held = psycopg.connect(url)
            held.execute(gate.lock.encode())
            closed.close()  # the gate before
            closed.callback(held.close)
            running = running or command.start(*arguments)
            seen, pattern = running, gate.waiting

            def waits() -> bool:
                assert seen.is_running, seen.wait()  # noqa: B023 - called at once
                return bool(kb.connection.execute(WAITING, [pattern]).fetchone())  # noqa: B023

            wait_for(waits, f"a server process waits with {pattern}")
        assert running is not None
        assert running.kill()
        assert running.wait().code == -9
    # Its server process notices when it has done the statement; what it had begun goes with it.
    wait_for(lambda: not kb.connection.execute(WAITING, [gates[-1].waiting]).fetchone(), "the gate is open")


def tables(kb: TestSite) -> set[str]:
    found = kb.connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^generation_[0-9]+$'"
    )
    return {row[0] for row in found.fetchall()}


def is_whole(kb: TestSite) -> bool:
    """Whether each generation has its table, no table is left without one, and the audit finds nothing."""
    assert tables(kb) == {f"generation_{one.id}" for one in generations.generations(kb.connection)}
    assert audit(kb.site).findings == ()
    return kb.dirty() == 0


def content(kb: TestSite, number: int) -> dict[str, list[str]]:
    """All that belongs to a generation: rows, indexes, what is noted of it; without its number and moments."""
    own = sql.Identifier(f"generation_{number}")
    found = {
        "rows": _texts(kb, "SELECT (to_jsonb(t) - 'id' - 'created_at')::text FROM {table} t ORDER BY 1", own),
        "indexes": _texts(kb, "SELECT indexdef FROM pg_indexes WHERE tablename = {name} ORDER BY 1", own, number),
    }
    found["indexes"] = [one.replace(f"generation_{number}", "generation") for one in found["indexes"]]
    noted = """
        SELECT (to_jsonb(t) - 'generation_id' - 'loaded_at' - 'refreshed_at')::text FROM {table} t
        WHERE generation_id = {number} ORDER BY 1
    """
    return found | {table: _texts(kb, noted, sql.Identifier(table), number) for table in NOTED}


def _texts(kb: TestSite, statement: LiteralString, table: sql.Identifier, number: int = 0) -> list[str]:
    name = sql.Literal(f"generation_{number}")
    composed = sql.SQL(statement).format(table=table, number=sql.Literal(number), name=name)
    return [row[0] for row in kb.connection.execute(composed)]


@pytest.mark.parametrize(
    ("gates", "rows_kept"),
    [
        pytest.param([COPYING], 0, id="copying rows"),
        pytest.param([BEFORE_INDEX, INDEXING], 10, id="making the vector index"),
        pytest.param([WORDS], 10, id="making words"),
        pytest.param([LANGUAGES], 10, id="making languages"),
    ],
)
def test_a_build_that_is_killed_ends_like_any_other_when_it_runs_again(
    filled: TestSite, command: Site, gates: list[Gate], rows_kept: int
) -> None:
    build = ("generations", "build", "--dimension", "32")
    with searched(filled):
        kill_at(filled, command, gates, *build)
        half = generations.named_generation(filled.connection, "g2")
        assert (half.state, half.row_count) == ("building", rows_kept)
        built = command.json(*build)
        assert (built["name"], built["state"], built["incomplete"]) == ("g2", "building", 0)
        assert built["chunks_written"] == 10 - rows_kept
    assert is_whole(filled)
    killed = content(filled, 2)
    life.drop(filled.site, "g2")
    assert life.build(filled.site, dimension=32).name == "g3"
    assert content(filled, 3) == killed


@pytest.mark.parametrize("gate", [BEFORE_INDEX, WORDS], ids=["making the vector index", "making words"])
def test_a_build_of_a_collection_that_is_killed_is_resumed(filled: TestSite, command: Site, gate: Gate) -> None:
    build = ("generations", "build", "--collection", "law")
    with searched(filled):
        kill_at(filled, command, [gate], *build)
        built = command.json(*build)
        assert (built["name"], built["incomplete"], built["chunks_written"]) == ("g2", 0, 0)
        command.run(*ACTIVATE)
    assert is_whole(filled)


@pytest.mark.parametrize("of", [("--dimension", "128"), ("--collection", "law")], ids=["all", "a collection"])
@pytest.mark.parametrize(
    ("gate", "state"), [(SWITCHING, "building"), (SWITCHED, "active")], ids=["before it commits", "after it committed"]
)
def test_a_switch_that_is_killed_ends_like_any_other_when_it_runs_again(
    filled: TestSite, command: Site, of: tuple[str, str], gate: Gate, state: str
) -> None:
    command.run("generations", "build", *of)
    with searched(filled):
        kill_at(filled, command, [gate], *ACTIVATE)
        assert generations.named_generation(filled.connection, "g2").state == state
        switched = command.json(*ACTIVATE)
        assert (switched["name"], switched["lacking"]) == ("g2", 0)
    assert is_whole(filled)
    shared = generations.named_generation(filled.connection, "g1")
    own = "--collection" in of
    assert (shared.state, shared.row_count) == (("active", 4) if own else ("retired", 10))
    assert len(content(filled, 1)["rows"]) == shared.row_count
    assert len(content(filled, 2)["rows"]) == (6 if own else 10)


def test_a_drop_that_is_killed_ends_like_any_other_when_it_runs_again(filled: TestSite, command: Site) -> None:
    life.build(filled.site, dimension=32)
    with searched(filled):
        kill_at(filled, command, [DROPPING], "generations", "drop", "g2")
        assert tables(filled) == {"generation_1", "generation_2"}
        assert is_whole(filled)
        command.run("generations", "drop", "g2")
    assert tables(filled) == {"generation_1"}
    assert is_whole(filled)
