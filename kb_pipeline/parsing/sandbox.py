"""Parsing in processes of its own, so that no file can hurt more than itself.

A *worker* is a process that parses one file after another; its imports are paid once. A file that crashes
it, hangs, or takes too much memory becomes a failure of that file, and a new worker takes its place.
Workers start on demand, run `kb_pipeline.parsing.worker`, and end when this process ends, however it ends.

Limits are enforced by the kernel inside the worker, so they hold while the caller is busy elsewhere.
RLIMIT_DATA limits memory rather than RLIMIT_AS: it counts writable private memory only, so address space
that a converter or a thread pool merely reserves costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

from kb_pipeline import errors
from kb_pipeline.errors import DocumentError, LimitExceeded, ParserCrashed, UnavailableError
from kb_pipeline.parsing.clock import PAGE_SIGNAL
from kb_pipeline.parsing.confinement import allowed_environment
from kb_pipeline.parsing.document import Mask
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.system.scratch import owned_folder, remove_stale_folders

QUEUED_JOBS = 32  # per worker, so that small files never wait for the caller
QUEUED_BYTES = 256 * 1024  # per worker, so that no file waits behind a large one
# What one worker reads while another would still be importing; more than that is worth another one.
SMALL_JOBS = 16
SMALL_BYTES = 32 * 1024
_FOLDER_PREFIX = "kb-parser-"
_MOST_FAILED_STARTS = 3  # workers in a row that end before they are up; one may have been killed
_RETIRE_SHARE = 0.5  # a worker that keeps more than this share of its memory limit is replaced
# How libraries in C end where they get no memory; what they had then is near the limit, or it is a plain crash.
_GAVE_UP = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGTRAP)
_FULL_SHARE = 0.7
_BOOTSTRAP = (
    "import sys; root = sys.argv.pop(1); root in sys.path or sys.path.insert(0, root); "
    "from kb_pipeline.parsing.worker import main; main()"
)
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_MOST_THREADS = 4  # of one worker, for OCR; more hardly help


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One file to parse.

    `key` is the caller's, and stays in this process. `name` is the file name that the format is read from.
    `content_hash`: sha256 that the bytes must have; None takes any. `mask` takes personal data out of the
    document; it is pickled, so a bound method of a frozen Masker serves. `readers`: format -> the reader that its
    collection wants instead of ours.
    """

    key: Any
    path: Path
    name: str
    content_hash: bytes | None
    mask: Mask
    readers: Mapping[str, str] = field(default_factory=dict)


class ParserPool:
    """Up to `processes` workers, kept from one `parse` to the next. A context manager; leaving it ends the workers.

    One `parse` at a time: another thread's waits for it to end. Works from any thread of any process: workers are
    fresh interpreters, not forks.
    """

    def __init__(self, processes: int, limits: ParseLimits = ParseLimits()) -> None:  # noqa: B008 (frozen)
        self._processes = self._most = processes
        self._limits = limits
        self._workers: list[_Worker] = []
        self._parsing = threading.Lock()
        self._failed_starts = 0

    def __enter__(self) -> ParserPool:
        remove_stale_folders(Path(tempfile.gettempdir()), _FOLDER_PREFIX)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers there are."""
        return tuple(worker.pid for worker in self._workers)

    def close(self) -> None:
        """End all workers at once and remove their folders."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def parse(
        self, jobs: Iterable[ParseJob], *, expected: int | None = None
    ) -> Iterator[tuple[ParseJob, CleanedDocument | DocumentError]]:
        """Each job with its document or error, as they get ready, in no order.

        `expected`: how many jobs there will be at most; for few, workers that are started get more threads each.
        Jobs are taken from the iterable only as workers can take them, and only while the caller asks for
        the next result. Leaving the iteration early ends the workers that are still at work.
        """
        with self._parsing:
            self._most = max(1, min(self._processes, expected or self._processes))
            yield from self._parse(iter(jobs))

    def _parse(self, source: Iterator[ParseJob]) -> Iterator[tuple[ParseJob, CleanedDocument | DocumentError]]:
        waiting: deque[ParseJob] = deque()  # taken from the source, or back from a worker that ended
        try:
            while True:
                self._hand_out(source, waiting)
                busy = {worker.connection: worker for worker in self._workers if worker.pending}
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker = busy[cast(Connection, connection)]
                    answer = worker.receive()
                    self._count_start(worker)
                    if worker.ended or worker.memory_bytes() > _RETIRE_SHARE * (self._limits.memory_mb << 20):
                        waiting.extend(item.job for item in worker.pending)
                        self._end(worker)
                    if answer is not None:
                        yield answer
        finally:
            for worker in [worker for worker in self._workers if worker.pending]:
                self._end(worker)

    def _count_start(self, worker: _Worker) -> None:
        """Raises UnavailableError when no worker comes up."""
        if worker.is_ready:
            self._failed_starts = 0
        elif worker.ended:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise UnavailableError(
                    f"The parser process does not start ({worker.cause}); its reason is on standard error, or run"
                    " kb doctor."
                )

    def _hand_out(self, source: Iterator[ParseJob], waiting: deque[ParseJob]) -> None:
        """Give jobs to workers until all are full or there are no more."""
        while True:
            if not waiting:
                job = next(source, None)
                if job is None:
                    return
                waiting.append(job)
            if not self._dispatch(waiting[0]):
                return
            waiting.popleft()

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()

    def _dispatch(self, job: ParseJob) -> bool:
        """Give the job to the least busy worker or to a new one; False if all are full."""
        for dead in [worker for worker in self._workers if not worker.pending and worker.is_dead()]:
            self._end(dead)
        size = _file_size(job.path)
        may_start = len(self._workers) < self._most
        most = (SMALL_JOBS, SMALL_BYTES) if may_start else (QUEUED_JOBS, QUEUED_BYTES)
        worker: _Worker | None = min(self._workers, key=lambda each: len(each.pending), default=None)
        if worker is None or not worker.has_room(size, *most):
            if not may_start:
                return False
            worker = _Worker(self._limits, max(1, min(_MOST_THREADS, _cores() // self._most)))
            self._workers.append(worker)
        worker.send(job, size)
        return True


@dataclass
class _Pending:
    """A job that a worker has, and the size of its file in bytes."""

    job: ParseJob
    size: int


class _Worker:
    """One parser process, the socket to it, its private folder, and the jobs it has, in order."""

    def __init__(self, limits: ParseLimits, threads: int) -> None:
        self.pending: deque[_Pending] = deque()
        self.ended = False
        self.is_ready = False
        self._most_memory_kb = 0
        # Until a child runs a program of its own it counts as large as we are, so less than this says nothing of it.
        self._least_known_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._limits = limits
        # The lock is the worker's: while it lives, the folder is not stale.
        self._folder, lock = owned_folder(Path(tempfile.gettempdir()), _FOLDER_PREFIX)
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-c", _BOOTSTRAP, str(Path(__file__).parents[2])),
                    *(str(theirs.fileno()), str(self._folder), json.dumps(asdict(limits))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lock),
                env={
                    **allowed_environment(os.environ),
                    **_ONE_THREAD,
                    "OMP_NUM_THREADS": str(threads),
                    "TMPDIR": str(self._folder),
                },
                start_new_session=True,  # so that its converters can be ended with it
            )
        except BaseException:
            ours.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        finally:
            theirs.close()
            os.close(lock)
        self.connection = Connection(ours.detach())

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_room(self, size: int, most_jobs: int, most_bytes: int) -> bool:
        """Whether a file of `size` bytes finds it idle, or leaves it with no more than this."""
        waiting = sum(item.size for item in self.pending)
        return not self.pending or (len(self.pending) < most_jobs and waiting + size <= most_bytes)

    def send(self, job: ParseJob, size: int) -> None:
        """Hand a job over. A worker that died meanwhile is found out by `receive`."""
        self.pending.append(_Pending(job, size))
        with contextlib.suppress(OSError):
            self.connection.send((str(job.path), job.name, job.content_hash, job.mask, dict(job.readers)))

    def receive(self) -> tuple[ParseJob, CleanedDocument | DocumentError] | None:
        """The next answer; None for the sign that the worker is up.

        A worker that died has `ended` set and answers with the reason for the job it was at; with None
        when it was not up yet, which no file is to blame for.
        """
        try:
            kind, content = self.connection.recv()
        except (EOFError, OSError):
            self.ended = True
            return (self.pending.popleft().job, self._death()) if self.is_ready else None
        if kind == "ready":
            self.is_ready = True
            return None
        job = self.pending.popleft().job
        return job, content if kind == "document" else getattr(errors, kind)(content)

    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def _reaped(self) -> int:
        """Wait for the end of the process, and note the most memory that it had."""
        if self._process.returncode is None:
            _, status, used = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._most_memory_kb = used.ru_maxrss
        return self._process.returncode

    def memory_bytes(self) -> int:
        """Resident memory; 0 where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Kill the process and what it started, and remove its folder. Fine for one that is dead."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def cause(self) -> str:
        """How the process ended, which it has: a signal or an exit code."""
        code = self._reaped()
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    def _death(self) -> DocumentError:
        """Why the process ended, as the error of the document it was at."""
        code = self._reaped()
        if code in (-signal.SIGALRM, -signal.SIGXCPU):
            seconds = self._limits.seconds
            return LimitExceeded(
                f"Reading the file takes more than {seconds:g} s, not counting pages read by OCR; raise limits.seconds "
                "or split the file."
            )
        if code == -PAGE_SIGNAL:
            return LimitExceeded(
                f"A page of the file takes more than {self._limits.page_seconds:g} s to read, as one does whose forms "
                "draw each other without end; print it to PDF again, or raise limits.seconds."
            )
        full_kb = max(_FULL_SHARE * (self._limits.memory_mb << 10), self._least_known_kb + 1)
        if code in _GAVE_UP and self._most_memory_kb >= full_kb:
            return LimitExceeded(
                f"Reading the file takes more than {self._limits.memory_mb} MiB; raise limits.memory_mb or split the"
                " file."
            )
        return ParserCrashed(
            f"The parser process died on this file ({self.cause}); it is tried again, then open it and save it anew."
        )


def _cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the worker says what is wrong with it
        return 0
