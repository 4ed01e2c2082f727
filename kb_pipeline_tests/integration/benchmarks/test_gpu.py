"""The benchmark for GPU machines, end to end on a tiny shape: no card and no SGLang, but every other part."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = ROOT / "kb_pipeline_tests" / "stand_in"
RUN = ROOT / "benchmarks" / "gpu" / "run.py"
CHECK_SHAPE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from gpu.shape import peak_tflops, shapes
from gpu.model import tensors
from math import prod
shape = shapes()["Qwen3-Embedding-4B"]
names = ("NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA L40S", "NVIDIA L4", "NVIDIA A10",
         "NVIDIA L40", "NVIDIA A10G", "Another")
print(json.dumps({
    "parameters": sum(prod(size) for _, size in tensors(shape)),
    "flops": [shape.flops_per_token(length) for length in (1, 512)],
    "peaks": [peak_tflops(name) for name in names],
}))
"""


def output(*command: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def use_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stand-in take the place of SGLang: see kb_pipeline_tests/stand_in."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={STAND_IN} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("KB_SGLANG__PORT", str(listener.getsockname()[1]))
    monkeypatch.setenv("KB_SGLANG__PYTHON", str(script))


def test_the_shape_is_that_of_the_4b_model_and_costs_what_it_should() -> None:
    found = json.loads(output(sys.executable, "-c", CHECK_SHAPE, str(ROOT / "benchmarks")))
    assert 4.0e9 < found["parameters"] < 4.05e9
    per_token, at_512 = found["flops"]
    assert per_token == pytest.approx(2 * 3.634e9, rel=0.01)  # two for each parameter of the layers
    assert at_512 - per_token == pytest.approx(4 * 36 * 32 * 128 * 255.5, rel=0.01)
    assert found["peaks"] == [989.4, 756.0, 362.0, 121.0, 125.0, None, None, None]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("server", ["cpu", "sglang"])
def test_every_step_runs_and_the_result_has_date_versions_and_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    if server == "sglang":
        use_stand_in(tmp_path, monkeypatch)
    elif find_spec("sentence_transformers") is None:
        pytest.skip("needs the extra cpu-torch: the model is made with transformers")
    out = tmp_path / "results" / "tiny.json"
    options = ["--shape", "Tiny-Embedding", "--server", server, "--home", str(tmp_path / "home")]
    output(sys.executable, str(RUN), *options, "--seconds", "0.05", "--length", "64", "--out", str(out))
    result = json.loads(out.read_text())
    assert len(result["date"]) == 10
    assert result["server"] == server
    assert result["versions"]["python"]
    (row,) = result["bench"]
    assert row["tokens_counted"] == pytest.approx(64, rel=0.3)
    client = result["client"]["64"]
    assert client["tokens"] == pytest.approx(64 * client["texts"], rel=0.3)
    assert result["offline"]["64"]["tokens_per_second"] > 0
    summary = result["summary"]["64"]
    assert summary["client_over_offline"] > 0
    config = json.loads((tmp_path / "home" / "models" / "Tiny-Embedding" / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
