"""Whatever is killed, whenever: run again, and nothing is lost, nothing is there twice, nothing was half visible.

The moments are random. A failure prints the seed; `KILL_SEED=… pytest …` draws the same targets, delays and
changes of the documents again (the machine's own timing cannot be drawn again).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kb_pipeline.chunking.chunk import chunk_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline.privacy.key import load_or_create_key
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.services.daemon import EMBEDDING, POSTGRES
from kb_pipeline.settings import ChunkingSettings
from kb_pipeline.system.process import Identity, is_alive, send
from kb_pipeline_tests.acceptance.command import Outcome, Running, Site, wait_for
from kb_pipeline_tests.acceptance.conftest import MakeSite
from kb_pipeline_tests.acceptance.corpus import Corpus
from kb_pipeline_tests.acceptance.watching import Reader
from kb_pipeline_tests.instant_embedding_server import InstantServer

KILLS = {"run": 9, "parser": 6, "embedding server": 4, "postmaster": 4, "backend": 4, "postgres owner": 3}
PASSED_OVER = {"parser", "embedding server"}  # an ingest goes on without them, and something else can be killed
CPU_SERVER_KILLS = ("server", "owner", "server")
# 0: well; 1: documents failed; 3: something needed went away. Any ingest may meet documents that change under it.
EXIT_CODES = {
    "run": {-signal.SIGKILL},
    "parser": {0, 1},
    "embedding server": {0, 1, 3},
    "postmaster": {0, 1, 3},
    "backend": {0, 1, 3},
    "postgres owner": {0, 1, 3},
}
# Why a document may fail here: its parser was killed, now or before, or it was changed, moved or deleted meanwhile.
CAUSES = {"ParserCrashed", "ChangedWhileRead", "UnreadableFile"}
SERVING_ROWS = """
    SELECT source_file, ordinal, content, embedding::text, page_number, section_path, language, token_count,
           collection, lexemes::text
    FROM knowledge_chunks ORDER BY source_file, ordinal
"""


@dataclass
class Killer:
    """Starts ingests and kills something meanwhile.

    `seconds`: how long an ingest that is left alone takes; `parser_seconds`: its parsers live at most so long.
    """

    site: Site
    corpus: Corpus
    random: random.Random
    embedding: InstantServer | None
    seconds: float = 0.0
    parser_seconds: float = 1.5
    kills: Counter[str] = field(default_factory=Counter)

    def ingest(self) -> Outcome:
        """One that nobody disturbs."""
        started = time.monotonic()
        outcome = self.site.run("ingest", self.corpus.root)
        self.seconds = time.monotonic() - started
        return outcome

    def attempt(self, *targets: str) -> None:
        """Change documents, ingest, change more meanwhile, and kill each of `targets` at some moment."""
        self.corpus.change(self.random.randint(10, 20))
        started = time.monotonic()
        command = self.site.start("ingest", self.corpus.root)
        delay = self.random.uniform(0.2, 1.0) * self.seconds
        meanwhile = self.random.random() * delay
        if self.random.random() < 0.5:
            time.sleep(meanwhile)
            self.corpus.change(5)
        hits = []
        for target in targets:
            at_once = self.random.random() < 0.5  # else at a moment that is drawn, not when the target is at work
            if self._kill(target, command, started + delay, at_once):
                hits.append(target)
        outcome = command.wait()
        print(f"{', '.join(targets)} after {delay:.2f} s: killed {', '.join(hits) or 'nothing'}, exit {outcome.code}")
        self.kills.update(hits)
        if not hits:
            self.seconds = time.monotonic() - started
        assert "Traceback" not in outcome.stderr, outcome.stderr
        codes = EXIT_CODES["run"] if "run" in hits else {0, 1}.union(*(EXIT_CODES[target] for target in hits))
        assert outcome.code in codes, outcome
        said = len(outcome.complaints)
        # A command may be killed between its sentence and its end.
        assert said <= 1 if outcome.code < 0 else said == (outcome.code == 3), outcome.stderr
        if outcome.code == 1:
            failures = self.site.run("failures", "--json", expect=None).json()["failures"]
            assert {failure["error"] for failure in failures} <= CAUSES, failures

    def finish(self) -> None:
        """Run again until everything is done; a document whose parser was killed is asked for.

        An ingest passes over those whose next try is not due yet, so it ends well before they are done.
        """
        for _ in range(5):
            ended = self.site.run("ingest", self.corpus.root, expect=None)
            if ended.code == 0 and not self.site.rows("SELECT document_id FROM failures"):
                return
            self.site.run("failures", "retry", expect=None)
        raise AssertionError(self.site.run("failures", expect=None).stdout)

    def _kill(self, target: str, command: Running, moment: float, at_once: bool) -> bool:
        """Kill the target; False when the command was done before."""
        if target == "parser":
            return self._kill_parser(command)
        if at_once and self.embedding is not None and target in ("run", "embedding server"):
            self._await_request(command)
        else:
            time.sleep(max(0.0, moment - time.monotonic()))
        if not command.is_running:
            return False
        if target == "run":
            workers = command.workers()
            hit = command.kill()
            wait_for(lambda: not any(map(is_alive, workers)), "the parsers of a killed run end", 15)
            return hit
        if target == "embedding server":
            assert self.embedding is not None
            self.embedding.kill()
            time.sleep(self.random.uniform(0, 2))
            self.embedding.start()
            return True
        if target == "backend":
            return self._kill_backend()
        return _kill(self.site.owner(POSTGRES) if target == "postgres owner" else self.site.server(POSTGRES))

    def _kill_parser(self, command: Running) -> bool:
        while command.is_running:
            if workers := command.workers():
                time.sleep(self.random.random() * self.parser_seconds)
                if not (hit := _kill(self.random.choice(workers))):
                    self.parser_seconds *= 0.7
                return hit
            time.sleep(0.01)
        return False

    def _kill_backend(self) -> bool:
        """A server process of the command; PostgreSQL then restarts all of them."""
        statement = "SELECT pid FROM pg_stat_activity WHERE application_name = 'kb_pipeline' ORDER BY pid"
        pids = [row[0] for row in self.site.rows(statement)]
        if not pids:
            return False
        os.kill(self.random.choice(pids), signal.SIGKILL)
        return True

    def _await_request(self, command: Running) -> None:
        """Wait until texts are on their way to the embedding server, which takes its time."""
        assert self.embedding is not None
        self.embedding.set(delay=0.5)
        before = self.embedding.seen()["requests"]
        while command.is_running and self.embedding.seen()["requests"] == before:
            time.sleep(0.005)
        time.sleep(self.random.uniform(0, 0.6))
        self.embedding.set(delay=0.02)


def _kill(process: Identity | None) -> bool:
    return process is not None and send(process, signal.SIGKILL)


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"KILL_SEED={chosen}")
    return chosen


@pytest.mark.timeout(1500)
def test_nothing_is_lost_doubled_or_half_visible_after_thirty_kills(
    seed: int, fast_folder: Path, make_site: MakeSite, embedding: InstantServer
) -> None:
    draw = random.Random(seed)
    embedding.set(delay=0.02)
    settings = {"embedding_url": embedding.base_url, "batch_documents": "10"}
    site, corpus = make_site(**settings), Corpus(fast_folder / "docs", draw)
    killer = Killer(site, corpus, draw, embedding)
    corpus.add(60, large=3)
    killer.ingest()
    corpus.add(90, large=5)
    with Reader(site.database_url) as reader:
        while left := list((Counter(KILLS) - killer.kills).elements()):
            passed_over = [target for target in left if target in PASSED_OVER]
            others = [target for target in left if target not in PASSED_OVER]
            killer.attempt(*(draw.choice(targets) for targets in (passed_over, others) if targets))
        killer.finish()
    print(f"{killer.kills.total()} kills, {reader.looks} looks, {reader.cuts} connections cut")

    assert site.json("audit")["findings"] == []
    assert set(site.contents()) == set(corpus.documents)
    rows = site.rows(SERVING_ROWS)
    assert len({(row[0], row[1]) for row in rows}) == len(rows)

    reference = make_site("reference", **settings)
    reference.run("ingest", corpus.root)
    expected = reference.rows(SERVING_ROWS)
    for row, wanted in zip(rows, expected, strict=False):
        differing = [(ours, theirs) for ours, theirs in zip(row, wanted, strict=True) if ours != theirs]
        if differing:  # pytest cuts long rows short
            print(row[0], row[1], wanted[0], wanted[1], *differing, sep="\n  ")
    assert rows == expected

    parsed = _parse_versions(corpus, site.home, fast_folder)
    assert _chunk_keys(site) == _expected_keys(site, corpus, parsed)
    assert reader.error is None
    assert reader.looks > 100
    assert reader.check(_allowed(parsed)) == []


@pytest.mark.timeout(900)
def test_the_cpu_embedding_server_and_its_owner_may_be_killed(
    seed: int, fast_folder: Path, make_site: MakeSite
) -> None:
    draw = random.Random(seed)
    site, corpus = make_site(batch_documents="10"), Corpus(fast_folder / "docs", draw)
    killer = Killer(site, corpus, draw, None)
    corpus.add(8)
    killer.ingest()
    with Reader(site.database_url) as reader:
        corpus.change(3)
        killer.ingest()  # this time the server is there
        for what in CPU_SERVER_KILLS:
            corpus.change(6)
            command = site.start("ingest", corpus.root)
            time.sleep(draw.uniform(0.3, 0.9) * killer.seconds)
            process = site.owner(EMBEDDING) if what == "owner" else site.server(EMBEDDING)
            print(f"CPU server {what}: {'killed' if _kill(process) else 'was not there'}")
            outcome = command.wait()
            assert outcome.code in (0, 3), outcome
            assert len(outcome.complaints) == (outcome.code == 3), outcome.stderr
        killer.finish()
    assert site.json("audit")["findings"] == []
    assert set(site.contents()) == set(corpus.documents)
    assert reader.check(_allowed(_parse_versions(corpus, site.home, fast_folder))) == []


Parsed = Mapping[tuple[str, str], CleanedDocument]


def _parse_versions(corpus: Corpus, home: Path, scratch: Path) -> Parsed:
    """(identity, text) -> elements, of every text that ever was in a file, read apart from the pipeline."""
    mask = Masker(MaskingPolicy(), load_or_create_key(home)).mask_document
    folder = scratch / "versions"
    folder.mkdir()
    jobs = []
    for identity, versions in corpus.versions.items():
        for number, (suffix, text) in enumerate(sorted(versions)):
            path = folder / f"{identity}-{number}{suffix}"
            path.write_text(text, encoding="utf-8")
            jobs.append(ParseJob((identity, text), path, path.name, None, mask))
    parsed = {}
    with ParserPool(2) as pool:
        for job, result in pool.parse(jobs):
            assert isinstance(result, CleanedDocument), result
            parsed[job.key] = result
    return parsed


def _allowed(parsed: Parsed) -> dict[str, set[tuple[str, ...]]]:
    """identity -> the chunk texts of each of its versions."""
    allowed: dict[str, set[tuple[str, ...]]] = {}
    for (identity, _), document in parsed.items():
        chunks = chunk_document(document.elements, document_key="", settings=ChunkingSettings())
        allowed.setdefault(identity, set()).add(tuple(chunk.content for chunk in chunks))
    return allowed


def _chunk_keys(site: Site) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, key in site.rows("SELECT source_file, chunk_key FROM knowledge_chunks ORDER BY source_file, ordinal"):
        found.setdefault(path, []).append(key)
    return found


def _expected_keys(site: Site, corpus: Corpus, parsed: Parsed) -> dict[str, list[str]]:
    documents: dict[str, int] = dict(site.rows("SELECT DISTINCT source_file, document_id FROM knowledge_chunks"))

    def keys(path: str) -> list[str]:
        document = corpus.documents[path]
        elements = parsed[document.identity, document.text()].elements
        key = str(documents[path])
        return [chunk.chunk_key for chunk in chunk_document(elements, document_key=key, settings=ChunkingSettings())]

    return {path: keys(path) for path in corpus.documents}
