"""Remake the lock files in requirements/ from pyproject.toml: names, versions and hashes, no addresses.

A *lock* lists everything that one installation set needs, with its transitive dependencies, for Linux
and macOS and every Python from 3.11 on. Three sets, each inside the next:

    base    the pipeline, for sites whose embeddings come from a server of their own
    run     base and the CPU embedding server
    dev     run, s3 sources, and what the tests and checks need

torch and the CUDA libraries that its default build asks for are left out: which build is right depends
on the machine, so scripts/install.py installs torch. Its other dependencies are locked like the rest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "requirements/torch.txt"
# The widest set first: the narrower ones then take their versions from it.
SETS = {"dev": ("cpu", "s3", "dev"), "run": ("cpu",), "base": ()}
LEFT_OUT = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
HEADER = """\
# {name}: made by `make lock` from pyproject.toml; do not edit.
# torch {torch} and its CUDA libraries are not here: scripts/install.py installs them.
"""


def find_uv(folder: Path) -> str:
    """uv from the PATH, or installed into `folder`."""
    if found := shutil.which("uv"):
        return found
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "uv"], check=True)
    return str(folder / "bin" / "uv")


def resolve(uv: str, extras: tuple[str, ...], constraint: Path | str) -> str:
    """The lock of these extras with the newest versions that `constraint`, a requirements file, allows."""
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--universal", "--python-version", "3.11"]
    command += [
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--no-strip-extras",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    command += [argument for extra in extras for argument in ("--extra", extra)]
    command += ["--constraint", str(constraint), "pyproject.toml"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def without_torch(lock: str) -> str:
    """Drop the blocks (a requirement and its hash lines) that scripts/install.py answers for."""
    blocks = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(block for block in blocks if not LEFT_OUT.match(block))


def versions(lock: str) -> str:
    """The requirements without their hashes: what a narrower set is constrained by."""
    return "\n".join(line.rstrip(" \\") for line in lock.splitlines() if not line.startswith(" ")) + "\n"


def main() -> None:
    torch = (ROOT / TORCH).read_text().split("==")[1].strip()
    os.environ.pop("VIRTUAL_ENV", None)
    with tempfile.TemporaryDirectory() as folder:
        uv = find_uv(Path(folder) / "uv")
        constraint: Path | str = TORCH
        for name, extras in SETS.items():
            lock = resolve(uv, extras, constraint)
            (ROOT / "requirements" / f"{name}.txt").write_text(
                HEADER.format(name=name, torch=torch) + without_torch(lock)
            )
            print(f"requirements/{name}.txt: {without_torch(lock).count('==')} packages")
            constraint = Path(folder) / "wider.txt"
            constraint.write_text(versions(lock))


if __name__ == "__main__":
    main()
