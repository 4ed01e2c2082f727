"""What is missing, broken, cut or full costs one sentence, and never what is stored already."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from kb_pipeline.system.process import is_alive
from kb_pipeline_tests.acceptance.command import Outcome, Site
from kb_pipeline_tests.acceptance.conftest import MakeSite
from kb_pipeline_tests.acceptance.corpus import Corpus
from kb_pipeline_tests.acceptance.cutting import CuttingProxy
from kb_pipeline_tests.acceptance.full_disk import SmallDisk, can_mount, small_disk
from kb_pipeline_tests.instant_embedding_server import InstantServer

NOBODY_LISTENS = "127.0.0.1:9"  # the port of the discard service, which nobody runs


def one_sentence(outcome: Outcome, code: int, *, libraries_may_speak: bool = False) -> str:
    """What `kb` said: one line on stderr that ends like a sentence, and nothing of the machinery."""
    assert outcome.code == code, outcome
    assert "Traceback" not in outcome.stderr
    (sentence,) = outcome.complaints if libraries_may_speak else outcome.stderr.strip().splitlines()
    assert sentence.startswith("kb: ")
    assert sentence.endswith("."), sentence
    assert "Something unexpected" not in sentence
    return sentence


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "docs", random.Random(7))


@pytest.fixture
def site(make_site: MakeSite, database_url: str, embedding: InstantServer) -> Site:
    """On the PostgreSQL that the tests share, with an embedding server that answers at once."""
    return make_site(database_url=database_url, embedding_url=embedding.base_url, batch_documents="10")


def assert_complete(site: Site, corpus: Corpus) -> None:
    assert site.json("audit")["findings"] == []
    assert set(site.contents()) == set(corpus.documents)


def test_bad_files_fail_with_a_reason_and_the_others_go_through(site: Site, corpus: Corpus) -> None:
    corpus.add(5)
    bad = corpus.root / "bad"
    bad.mkdir()
    (bad / "damaged.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 20)
    (bad / "damaged.docx").write_bytes(b"PK\x03\x04 cut off in the middle")
    with zipfile.ZipFile(bad / "wrong.xlsx", "w") as archive:
        archive.writestr("note.txt", "this is no workbook")
    canvas = Canvas(str(bad / "locked.pdf"), encrypt=StandardEncryption("user", "owner"))
    canvas.drawString(100, 700, "secret")
    canvas.save()
    (bad / "空文件.md").write_bytes(b"")
    (bad / "blank.txt").write_text(" \n\n\t\n")

    report = site.json("ingest", corpus.root, expect=1)
    assert report["failed"] == 6
    failures = {row["source_file"]: row for row in site.json("failures", expect=1)["failures"]}
    assert {path: row["error"] for path, row in failures.items()} == {
        "bad/damaged.pdf": "MalformedDocument",
        "bad/damaged.docx": "MalformedDocument",
        "bad/wrong.xlsx": "UnsupportedFormat",
        "bad/locked.pdf": "EncryptedDocument",
        "bad/空文件.md": "EmptyDocument",
        "bad/blank.txt": "EmptyDocument",
    }
    assert all(len(row["reason"]) > 20 and row["reason"].endswith(".") for row in failures.values())
    assert_complete(site, corpus)

    (bad / "空文件.md").write_text("# 现在有内容了\n\n会议定于周五召开。\n", encoding="utf-8")
    for path in failures:
        if path != "bad/空文件.md":
            (corpus.root / path).unlink()
    site.run("ingest", corpus.root)
    assert site.json("failures")["failures"] == []
    assert "bad/空文件.md" in site.contents()


@pytest.mark.parametrize("command", ["ingest", "search", "status", "audit", "failures"])
def test_without_a_database_a_command_says_so(make_site: MakeSite, corpus: Corpus, command: str) -> None:
    site = make_site(database_url=f"postgresql://kb:letmein@{NOBODY_LISTENS}/kb")
    corpus.add(1)
    arguments: dict[str, list[object]] = {"ingest": [corpus.root], "search": ["年假"]}
    sentence = one_sentence(site.run(command, *arguments.get(command, []), expect=None), 3)
    assert NOBODY_LISTENS in sentence
    assert "letmein" not in sentence


def test_without_an_embedding_server_parsed_work_stays(site: Site, corpus: Corpus, embedding: InstantServer) -> None:
    corpus.add(10)
    embedding.stop()
    assert embedding.base_url in one_sentence(site.run("ingest", corpus.root, expect=None), 3)
    parsed = site.rows("SELECT content_hash, created_at FROM elements ORDER BY 1")
    assert len(parsed) == 10
    embedding.start()
    report = site.json("ingest", corpus.root)
    assert (report["new"], report["unchanged"]) == (0, 10)
    assert site.rows("SELECT content_hash, created_at FROM elements ORDER BY 1") == parsed
    assert_complete(site, corpus)


@pytest.mark.timeout(600)
def test_cut_connections_to_postgresql_lose_nothing(
    make_site: MakeSite, database_url: str, embedding: InstantServer, corpus: Corpus
) -> None:
    draw = random.Random(11)
    direct = urlsplit(database_url)
    path = f"{parse_qs(direct.query)['host'][0]}/.s.PGSQL.{parse_qs(direct.query)['port'][0]}"

    def connect() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        return server

    with CuttingProxy(connect) as proxy:
        url = f"postgresql://{direct.username}@127.0.0.1:{proxy.port}{direct.path}"
        site = make_site(database_url=url, embedding_url=embedding.base_url, batch_documents="10")
        corpus.add(60, large=4)
        for sent in (3_000, 30_000, 150_000, 400_000):
            corpus.change(15)
            proxy.cut_after(sent + draw.randrange(50_000))
            outcome = site.run("ingest", corpus.root, expect=None)
            if outcome.code:
                assert "connection" in one_sentence(outcome, 3)
        assert proxy.cuts >= 3
        proxy.cut()  # also forgets how many bytes were left
        site.run("ingest", corpus.root)
        assert_complete(site, corpus)


def test_cut_connections_to_the_embedding_server_lose_nothing(
    make_site: MakeSite, database_url: str, embedding: InstantServer, corpus: Corpus
) -> None:
    target = urlsplit(embedding.base_url)
    with CuttingProxy(lambda: socket.create_connection((target.hostname, target.port))) as proxy:
        site = make_site(database_url=database_url, embedding_url=f"http://127.0.0.1:{proxy.port}/v1")
        corpus.add(60, large=4)
        for sent in (50, 2_000, 20_000):
            proxy.cut_after(sent)
            outcome = site.run("ingest", corpus.root, expect=None)
            if outcome.code:
                one_sentence(outcome, 3)
        assert proxy.cuts
        proxy.cut()
        site.run("ingest", corpus.root)
        assert_complete(site, corpus)


def test_a_folder_that_vanishes_deletes_nothing(site: Site, corpus: Corpus) -> None:
    corpus.add(8)
    site.run("ingest", corpus.root)
    before = site.contents()
    away = corpus.root.with_name("elsewhere")
    corpus.root.rename(away)
    assert str(corpus.root) in one_sentence(site.run("ingest", expect=None), 3)
    one_sentence(site.run("ingest", corpus.root, expect=None), 3)
    assert site.contents() == before
    away.rename(corpus.root)
    report = site.json("ingest")
    assert (report["unchanged"], report["new"], report["deleted"]) == (8, 0, 0)
    assert site.contents() == before


def test_an_empty_folder_in_the_place_of_a_share_deletes_nothing(site: Site, corpus: Corpus) -> None:
    corpus.add(60)
    site.run("ingest", corpus.root)
    before = site.contents()
    share = corpus.root.with_name("share")
    corpus.root.rename(share)
    corpus.root.mkdir()
    report = site.json("ingest", corpus.root, expect=1)
    assert (report["held"], report["deleted"]) == (60, 0)
    assert "--allow-mass-delete" in site.run("ingest", corpus.root, expect=1).stdout
    assert site.contents() == before
    corpus.root.rmdir()
    share.rename(corpus.root)
    assert site.json("ingest", corpus.root)["unchanged"] == 60
    assert site.contents() == before


@pytest.mark.timeout(600)
def test_ctrl_c_ends_an_ingest_with_one_line_and_nothing_half(
    site: Site, corpus: Corpus, embedding: InstantServer
) -> None:
    draw = random.Random(3)
    embedding.set(delay=0.1)
    corpus.add(40, large=4)
    started = time.monotonic()
    site.run("ingest", corpus.root)
    seconds = time.monotonic() - started
    interrupted = 0
    while interrupted < 4:
        corpus.change(20)
        # A terminal sends the signal to the whole process group.
        command = site.start("ingest", corpus.root, own_group=True)
        time.sleep(draw.uniform(0.3, 0.9) * seconds)
        if not command.is_running:
            command.wait()
            continue
        workers = command.workers()
        os.killpg(command.pid, signal.SIGINT)
        outcome = command.wait(30)
        if outcome.stdout:  # it had done everything and was on its way out
            continue
        assert "Interrupted" in one_sentence(outcome, 130)
        assert not any(map(is_alive, workers))
        interrupted += 1
    site.run("ingest", corpus.root)
    assert_complete(site, corpus)


def test_two_ingests_at_once_make_one_knowledge_base(site: Site, corpus: Corpus) -> None:
    corpus.add(60, large=3)
    for number in (2, 3):
        commands = [site.start("ingest", corpus.root) for _ in range(number)]
        outcomes = [command.wait() for command in commands]
        assert all(outcome.code == 0 for outcome in outcomes), outcomes
        assert_complete(site, corpus)
        corpus.change(30)
    doubled = "SELECT source_file FROM knowledge_chunks GROUP BY 1 HAVING count(DISTINCT document_id) > 1"
    assert site.rows(doubled) == []


def test_a_document_that_is_edited_all_the_time_is_never_seen_half(site: Site, corpus: Corpus) -> None:
    corpus.add(10, large=2)
    (corpus.root / "policies").mkdir(exist_ok=True)
    restless = corpus.root / "policies/restless.md"
    last = 0

    def write(number: int) -> None:
        # In place, as an editor or a copy over the network does it: the file is incomplete meanwhile.
        with restless.open("w", encoding="utf-8") as file:
            for paragraph in range(30):
                file.write(f"## Part {paragraph}\n\n{f'Edit {number} of part {paragraph}. ' * 30}\n\n")
                file.flush()

    with editing(write) as edits:
        for _ in range(3):
            outcome = site.run("ingest", corpus.root, expect=None)
            assert outcome.code in (0, 1), outcome
            assert "Something unexpected" not in outcome.stderr
            _assert_one_edit(site)
    last = edits[-1]
    moment = time.time() - 60
    os.utime(restless, (moment, moment))
    site.run("ingest", corpus.root)
    assert site.json("failures")["failures"] == []
    assert f"Edit {last} of part 29." in "".join(site.contents()["policies/restless.md"])
    _assert_one_edit(site)
    assert site.json("audit")["findings"] == []


def _assert_one_edit(site: Site) -> None:
    texts = " ".join(site.contents().get("policies/restless.md", [])).split("Edit ")[1:]
    assert len({text.partition(" ")[0] for text in texts}) <= 1


@contextmanager
def editing(write: Callable[[int], None]) -> Iterator[list[int]]:
    edits: list[int] = []
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(0.02):
            write(len(edits))
            edits.append(len(edits))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield edits
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def read_only_home(tmp_path: Path) -> Iterator[Path]:
    """A KB_HOME that cannot be written: by its mode, or for root, who may write anywhere, by its mount."""
    if os.geteuid() != 0:
        home = tmp_path / "read-only"
        home.mkdir(mode=0o500)
        yield home
        home.chmod(0o700)
        return
    if not can_mount():
        pytest.skip("root may write everywhere and cannot mount a read-only file system here")
    with small_disk(tmp_path / "read-only", 1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk.folder)], check=True)
        yield disk.folder


def test_a_read_only_home_is_named(read_only_home: Path, corpus: Corpus) -> None:
    corpus.add(1)
    for arguments in (("ingest", corpus.root), ("status",), ("search", "budget")):
        assert str(read_only_home) in one_sentence(Site(read_only_home).run(*arguments, expect=None), 2)


DISK = "small file system" if can_mount() else "PostgreSQL answering disk_full"
DISK_FULL_TRIGGER = """
    CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER no_space BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION no_space();
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("disk", [DISK])
def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_space(
    disk: str, tmp_path: Path, make_site: MakeSite, database_url: str, embedding: InstantServer, corpus: Corpus
) -> None:
    corpus.add(20, large=2)
    if disk == "small file system":
        with small_disk(tmp_path / "disk", 400) as small:
            site = Site(small.folder / "home", {"embedding_url": embedding.base_url, "batch_documents": "10"})
            try:
                _fill_a_disk(site, small, corpus)
            finally:
                site.stop()
        return
    site = make_site(database_url=database_url, embedding_url=embedding.base_url, batch_documents="10")
    site.run("ingest", corpus.root)
    for table in ("elements", "chunks", "embeddings", "generation_1", "documents"):
        corpus.change(15)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(DISK_FULL_TRIGGER.format(table=table))
            outcome = site.run("ingest", corpus.root, expect=None)
            if outcome.code:
                assert "space" in one_sentence(outcome, 3)
            connection.execute("DROP FUNCTION no_space CASCADE")
        assert site.contents()
    site.run("ingest", corpus.root)
    assert_complete(site, corpus)


def _fill_a_disk(site: Site, disk: SmallDisk, corpus: Corpus) -> None:
    """With so much free that the ingest gets into it, and less each time."""
    site.run("ingest", corpus.root)
    before = site.contents()
    for leave in (6_000_000, 1_500_000, 200_000, 0):
        corpus.add(60, large=20)
        disk.fill(leave=leave)
        outcome = site.run("ingest", corpus.root, expect=None)
        if outcome.code:
            assert "space" in one_sentence(outcome, 3, libraries_may_speak=True)
        disk.free()
        site.run("status")  # starts PostgreSQL where it had to give up
        assert before.items() <= site.contents().items()
        before = site.contents()
    site.run("ingest", corpus.root)
    assert_complete(site, corpus)
