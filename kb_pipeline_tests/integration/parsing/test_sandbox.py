"""One bad document costs one document."""

from __future__ import annotations

import hashlib
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from kb_pipeline.errors import (
    ChangedWhileRead,
    DocumentError,
    EmptyDocument,
    LimitExceeded,
    ParserCrashed,
    UnreadableFile,
)
from kb_pipeline.parsing.confinement import can_close_network
from kb_pipeline.parsing.document import Mask
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline_tests.integration.parsing import ill_willed

LIMITS = ParseLimits(seconds=60, memory_mb=512)


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{index:03}.md" for index in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def jobs(paths: Iterable[Path], mask: Mask) -> list[ParseJob]:
    return [ParseJob(path.name, path, path.name, None, mask) for path in paths]


def results(pool: ParserPool, wanted: Iterable[ParseJob]) -> dict[str, CleanedDocument | DocumentError]:
    return {job.key: result for job, result in pool.parse(wanted)}


@pytest.mark.parametrize(
    ("mask", "limits", "expected", "message"),
    [
        (ill_willed.kill_itself, LIMITS, ParserCrashed, "SIGKILL"),
        (ill_willed.segfault, LIMITS, ParserCrashed, "SIGSEGV"),
        (ill_willed.hang_with_the_interpreter_locked, ParseLimits(seconds=0.5), LimitExceeded, "0.5 s"),
        (ill_willed.take_all_memory, LIMITS, LimitExceeded, "512 MiB"),
    ],
    ids=["kill", "segfault", "hang", "memory"],
)
def test_a_document_that_ruins_its_process_fails_alone(
    tmp_path: Path, mask: Mask, limits: ParseLimits, expected: type[DocumentError], message: str
) -> None:
    paths = write(tmp_path, *["good"] * 3, "evil", *["good"] * 4)
    with ParserPool(2, limits) as pool:
        found = results(pool, jobs(paths, mask))
    failure = found.pop("003.md")
    assert type(failure) is expected
    assert message in str(failure)
    assert len(found) == 7
    assert all(isinstance(result, CleanedDocument) for result in found.values())


@pytest.mark.parametrize("levels", [1, 10], ids=["itself", "fan-out"])
def test_a_pdf_whose_forms_draw_forms_without_end_costs_a_part_of_its_time(tmp_path: Path, levels: int) -> None:
    path = tmp_path / "forms.pdf"
    path.write_bytes(forms_that_draw_forms(levels, calls=10))
    with ParserPool(1, ParseLimits(seconds=20, memory_mb=4096)) as pool:  # what it draws takes memory, too
        ((_, failure),) = pool.parse([ParseJob(None, path, path.name, None, ill_willed.unchanged)])
    assert type(failure) is LimitExceeded
    assert "A page of the file takes more than 2 s" in str(failure)


def forms_that_draw_forms(levels: int, calls: int) -> bytes:
    """A page that draws a form, which draws the next one several times; the last of `levels` draws the first one."""
    form = "/XObject << /Form {} 0 R >>"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 9 9] >>",
        f"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << {form.format(5)} >> >>".encode(),
        b"<< /Length 8 >> stream\n/Form Do\nendstream",
    ]
    drawing = b"/Form Do " * calls
    for level in range(levels):
        inner = form.format(5 + (level + 1) % levels)
        head = f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {inner} >> /Length {len(drawing)}"
        bodies.append(f"<< {head} >> stream\n".encode() + drawing + b"\nendstream")
    found = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(bodies, start=1):
        places.append(len(found))
        found += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    trailer = b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(found))
    return found + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def test_a_library_in_c_that_gets_no_memory_is_a_limit_and_no_crash(tmp_path: Path) -> None:
    # How much a process had is only known where it is more than this one has.
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    limits = ParseLimits(seconds=60, memory_mb=512 + ours)
    (path,) = write(tmp_path, "evil")
    with ParserPool(1, limits) as pool:
        failure = results(pool, jobs([path], ill_willed.abort_without_memory))[path.name]
    assert type(failure) is LimitExceeded
    assert f"{limits.memory_mb} MiB" in str(failure)


def test_a_worker_is_reused_and_stays_free_of_heavy_libraries(tmp_path: Path) -> None:
    paths = write(tmp_path, *["text"] * 20)
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1><p>Some text.</p>")
    with ParserPool(1, LIMITS) as pool:
        found = results(pool, jobs([*paths, page], ill_willed.tell_about_the_process))
    documents = [result for result in found.values() if isinstance(result, CleanedDocument)]
    assert len(documents) == 21
    assert len({document.metadata["pid"] for document in documents}) == 1
    assert not {"torch", "dagster", "psycopg", "transformers"} & set(documents[-1].metadata["modules"])


def test_a_worker_has_no_network_no_secrets_and_gains_no_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KB_DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    with ParserPool(1, LIMITS) as pool:
        document = results(pool, jobs(write(tmp_path, "text"), ill_willed.tell_what_it_may_do))["000.md"]
    assert isinstance(document, CleanedDocument)
    found = document.metadata
    assert not [name for name in found["environment"] if name.startswith(("KB_", "AWS_"))]
    assert {"PATH", "LC_ALL", "TMPDIR"} <= set(found["environment"])
    assert found["no_new_privileges"] == "1"
    assert found["largest_file"] == LIMITS.unzipped_mb << 20
    if can_close_network():
        assert found["sockets"] == {"AF_INET": "EACCES", "AF_INET6": "EACCES", "AF_UNIX": "open"}


def test_workers_are_kept_for_the_next_files(tmp_path: Path) -> None:
    with ParserPool(1, LIMITS) as pool:
        results(pool, jobs(write(tmp_path, "text"), ill_willed.unchanged))
        (first,) = pool.worker_pids
        results(pool, jobs(write(tmp_path, "text"), ill_willed.unchanged))
        assert pool.worker_pids == (first,)


def test_one_file_starts_one_worker(tmp_path: Path) -> None:
    with ParserPool(8, LIMITS) as pool:
        results(pool, jobs(write(tmp_path, "text"), ill_willed.unchanged))
        assert len(pool.worker_pids) == 1


def test_jobs_are_taken_only_as_workers_can_take_them(tmp_path: Path) -> None:
    taken = 0

    def endless() -> Iterator[ParseJob]:
        nonlocal taken
        (path,) = write(tmp_path, "text")
        while True:
            taken += 1
            yield ParseJob(taken, path, path.name, None, ill_willed.unchanged)

    with ParserPool(2, LIMITS) as pool:
        parsing = pool.parse(endless())
        for _ in range(50):
            next(parsing)
        assert taken <= 50 + 2 * 33 + 1
        parsing.close()  # type: ignore[attr-defined]
        assert len(results(pool, jobs(write(tmp_path, "a", "b"), ill_willed.unchanged))) == 2


def test_nothing_that_a_library_prints_gets_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ParserPool(1, LIMITS) as pool:
        results(pool, jobs(write(tmp_path, "text"), ill_willed.talk))
    assert capfd.readouterr() == ("", "")


def test_temporary_files_of_a_killed_worker_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with ParserPool(1, LIMITS) as pool:
        found = results(pool, jobs(write(tmp_path, "evil"), ill_willed.leave_a_temporary_file))
        assert isinstance(found["000.md"], ParserCrashed)
        assert not list(scratch.iterdir())


def test_folders_left_by_a_killed_parent_are_swept_but_not_those_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stale = tmp_path / "kb-parser-stale"
    stale.mkdir()
    (stale / "lock").touch()
    (stale / "unmasked").write_text("SECRET")
    with ParserPool(1, LIMITS) as first:
        (path,) = write(tmp_path, "text")
        results(first, jobs([path], ill_willed.unchanged))
        in_use = {folder.name for folder in tmp_path.glob("kb-parser-*")}
        with ParserPool(1, LIMITS):
            assert {folder.name for folder in tmp_path.glob("kb-parser-*")} == in_use
        assert isinstance(results(first, jobs([path], ill_willed.unchanged))["000.md"], CleanedDocument)
    assert not list(tmp_path.glob("kb-parser-*"))


def test_converters_end_with_the_worker_that_started_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    paths = write(tmp_path, f"evil {tmp_path}/pipe")
    with ParserPool(1, ParseLimits(seconds=3)) as pool:
        found = results(pool, jobs(paths, ill_willed.hang_with_children))
    assert isinstance(found["000.md"], LimitExceeded)
    ready, _, _ = select.select([reader], [], [], 10)
    assert ready
    assert os.read(reader, 1) == b""  # the end of the pipe: none of them holds it any more
    os.close(reader)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"<div>" * 100_000 + b"text"),
        ("a.eml", b"From: a@b.c\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 2_000 + b"\r\ntext"),
    ],
)
def test_what_is_nested_without_end_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with ParserPool(1, LIMITS) as pool:
        found = results(pool, jobs([tmp_path / name], ill_willed.unchanged))
    assert isinstance(found[name], LimitExceeded)
    assert "nested too deeply" in str(found[name])


PARENT = """
import sys
from pathlib import Path
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline_tests.integration.parsing import ill_willed
good, evil = map(Path, sys.argv[1:])
with ParserPool(1, ParseLimits(seconds=300)) as pool:
    list(pool.parse([ParseJob(0, good, good.name, None, ill_willed.unchanged)]))
    print(*pool.worker_pids, flush=True)
    list(pool.parse([ParseJob(0, evil, evil.name, None, ill_willed.unchanged)]))
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    (good,) = write(tmp_path, "text")
    pipe = tmp_path / "never.md"
    os.mkfifo(pipe)  # reading it waits for ever
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(good), str(pipe)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        ended, _, _ = select.select([worker], [], [], 10)
        os.close(worker)
    assert ended


def test_it_works_from_a_thread_and_an_odd_main_module(tmp_path: Path) -> None:
    code = PARENT.replace("__main__", "odd").replace("str(pipe)", "")
    (good,) = write(tmp_path, "text")
    done = subprocess.run(
        [sys.executable, "-", str(good), str(good)], input=code, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

    found: dict[str, CleanedDocument | DocumentError] = {}

    def in_a_thread() -> None:
        with ParserPool(1, LIMITS) as pool:
            found.update(results(pool, jobs([good], ill_willed.unchanged)))

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join(60)
    assert isinstance(found["000.md"], CleanedDocument)


def test_an_idle_worker_that_was_killed_costs_no_document(tmp_path: Path) -> None:
    wanted = jobs(write(tmp_path, "text"), ill_willed.unchanged)
    with ParserPool(1, LIMITS) as pool:
        results(pool, wanted)
        (pid,) = pool.worker_pids
        worker = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([worker], [], [], 10)
        os.close(worker)
        assert isinstance(results(pool, wanted)["000.md"], CleanedDocument)


def test_the_bytes_must_be_those_that_were_announced(tmp_path: Path) -> None:
    (path,) = write(tmp_path, "text")
    right, wrong = hashlib.sha256(b"text").digest(), hashlib.sha256(b"other").digest()
    with ParserPool(1, LIMITS) as pool:
        found = results(
            pool,
            [
                ParseJob(name, path, path.name, digest, ill_willed.unchanged)
                for name, digest in (("right", right), ("wrong", wrong))
            ],
        )
    assert isinstance(found["right"], CleanedDocument)
    assert isinstance(found["wrong"], ChangedWhileRead)


def test_missing_and_empty_files_say_so(tmp_path: Path) -> None:
    paths = write(tmp_path, "", " \n\u200b\n")
    with ParserPool(1, LIMITS) as pool:
        found = results(pool, jobs([*paths, tmp_path / "gone.md"], ill_willed.unchanged))
    assert isinstance(found["000.md"], EmptyDocument)
    assert isinstance(found["001.md"], EmptyDocument)
    assert isinstance(found["gone.md"], UnreadableFile)


def test_what_leaves_the_process_is_masked(tmp_path: Path) -> None:
    phone = "13812345678"
    text = f"---\nowner: {phone}\n---\n# 联系 {phone}\n\n电话：{phone}\n\n| 电话 |\n| --- |\n| {phone} |\n\n"
    text += f"<!-- {phone} -->\n"
    mask = Masker(MaskingPolicy(), b"k" * 32).mask_document
    with ParserPool(1, LIMITS) as pool:
        document = results(pool, jobs(write(tmp_path, text), mask))["000.md"]
    assert isinstance(document, CleanedDocument)
    assert len(document.elements) == 3
    assert phone not in repr(document)
    assert document.privacy_counts


def test_a_document_of_more_text_than_a_run_may_handle_is_refused(tmp_path: Path) -> None:
    paths = write(tmp_path, "text", "word " * 30_000)
    with ParserPool(1, ParseLimits(characters=100_000)) as pool:
        found = results(pool, jobs(paths, ill_willed.unchanged))
    assert isinstance(found["000.md"], CleanedDocument)
    assert isinstance(found["001.md"], LimitExceeded)
    assert "limits.characters" in str(found["001.md"])
