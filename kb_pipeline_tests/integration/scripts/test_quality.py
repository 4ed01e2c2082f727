"""What `make quality` tells, on a bank of a few pages: all of it but what a model learns from more of them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site

sys.path.insert(0, str(Path(__file__).parents[3]))  # the scripts are not part of the installed package

from scripts import invented_bank, quality

if TYPE_CHECKING:
    import pytest

PAGES = 8


def test_the_loop_is_told_from_the_first_figure_to_the_gate(
    database_url: str, cpu_embedding_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(home=tmp_path / "kb", database_url=database_url, embedding_url=cpu_embedding_url)
    with open_site(settings) as site:
        quality.tell_the_story(site, tmp_path, PAGES)
    told = capsys.readouterr().out
    steps = [line.split()[2] for line in told.splitlines() if line.startswith("$ kb ")]
    assert steps == ["ingest", "eval", "eval", "feedback", "mine", "promote", "promote", "tune"]
    assert "24 questions, recall@1 0." in told  # of the pages whose answers are known
    assert "24 passages right" in told
    assert "$ kb promote g2" in told
    assert re.search(r"nDCG@10 of \d+ questions: before 0\.\d+ \[.*after 0\.", told)
    assert "Promoted" not in told
    assert "make install-finetune" in told or "tuning needs 50" in told


def test_nothing_of_whoever_runs_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "KB_DATABASE_URL": "postgresql://theirs", "DAGSTER_HOME": "/x"})
    before = Path.cwd()
    with quality.alone() as folder:
        assert Path.cwd() == folder.resolve()
        assert not [name for name in os.environ if name.startswith(("KB_", "DAGSTER_"))]
    assert Path.cwd() == before
    assert not folder.exists()


def test_the_same_bank_comes_out_of_the_same_seed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    asked = invented_bank.write(tmp_path / "one")
    assert asked == invented_bank.write(tmp_path / "two")
    pages = {page.name: page.read_text() for page in (tmp_path / "one").iterdir()}
    assert pages == {page.name: page.read_text() for page in (tmp_path / "two").iterdir()}
    assert len(pages) == invented_bank.PAGES
    for each in asked:
        assert [name for name, text in pages.items() if each.quote in text] == [each.document]
