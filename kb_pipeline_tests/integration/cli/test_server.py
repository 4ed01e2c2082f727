"""`kb server` as a shell sees it, from the installation to the end.

SGLang needs a GPU and gigabytes of packages: a wheel of the stand-in (kb_pipeline_tests/stand_in) takes its place,
installed by pip from a folder, and a script that of nvidia-smi. Everything between them is real.
"""

from __future__ import annotations

import platform
import re
import shutil
import socket
import stat
import zipfile
from pathlib import Path

import pytest

from kb_pipeline.services.daemon import SGLANG, read_state
from kb_pipeline.services.sglang_install import NEEDED_BYTES
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.cli.test_commands import Shell

STAND_IN = Path(__file__).resolve().parents[2] / "stand_in"
COMMIT = "5cf2132abc99cad020ac570b19d031efec650f2b"
NVIDIA_SMI = '#!/bin/sh\necho "Stand-in card, 580.65.06, 81559, 1024, 37"\n'
HF = """#!/bin/sh
[ "$2" = "Qwen/Qwen3-Embedding-4B" ] || { echo "Repository Not Found" >&2; exit 1; }
mkdir -p "$HF_HOME/snapshots/%s"
echo "Fetching 3 files" >&2
echo "$HF_HOME/snapshots/%s"
"""


def wheel(folder: Path) -> None:
    """sglang-0.5.20 as a wheel: the stand-in, and `hf`, which comes with a dependency of the real one."""
    folder.mkdir()
    name = "sglang-0.5.20"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for path in (STAND_IN / "sglang").glob("*.py"):
            archive.write(path, f"sglang/{path.name}")
        script = zipfile.ZipInfo(f"{name}.data/scripts/hf")
        script.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(script, HF % (COMMIT, COMMIT))
        archive.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: sglang\nVersion: 0.5.20\n")
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return Shell(tmp_path, {"KB_HOME": str(home), "KB_SGLANG__PORT": str(port)})


def with_card(shell: Shell, folder: Path) -> Shell:
    programs = folder / "programs"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(NVIDIA_SMI)
    (programs / "nvidia-smi").chmod(0o755)
    wheel(folder / "wheels")
    shell.environment |= {
        "PATH": f"{programs}:{shell.environment['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PIP_CONFIG_FILE": "/dev/null",
        "HF_HOME": str(folder / "hub"),
        "KB_SGLANG__MODEL": "Qwen/Qwen3-Embedding-4B",
    }
    return shell


def test_from_the_installation_to_the_end(shell: Shell, home: Path, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_BYTES or platform.libc_ver()[1].split(".") < ["2", "34"]:
        pytest.skip(f"kb server install refuses: it needs glibc 2.34 and {NEEDED_BYTES >> 30} GiB of free disk")
    with_card(shell, tmp_path)
    missing = shell.kb("server", "start")
    assert missing.code == 2
    assert "run kb server install" in missing.err

    installed = shell.kb("server", "install", "--json")
    assert installed.code == 0, installed.err
    assert installed.json == {
        "version": "0.5.20",
        "fresh": True,
        "model": "Qwen/Qwen3-Embedding-4B",
        "revision": COMMIT,
    }
    assert shell.kb("server", "status").code == 3

    started = shell.kb("server", "start", "--json", KB_SGLANG__SERVED_MODEL_NAME="tiny", KB_EMBEDDING_API_KEY="hunter2")
    assert started.code == 0, started.err
    (server,) = started.json["servers"]
    assert (server["model"], server["revision"], server["dimension"]) == ("tiny", COMMIT, 8)
    assert started.json["cards"][0]["name"] == "Stand-in card"

    shell.environment |= {"KB_SGLANG__SERVED_MODEL_NAME": "tiny", "KB_EMBEDDING_API_KEY": "hunter2"}
    again = shell.kb("server", "install", "--json")
    assert again.json["fresh"] is False
    shown = shell.kb("server", "logs", "--lines", "3")
    assert "fired up and ready to roll" in shown.out
    assert "hunter2" not in shell.kb("server", "logs", "--json").out
    state = read_state(home, SGLANG)
    assert state is not None
    assert state.server is not None
    assert shell.kb("server", "status", "--json").json["process"]["pid"] == state.server.pid

    stopped = shell.kb("server", "stop", "--json")
    assert (stopped.code, stopped.json) == (0, {"stopped": ["sglang"]})
    assert "Nothing was running" in shell.kb("server", "stop").out


def test_a_machine_without_a_card_is_refused_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    answer = shell.kb("server", "install", PATH=str(empty))
    assert answer.code == 3
    assert "needs an NVIDIA card" in answer.err
    unknown = shell.kb("server", "install", KB_SGLANG__VERSION="0.1.0")
    assert unknown.code == 2
    assert "KB_SGLANG__VERSION" in unknown.err


def test_bench_measures_whatever_server_is_configured(shell: Shell) -> None:
    with instant_server(dimension=16, model_name="instant", delay=0.005) as server:
        options = ("--seconds", "0.1", "--length", "16", "--length", "400", "--batch-size", "8", "--batch-size", "64")
        found = shell.kb("server", "bench", "--json", *options, KB_EMBEDDING_URL=server.base_url)
        assert found.code == 0, found.err
        for row, tokens in zip(found.json["lengths"], (16, 400), strict=True):
            assert row["tokens"] == tokens
            assert row["tokens_counted"] > 0
            assert [batch["texts"] for batch in row["batches"]] == [8, 64]
            assert row["stream_over_loop"] == pytest.approx(
                row["stream"]["texts_per_second"] / row["loop"]["texts_per_second"], rel=0.05
            )
            tokens_per_second = row["loop"]["texts_per_second"] * row["tokens_counted"]
            assert row["loop"]["tokens_per_second"] == pytest.approx(tokens_per_second, rel=0.05)
        shown = shell.kb("server", "bench", *options, KB_EMBEDDING_URL=server.base_url)
        assert re.search(r"^ *\d+ +stream +[\d.,]+ +[\d.,]+ +[\d.]+ ×", shown.out, re.MULTILINE)
        too_long = shell.kb("server", "bench", "--length", "999999", KB_EMBEDDING_URL=server.base_url)
        assert too_long.code == 2
        assert "--length" in too_long.err
    nobody = shell.kb("server", "bench", KB_EMBEDDING_URL="http://127.0.0.1:9/v1")
    assert nobody.code == 3


def test_status_tells_of_each_replica(shell: Shell) -> None:
    with instant_server(dimension=16, model_name="instant") as server:
        urls = f"{server.base_url},http://user:pass@127.0.0.1:9/v1"
        found = shell.kb("server", "status", "--json", KB_EMBEDDING_URL=urls)
        assert found.code == 0
        up, down = found.json["servers"]
        assert (up["model"], up["dimension"], up["error"]) == ("instant", 16, None)
        assert "does not answer" in down["error"]
        assert "pass" not in found.out
    elsewhere = shell.kb("server", "start", KB_EMBEDDING_URL=urls)
    assert elsewhere.code == 2
    assert "KB_EMBEDDING_URL" in elsewhere.err
    assert shell.kb("server", "logs", KB_EMBEDDING_URL=urls).code == 2
