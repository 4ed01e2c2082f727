"""Installing SGLang for a home: an environment of its own with one pinned release, and models of the hub.

Which release needs what is in `sglang.toml`. A machine that cannot run it is refused before anything is
downloaded. An installation that was interrupted counts as none and is made anew.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kb_pipeline.errors import SettingsError, UnavailableError
from kb_pipeline.services.daemon import SGLANG, last_lines, owner_lock
from kb_pipeline.services.gpu import Card, cards
from kb_pipeline.services.home import log_folder, make_home, run_folder
from kb_pipeline.services.sglang import (
    environment,
    interpreter,
    launch_environment,
    record_model,
    stamp_file,
    write_record,
)
from kb_pipeline.system.locks import is_locked, locked

if TYPE_CHECKING:
    from kb_pipeline.settings import SglangSettings

Version = tuple[int, ...]

NEEDED_BYTES = 15_000_000_000  # torch, CUDA's libraries and the compiled kernels, and pip's copies meanwhile
MACHINES = ("x86_64", "aarch64")  # the wheels that there are


@dataclass(frozen=True, slots=True)
class Release:
    """One release of SGLang and what it needs; see `sglang.toml`."""

    version: str
    torch: str
    transformers: str
    openai: str
    cuda: int
    driver: int
    python: tuple[Version, Version]
    glibc: Version


@dataclass(frozen=True, slots=True)
class Machine:
    """`glibc` is empty where the C library is another one."""

    system: str
    architecture: str
    python: Version
    glibc: Version
    cards: tuple[Card, ...]
    free_bytes: int


@cache
def releases() -> dict[str, Release]:
    table = tomllib.loads(files("kb_pipeline.services").joinpath("sglang.toml").read_text("utf-8"))
    return {
        version: Release(
            version=version,
            torch=row["torch"],
            transformers=row["transformers"],
            openai=row["openai"],
            cuda=row["cuda"],
            driver=row["driver"],
            python=(_version(row["python"][0]), _version(row["python"][1])),
            glibc=_version(row["glibc"]),
        )
        for version, row in table.items()
    }


def release(version: str) -> Release:
    """Raises SettingsError for one that is not in the table."""
    if version not in releases():
        raise SettingsError(
            f"SGLang {version} is not among the known releases ({', '.join(releases())}); correct KB_SGLANG__VERSION, "
            "or install it yourself and set KB_SGLANG__PYTHON."
        )
    return releases()[version]


def this_machine(home: Path) -> Machine:
    library, version = platform.libc_ver()
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        python=sys.version_info[:2],
        glibc=_version(version) if library == "glibc" else (),
        cards=tuple(cards()),
        free_bytes=shutil.disk_usage(home).free,
    )


def refusal(machine: Machine, wanted: Release) -> str | None:
    """Why the release cannot run on the machine, and what to do; None when it can."""
    name, (oldest, newest) = f"SGLang {wanted.version}", wanted.python
    elsewhere = "run it on a machine that has it, and set KB_EMBEDDING_URL here"
    if machine.system != "Linux" or machine.architecture not in MACHINES:
        this = f"{machine.system} on {machine.architecture}"
        return f"{name} needs Linux on x86_64 or aarch64, and this is {this}; {elsewhere}."
    if not machine.cards:
        return f"{name} needs an NVIDIA card, and nvidia-smi shows none; {elsewhere}."
    if machine.glibc < wanted.glibc:
        have = f"has {_text(machine.glibc)}" if machine.glibc else "has another C library"
        return f"{name} needs glibc {_text(wanted.glibc)} or newer, and this system {have}; use a newer system."
    if not oldest <= machine.python <= newest:
        return (
            f"{name} needs Python {_text(oldest)} to {_text(newest)}, and this is {_text(machine.python)}; "
            "run kb with one of those, or install SGLang yourself and set KB_SGLANG__PYTHON."
        )
    driver = min(_version(card.driver)[:1] for card in machine.cards)
    if driver < (wanted.driver,):
        return (
            f"{name} brings CUDA {wanted.cuda}, which needs NVIDIA's driver {wanted.driver} or newer, and this is "
            f"{_text(driver)}; take a newer driver, or set KB_SGLANG__VERSION to a release for an older CUDA."
        )
    if machine.free_bytes < NEEDED_BYTES:
        needed, free = f"{NEEDED_BYTES / 1e9:.0f} GB", f"{machine.free_bytes / 1e9:.0f} GB"
        return f"{name} needs {needed} of disk, and KB_HOME has {free} left; free some, or set KB_HOME."
    return None


def install(home: Path, settings: SglangSettings) -> bool:
    """Make the environment; False when that release is there already.

    Raises UnavailableError when this machine cannot run it or it cannot be downloaded, SettingsError.
    """
    wanted = release(settings.version)
    home = make_home(home)
    with locked(run_folder(home) / "sglang.install"):
        if installed_version(home) == wanted.version:
            return False
        sentence = refusal(this_machine(home), wanted)
        if sentence is not None:
            raise UnavailableError(sentence)
        if is_locked(owner_lock(home, SGLANG)):
            raise SettingsError("The SGLang server runs from the environment to be made; run kb server stop first.")
        stamp_file(home).unlink(missing_ok=True)
        folder = environment(home)
        log = log_folder(home) / "sglang-install.log"
        log.write_text("")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], log, "python -m venv failed")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        _run([*pip, f"sglang=={wanted.version}"], log, f"SGLang {wanted.version} could not be installed")
        write_record(stamp_file(home), {"version": wanted.version})
    return True


def installed_version(home: Path) -> str | None:
    """The release in this home's environment."""
    try:
        version: str = json.loads(stamp_file(home).read_text())["version"]
    except FileNotFoundError:
        return None
    return version


def fetch_model(home: Path, settings: SglangSettings) -> str | None:
    """Download a model of the hub and record its commit, which is returned; None for a local folder.

    Raises UnavailableError when the hub cannot be reached or has no such model.
    """
    if settings.model is None or Path(settings.model).expanduser().is_dir():
        return None
    program = interpreter(home, settings).parent / "hf"
    log = log_folder(home) / "sglang-model.log"
    log.write_text("")
    command = [str(program), "download", settings.model]
    command += ["--revision", settings.revision] if settings.revision else []
    what = f"{settings.model} could not be downloaded from the hub"
    path = Path((_run(command, log, what).splitlines() or [""])[-1].strip())
    if path.parent.name != "snapshots" or not path.is_dir():
        raise UnavailableError(f"{what}: it did not say where it put it; set KB_SGLANG__MODEL to a local folder.")
    record_model(home, settings.model, path=str(path), revision=path.name, asked=settings.revision)
    return path.name


def _run(command: list[str], log: Path, what: str) -> str:
    """What the command printed; the rest goes to the log, whose end is in the error."""
    with log.open("a") as errors:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=launch_environment(os.environ, Path(command[0])),
                check=False,
            )
        except OSError as error:
            raise UnavailableError(f"{what}: {command[0]} cannot be run ({error.strerror}); install it.") from None
        errors.write(done.stdout)
    if done.returncode != 0:
        ends = last_lines(log).rstrip(".")
        raise UnavailableError(
            f"{what}; its log {log} ends with: {ends}. Correct that and run kb server install again."
        )
    return done.stdout


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _text(version: Version) -> str:
    return ".".join(map(str, version))
