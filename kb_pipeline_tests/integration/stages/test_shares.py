"""Files of another machine, through the ledger and all stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.operations import sources
from kb_pipeline.source.shares import Share
from kb_pipeline_tests.file_servers import PASSWORD, SERVERS, skip_without

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.sites import TestSite


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sshfs closes when it is forgotten
@pytest.mark.parametrize("kind", ["sftp", "webdav"])
def test_files_of_a_share_come_move_change_and_go_and_an_outage_deletes_none(
    kind: str, kb: TestSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(kind)
    monkeypatch.setenv("SHARE_PASSWORD", PASSWORD)
    folder = tmp_path / "shared"
    (folder / "hr").mkdir(parents=True)
    (folder / "hr" / "leave.md").write_text("# Leave\n\nFive days of leave.")
    (folder / "call 13912345678.md").write_text("A passage with its number in the name.")
    with SERVERS[kind](folder) as (uri, home):
        if home is not None:
            monkeypatch.setenv("HOME", str(home))
        kb.reopen(sources=[{"uri": uri, "secrets": {"password": "SHARE_PASSWORD"}}])
        sources.register_configured(kb.connection, kb.site.settings)
        counts = kb.refresh()
        assert (counts["new"], counts["failed"]) == (2, 0)
        assert "Five days" in kb.contents()["hr/leave.md"]
        assert not any("13912345678" in path for path in kb.contents())

        (folder / "hr" / "leave.md").rename(folder / "hr" / "holidays.md")
        assert kb.refresh()["moved"] == 1
        (folder / "hr" / "holidays.md").write_text("# Leave\n\nSix days of leave, no less.")
        assert kb.refresh()["changed"] == 1
        assert "Six days" in kb.contents()["hr/holidays.md"]
        (folder / "hr" / "holidays.md").unlink()
        assert kb.refresh()["deleted"] == 1
    counts = kb.refresh()
    assert (counts["sources_unavailable"], counts["deleted"]) == (1, 0)
    place = kb.site.sources.of(uri)
    assert isinstance(place, Share)
    place._filesystem = None
