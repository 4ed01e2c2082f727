"""Remake the lock files in requirements/ from pyproject.toml: names, versions and hashes, no addresses.

A *lock* lists everything that one installation set needs, with its transitive dependencies, for Linux
and macOS and every Python from 3.11 on. Every set holds the first one:

    run         the pipeline
    cpu-torch   run, and what other embedding models than the default one need on the CPU
    finetune    cpu-torch, and what tuning a model needs
    dev         run, s3 sources, and what the tests and checks need

Packages that others ask for and that are never imported here are left out (NEVER_IMPORTED), 400 MB in all: with
--no-deps, as scripts/install.py calls it, pip takes the lock as it is. A plain `pip install kb_pipeline` brings them.

torch and the CUDA libraries that its default build asks for are left out, too: which build is right depends
on the machine, so scripts/install.py installs torch. Its other dependencies are locked like the rest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "requirements/torch.txt"
SETS = {"run": (), "cpu-torch": ("cpu-torch",), "finetune": ("finetune",), "dev": ("s3", "dev")}
WITH_TORCH = ("cpu-torch", "finetune")
# What asks for it, and why it is not needed.
NEVER_IMPORTED = {
    "numba": "unstructured, for the layout of page images; with llvmlite 200 MB",
    "spacy": "presidio and unstructured, for models of names and sentences; with its numerics 200 MB",
    "preshed": "presidio, to hold spacy's version back",
    "unstructured-client": "unstructured, for its makers' service",
    "playwright": "axe-playwright-python, of which only a script is used; with its own Node 130 MB",
    "hf-xet": "huggingface-hub, for another way to download; 12 MB",
}
LEFT_OUT = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==|.* sys_platform == 'never'")
HEADER = """\
# {name}: made by `make lock` from pyproject.toml; do not edit.
"""
TORCH_HEADER = """\
# torch {torch} and its CUDA libraries are not here: scripts/install.py installs them.
"""


def find_uv(folder: Path) -> str:
    """uv from the PATH, or installed into `folder`."""
    if found := shutil.which("uv"):
        return found
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "uv"], check=True)
    return str(folder / "bin" / "uv")


def resolve(uv: str, extras: tuple[str, ...], constraint: Path | str, folder: Path) -> str:
    """The lock of these extras with the newest versions that `constraint`, a requirements file, allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = folder / "build.txt"  # kb_pipeline itself is built in the environment that the lock makes
    build.write_text("\n".join(project["build-system"]["requires"]) + "\n")
    never = folder / "never.txt"
    never.write_text("".join(f"{name} ; sys_platform == 'never'\n" for name in NEVER_IMPORTED))
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
    command += ["--constraint", str(constraint), "--override", str(never), "pyproject.toml", str(build)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def without_left_out(lock: str) -> str:
    """Drop the blocks (a requirement and its hash lines) of torch, and of what has an override and its needs."""
    blocks = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(block for block in blocks if not LEFT_OUT.match(block))


def versions(lock: str) -> str:
    """The requirements without their hashes: what a narrower set is constrained by."""
    return "\n".join(line.rstrip(" \\") for line in lock.splitlines() if not line.startswith(" ")) + "\n"


def main() -> None:
    torch = (ROOT / TORCH).read_text().split("==")[1].strip()
    os.environ.pop("VIRTUAL_ENV", None)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        uv = find_uv(folder / "uv")
        everything = tuple(extra for extras in SETS.values() for extra in extras)
        widest = folder / "widest.txt"  # so that all sets have the same versions
        widest.write_text(versions(resolve(uv, everything, TORCH, folder)))
        for name, extras in SETS.items():
            lock = without_left_out(resolve(uv, extras, widest, folder))
            header = HEADER.format(name=name) + (TORCH_HEADER.format(torch=torch) if name in WITH_TORCH else "")
            (ROOT / "requirements" / f"{name}.txt").write_text(header + lock)
            print(f"requirements/{name}.txt: {lock.count('==')} packages")


if __name__ == "__main__":
    main()
