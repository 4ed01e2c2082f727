"""What a command that finds nothing to do does not load."""

import subprocess
import sys

EXPENSIVE = {
    "dagster",
    "huggingface_hub",
    "openai",
    "pandas",
    "presidio_analyzer",
    "spacy",
    "tokenizers",
    "unstructured",
}


def imported_by(*modules: str) -> set[str]:
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )


def packages(loaded: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded}


def test_finding_that_nothing_changed_loads_nothing_that_takes_long_to_import() -> None:
    loaded = imported_by("kb_pipeline.cli.app", "kb_pipeline.operations.ingest")
    assert "kb_pipeline" in packages(loaded)
    assert packages(loaded) & EXPENSIVE == set()
    assert not any(name.startswith("kb_pipeline.privacy.detectors") for name in loaded)  # hundreds of patterns


def test_a_search_loads_the_client_of_openai_and_nothing_that_parses() -> None:
    loaded = imported_by("kb_pipeline.cli.search", "kb_pipeline.operations.search", "kb_pipeline.embedding.client")
    assert packages(loaded) & EXPENSIVE == {"openai"}


def test_a_search_that_the_search_server_answers_loads_next_to_nothing() -> None:
    loaded = imported_by("kb_pipeline.cli.app", "kb_pipeline.settings", "kb_pipeline.services.search_socket")
    assert packages(loaded) & (EXPENSIVE | {"httpx", "numpy", "psycopg", "rich"}) == set()


def test_frameworks_are_loaded_by_their_adapters_alone() -> None:
    loaded = imported_by("kb_pipeline", "kb_pipeline.library", "kb_pipeline.cli.app", "kb_pipeline.adapters.http")
    assert packages(loaded) & {"langchain_core", "llama_index"} == set()
