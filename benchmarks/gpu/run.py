"""SGLang on this machine's GPU, with the architecture of Qwen3-Embedding-4B and random weights.

    python benchmarks/gpu/run.py                                       on a machine with an NVIDIA card
    python benchmarks/gpu/run.py --shape Tiny-Embedding --server cpu   the same, end to end, without one

Makes the model, installs SGLang if it is not there, starts it as any site does, and measures:

    bench     what `kb server bench` says: a loop, batches and the stream, by length
    client    ingestion's client over more texts, with its own CPU time and what the card did meanwhile
    offline   the same texts, without a server, in SGLang's own engine, after the server has stopped

`client_over_offline` is what client and server leave of that rate; `share_of_peak` is the floating point operations
that the client's tokens need, as a share of the card's dense bf16 peak. The result, with date, card and versions, is
a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]  # run as a file, so its own folder is what Python put there

from gpu.model import make_model  # noqa: E402
from gpu.shape import Shape, peak_tflops, shapes  # noqa: E402

from kb_pipeline.embedding.benchmark import Words  # noqa: E402
from kb_pipeline.embedding.client import EmbeddedText, EmbeddingClient  # noqa: E402
from kb_pipeline.services import gpu  # noqa: E402
from kb_pipeline.services.sglang import interpreter, launch_environment  # noqa: E402
from kb_pipeline.settings import load_settings  # noqa: E402
from kb_pipeline.site import connect_embedding  # noqa: E402

LENGTHS = (128, 512, 2048)  # tokens
CLIENT_FACTOR = 4  # the client gets the texts that the stream of the bench did in this many times its seconds
PACKAGES = ("sglang", "torch", "transformers", "flashinfer-python", "sglang-kernel", "openai", "sentence-transformers")
_VERSIONS = """
import importlib.metadata, json, sys
def version(name):
    try: return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError: return None
print(json.dumps({"python": sys.version.split()[0], **{name: version(name) for name in sys.argv[1:]}}))
"""


def main() -> None:
    options = _options()
    if options.home:
        result = measure(options, options.home)
    else:
        with tempfile.TemporaryDirectory(prefix="kb-gpu-") as folder:
            result = measure(options, Path(folder))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))
    print(f"Written to {options.out}")


def measure(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Everything from the model to the result, in this KB_HOME."""
    shape = shapes()[options.shape]
    model = home / "models" / options.shape
    make_model(model, shape)
    environment = site(home, model, options.server)
    os.environ.update(environment)
    if options.server == "sglang" and "KB_SGLANG__PYTHON" not in os.environ:
        kb("server", "install")
    begun = time.perf_counter()
    kb("server", "start")
    start_seconds = time.perf_counter() - begun
    try:
        lengths = [argument for length in options.length for argument in ("--length", str(length))]
        bench = json.loads(kb("server", "bench", "--json", "--seconds", str(options.seconds), *lengths))
        with connect_embedding(load_settings()) as client:
            texts = make_texts(client, bench, options.seconds)
            clients = {str(length): run_client(client, several) for length, several in texts.items()}
    finally:
        kb("server", "stop")
    python = str(interpreter(home, load_settings().sglang)) if options.server == "sglang" else sys.executable
    offline = run_offline(python, model, texts, options.server, home)
    cards = gpu.cards()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "model": f"{options.shape} (its shape with random weights)",
        "server": options.server,
        "cards": [{"name": card.name, "driver": card.driver, "memory_mb": card.memory_total} for card in cards],
        "versions": json.loads(_output([python, "-c", _VERSIONS, *PACKAGES])),
        "start_seconds": round(start_seconds, 1),
        "bench": bench["lengths"],
        "client": clients,
        "offline": offline,
        "summary": summary(shape, clients, offline, peak_tflops(cards[0].name) if cards else None),
    }


def site(home: Path, model: Path, server: str) -> dict[str, str]:
    """The settings of a site of its own, as variables."""
    own = {"KB_HOME": str(home), "KB_CONFIG": str(home / "kb.toml"), "KB_EMBEDDING_URL": ""}
    home.mkdir(parents=True, exist_ok=True)
    (home / "kb.toml").write_text("")
    return own | {"KB_SGLANG__MODEL" if server == "sglang" else "KB_EMBEDDING_MODEL": str(model)}


def make_texts(client: EmbeddingClient, bench: Mapping[str, Any], seconds: float) -> dict[int, list[str]]:
    """Texts for a few times the seconds of the bench, by length."""
    words = Words(str(time.time_ns()))
    words.calibrate(client)
    return {
        row["tokens"]: words.texts(
            row["tokens"], max(8, round(row["stream"]["texts_per_second"] * seconds * CLIENT_FACTOR))
        )
        for row in bench["lengths"]
    }


def run_client(client: EmbeddingClient, texts: Sequence[str]) -> dict[str, Any]:
    """Ingestion's client over `texts`; `cpu_seconds` are of this process."""
    before, cpu, begun = client.usage.tokens, time.process_time(), time.perf_counter()
    with gpu.sampled(seconds=1.0) as cards:
        results = client.embed((number.to_bytes(8, "big"), text) for number, text in enumerate(texts))
        embedded = sum(isinstance(result, EmbeddedText) for result in results)
    seconds, tokens = time.perf_counter() - begun, client.usage.tokens - before
    return {
        "texts": embedded,
        "tokens": tokens,
        "tokens_per_text": round(tokens / max(embedded, 1), 1),
        "texts_per_second": round(embedded / seconds, 2),
        "tokens_per_second": round(tokens / seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "retries": client.usage.retries,
        "gpu_utilization": cards.utilization,
        "gpu_memory_mb": cards.memory_used,
    }


def run_offline(
    python: str, model: Path, texts: Mapping[int, Sequence[str]], server: str, home: Path
) -> dict[str, dict[str, float]]:
    file = home / "texts.json"
    file.write_text(json.dumps(texts))
    settings = load_settings().sglang
    engine, options = "sentence-transformers", {}
    if server == "sglang":
        engine, options = "sglang", {"mem_fraction_static": settings.mem_fraction_static, "tp_size": settings.tp}
    command = [python, str(Path(__file__).with_name("offline.py")), str(model), str(file), engine, json.dumps(options)]
    rates: dict[str, dict[str, float]] = json.loads(_output(command).strip().splitlines()[-1])
    return rates


def summary(
    shape: Shape,
    clients: Mapping[str, Mapping[str, Any]],
    offline: Mapping[str, Mapping[str, float]],
    peak: float | None,
) -> dict[str, dict[str, float | None]]:
    """By length: tokens a second, the client against the offline engine, and the share of the card's peak."""
    rows: dict[str, dict[str, float | None]] = {}
    for length, measured in clients.items():
        rate = measured["tokens_per_second"]
        tflops = rate * shape.flops_per_token(round(measured["tokens_per_text"])) / 1e12
        rows[length] = {
            "tokens_per_second": rate,
            "client_over_offline": round(rate / offline[length]["tokens_per_second"], 3),
            "tflops": round(tflops, 3),
            "share_of_peak": round(tflops / peak, 3) if peak else None,
        }
    return rows


def kb(*arguments: str) -> str:
    return _output([sys.executable, "-m", "kb_pipeline.cli.app", *arguments])


def _output(command: Sequence[str]) -> str:
    own = command[0] == sys.executable
    environment = os.environ | {"PYTHONPATH": str(ROOT)} if own else launch_environment(os.environ, Path(command[0]))
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shape", choices=shapes(), default="Qwen3-Embedding-4B")
    parser.add_argument("--server", choices=("sglang", "cpu"), default="sglang")
    parser.add_argument(
        "--home", type=Path, help="KB_HOME that keeps model and environment (default: one for this run)"
    )
    parser.add_argument("--length", type=int, action="append", help="tokens of a text; repeatable")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement of the bench")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("result.json"))
    options = parser.parse_args()
    options.length = options.length or list(LENGTHS)
    return options


if __name__ == "__main__":
    main()
