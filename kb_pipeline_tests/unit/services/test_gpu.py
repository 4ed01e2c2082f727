"""What the cards did while something ran, from a stand-in for nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb_pipeline.services import gpu

NVIDIA_SMI = """#!/bin/sh
echo >> {looks}
echo "Stand-in card, 580.65.06, 81559, $(( $(wc -l < {looks}) * 100 )), 40"
echo "Stand-in card, 580.65.06, 81559, 1000, 60"
"""


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line for every look at the cards."""
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI.format(looks=tmp_path / "looks"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "looks"


def test_cards_are_looked_at_while_it_runs_and_at_the_end(looks: Path) -> None:
    with gpu.sampled(seconds=0.01) as samples:
        while not looks.exists() or looks.read_text().count("\n") < 3:
            pass
    seen = looks.read_text().count("\n")
    assert len(samples.looks) == seen
    assert samples.utilization == 50
    assert samples.memory_used == seen * 100 + 1000


def test_without_a_card_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with gpu.sampled(seconds=0.01) as samples:
        pass
    assert (samples.utilization, samples.memory_used) == (None, None)


def test_one_that_fails_counts_as_none(looks: Path, tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' && exit 9\n")
    assert gpu.cards() == []
