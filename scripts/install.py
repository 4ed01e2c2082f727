"""Make .venv and install one set of packages into it: `python3 scripts/install.py run`.

The sets are those of scripts/lock.py: run, cpu-torch (adds what other embedding models than the default one need on
the CPU), finetune (adds what tuning them needs) and dev (adds what the tests need).

cpu-torch and finetune need torch, which comes first, because its build depends on the machine:

1. With an NVIDIA card: the default build, with its CUDA libraries.
2. Otherwise the CPU build from PyTorch's own index (TORCH_CPU_INDEX), when that can be reached.
3. Otherwise whatever pip is set to, but only after a look at what that would be: a CUDA build, gigabytes
   in all, is never taken by accident.

Everything else comes from the lock, checked against its hashes. A second run with nothing changed takes
a fraction of a second; an installation that was interrupted is done again from the start.

Plain Python of the standard library, in a grammar that Python 3.8 reads too, so that an old one is told what is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_TIMEOUT = 5.0  # seconds until PyTorch's index counts as out of reach
LARGEST_CPU_BUILD = 400  # MB; CPU builds of torch are about 190, CUDA builds start at 500
MOST_PIPS = 2  # more would ask the index for too much at a time
PROGRESS_INTERVAL = 10.0  # seconds between progress lines where the output is not a terminal

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
REQUIREMENTS = ROOT / "requirements"
TORCH = REQUIREMENTS / "torch.txt"
# What is there when a set is there.
INCLUDES = {
    "run": ["run"],
    "cpu-torch": ["run", "cpu-torch"],
    "finetune": ["run", "cpu-torch", "finetune"],
    "dev": ["run", "dev"],
}
WITH_TORCH = ("cpu-torch", "finetune")
CUDA = re.compile(r"(nvidia|cuda|triton)\b")
SELDOM_IMPORTED = (
    r"/(tests?|transformers/models|torch/(_inductor|ao|onnx|testing)|cfnlint|pip|phonenumbers/geodata|pygments/lexers"
    r"|sqlalchemy/dialects/(mssql|mysql|oracle))/"
)
DOWNLOADING_TORCH = re.compile(r"Downloading \S*torch-\S+\.whl \(([\d.]+) (MB|GB)\)")


class Stop(Exception):
    """Installation cannot go on; the message says what to do."""


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in INCLUDES:
        raise Stop("Usage: python3 scripts/install.py {run|cpu-torch|finetune|dev}")
    name = arguments[0]
    check_python()
    with one_at_a_time():
        there = installed()
        if there.get(name) == set_id(name):
            return
        started = time.monotonic()
        fresh = not there
        if fresh:
            make_venv()
        STAMP.unlink(missing_ok=True)  # from here until the end the environment counts as unfinished
        if name in WITH_TORCH:
            install_torch()
        # Where nothing is replaced, two pips do not disturb each other; most of their time is their own, on one core.
        apart = fresh and name not in WITH_TORCH
        install_lock(name, at_once=min(MOST_PIPS, os.cpu_count() or 1) if apart else 1)
        say("Installing kb_pipeline itself")
        pip("install", "--no-deps", "--no-build-isolation", "--quiet", "--editable", str(ROOT))
        compile_modules()
        there.update((included, set_id(included)) for included in INCLUDES[name])
        STAMP.write_text(json.dumps({"environment": environment_id(), **there}, indent=1) + "\n")
        say(f"Installed in {time.monotonic() - started:.0f} s: {VENV}")


def check_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this program is what finds out
        raise Stop(
            f"Python 3.11 or newer is needed and {sys.executable} is {sys.version.split()[0]}; "
            "name a newer one, for example: make run PYTHON=python3.11"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "{}.{}".format(*sys.version_info)
        raise Stop(
            f"{sys.executable} cannot make virtual environments; on Debian and Ubuntu install the package "
            f"that can: apt-get install python{version}-venv"
        )


def one_at_a_time() -> TextIO:
    """A lock on the checkout, so that two `make` at once do not write into the same .venv."""
    handle = (ROOT / "pyproject.toml").open()
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another installation is under way; waiting for it")
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def hash_of(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def environment_id() -> str:
    """Changes with the Python and with the place: the scripts in .venv/bin hold its path."""
    return hash_of(sys.version, sys.base_prefix, str(VENV))


def set_id(name: str) -> str:
    """Changes with anything that the installation of set `name` depends on."""
    files = (ROOT / "pyproject.toml", TORCH, REQUIREMENTS / f"{name}.txt")
    return hash_of(*(path.read_text() for path in files))


def installed() -> dict[str, str]:
    """What .venv holds: set -> set_id. Empty when there is none, or an unfinished or foreign one."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return stamp if stamp.pop("environment", None) == environment_id() else {}


def make_venv() -> None:
    """An empty virtual environment in the place of whatever is there."""
    if VENV.exists():
        say("Replacing a .venv that is unfinished, or was made by another Python or in another place")
        shutil.rmtree(VENV)
    say(f"Making .venv with Python {sys.version.split()[0]}")
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)


# torch


def install_torch() -> None:
    requirement = next(line for line in TORCH.read_text().splitlines() if line.startswith("torch=="))
    version = requirement.split("==")[1].strip()
    if torch_version() == version:
        return
    if has_nvidia_card():
        say(f"Installing torch {version} with CUDA: there is an NVIDIA card")
        progress = Progress("torch and its libraries")
        pip("install", requirement, progress=progress)
        progress.end()
    elif index := cpu_index():
        say(f"Installing the CPU build of torch {version} from {index}")
        pip("install", "--no-deps", "--index-url", index, requirement)
    else:
        say(f"Installing torch {version} from where pip is set to look")
        refuse_cuda(requirement)
        pip("install", "--no-deps", requirement)


def torch_version() -> str | None:
    """Version of torch in .venv without its build label, or None."""
    code = "from importlib.metadata import version; print(version('torch').split('+')[0])"
    result = subprocess.run([str(PYTHON), "-c", code], check=False, capture_output=True, text=True)
    return result.stdout.strip() or None


def has_nvidia_card() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    with suppress(subprocess.TimeoutExpired, OSError):
        result = subprocess.run(["nvidia-smi", "-L"], check=False, capture_output=True, text=True, timeout=20)
        return result.returncode == 0 and "GPU" in result.stdout
    return False


def cpu_index() -> str | None:
    """The index to take the CPU build from, or None when it is out of reach or not needed (macOS)."""
    if named := os.environ.get("TORCH_CPU_INDEX"):
        return named
    if sys.platform != "linux":
        return None
    url = TORCH_CPU_INDEX + "/torch/"
    answers: list[bool] = []

    def ask() -> None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=PROBE_TIMEOUT) as answer:  # noqa: S310 - https
            answers.append(answer.status == 200)

    # A thread, because the timeout of urlopen does not cover the name look-up.
    probe = threading.Thread(target=ask, daemon=True)
    probe.start()
    probe.join(PROBE_TIMEOUT)
    return TORCH_CPU_INDEX if any(answers) else None


def refuse_cuda(requirement: str) -> None:
    """Raise Stop when pip would take a CUDA build. Nothing large is downloaded to find out."""
    report = VENV / "torch.json"
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--no-deps"]
    command += ["--ignore-installed", "--progress-bar", "off", "--report", str(report), requirement]
    large = False
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            lines.append(line)
            # Where the index does not offer the metadata apart, even a dry run downloads the whole file.
            size = DOWNLOADING_TORCH.search(line)
            if size and float(size[1]) * (1000 if size[2] == "GB" else 1) > LARGEST_CPU_BUILD:
                large = True
                process.kill()
    if not large and process.returncode != 0:
        raise Stop(f"pip finds no {requirement}:\n{''.join(lines[-5:])}" + torch_remedy(requirement))
    if not large:
        metadata = json.loads(report.read_text())["install"][0]["metadata"]
        large = sys.platform == "linux" and any(CUDA.match(need) for need in metadata.get("requires_dist", []))
    report.unlink(missing_ok=True)
    if large:
        raise Stop(
            "pip would download the CUDA build of torch, gigabytes in all, and this machine has no NVIDIA card. "
            + torch_remedy(requirement)
        )


def torch_remedy(requirement: str) -> str:
    return (
        "Set TORCH_CPU_INDEX to an index that has CPU builds, or set PIP_FIND_LINKS to a folder that holds "
        f"the CPU build of {requirement}."
    )


# the rest


def install_lock(name: str, *, at_once: int) -> None:
    """Install what the lock of set `name` names, by `at_once` pips side by side."""
    entries = lock_entries((REQUIREMENTS / f"{name}.txt").read_text())
    say(f"Installing about {len(entries)} packages from requirements/{name}.txt")
    progress = Progress(f"of {len(entries)}")
    with TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        parts = [Path(folder, f"{number}.txt") for number in range(at_once)]
        for number, part in enumerate(parts):
            part.write_text("".join(entries[number::at_once]))
        # The lock is complete: with --no-deps pip need not resolve it again.
        flags = ("install", "--require-hashes", "--no-deps", "--requirement")
        list(pool.map(lambda part: pip(*flags, str(part), progress=progress), parts))
    progress.end()


def lock_entries(lock: str) -> list[str]:
    """The requirements of a lock, each with its hashes."""
    return re.findall(r"^[^\s#].*\n(?:[ ]+.*\n)*", lock, re.MULTILINE)


def compile_modules() -> None:
    """Byte-compile on all cores what pip, on one core, was told not to.

    Left to the first import, the work would be done once in every process that starts at the same time,
    and compiler warnings about other people's code would fail the tests that they happen to appear in.
    """
    say("Compiling")
    command = [str(PYTHON), "-m", "compileall", "-q", "-j", "0", "-x", SELDOM_IMPORTED, str(VENV / "lib")]
    # Some packages ship files that no Python compiles (templates, tests of syntax errors); they stay as they are.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pip(*arguments: str, progress: Progress | None = None) -> None:
    """Run pip in .venv; on failure its last lines are the message."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", arguments[0]]
    command += ["--no-input", "--no-compile", "--progress-bar", "off", *arguments[1:]]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            lines.append(line)
            if progress is not None:
                progress.take(line)
    if process.returncode != 0:
        raise Stop("".join(lines[-15:]) + f"pip failed with exit code {process.returncode}; see its words above.")


class Progress:
    """One line that is rewritten on a terminal; a line every PROGRESS_INTERVAL seconds elsewhere."""

    def __init__(self, counts: str) -> None:
        self.counts = counts
        self.collected = 0
        self.shown = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def take(self, line: str) -> None:
        if line.startswith("Installing collected"):
            self.show("    unpacking", now=True)
        elif line.startswith("Collecting "):
            self.collected += 1
            self.show(f"    fetched {self.collected} {self.counts}")

    def show(self, text: str, *, now: bool = False) -> None:
        if self.on_terminal:
            print("\r\033[K" + text, end="", file=sys.stderr, flush=True)
        elif now or time.monotonic() - self.shown > PROGRESS_INTERVAL:
            self.shown = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.on_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as stop:
        say(str(stop))
        sys.exit(2)
    except KeyboardInterrupt:
        say("Interrupted; the next run starts the installation again.")
        sys.exit(130)
