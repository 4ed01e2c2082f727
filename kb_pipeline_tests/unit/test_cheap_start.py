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


def test_finding_that_nothing_changed_loads_nothing_that_takes_long_to_import() -> None:
    program = "import sys, kb_pipeline.cli.app, kb_pipeline.operations.ingest; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    packages = {name.partition(".")[0] for name in loaded.split()}
    assert "kb_pipeline" in packages
    assert packages & EXPENSIVE == set()
    assert "kb_pipeline.privacy.detectors" not in loaded  # hundreds of patterns
