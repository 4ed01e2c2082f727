"""Runs of the jobs in this process: what checks stop, what re-embedding does, what a failure shows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from kb_pipeline.defs.assets.shared import SWEEP_TAG
from kb_pipeline.defs.execute import COMMAND_TAG
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.store import ledger
from kb_pipeline_tests.instant_embedding_server import instant_server

if TYPE_CHECKING:
    from pathlib import Path

    from kb_pipeline_tests.integration.defs.conftest import Workplace

MARKER = "Zauberwort-4711"


def _numbers(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, int]:
    event = result.asset_materializations_for_node(asset)[0]
    return {name: value.value for name, value in event.metadata.items() if isinstance(value.value, int)}


def _finished(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.step_key for event in result.all_events if event.is_step_success and event.step_key}


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [found for found in result.get_asset_check_evaluations() if found.check_name == name]
    return found


def test_a_run_gives_every_shard_its_own_numbers_and_the_same_keys_the_second_time(site: Workplace) -> None:
    for number in range(6):
        site.write(f"rules/{number}.md", f"# Rule {number}\n\nOf every {number}.")
    first, second = site.run(), site.run()
    for asset in ("raw_documents", "cleaned_elements", "chunks", "embeddings", "knowledge_chunks"):
        events = first.asset_materializations_for_node(asset)
        assert sorted(event.partition or "" for event in events) == list("0123456789abcdef")
        assert _numbers(first, asset).keys() == _numbers(second, asset).keys()
    shards = [
        event.metadata["shard_documents"].value for event in first.asset_materializations_for_node("raw_documents")
    ]
    assert sum(int(str(count)) for count in shards) == 6
    assert max(int(str(count)) for count in shards) < 6


def test_the_page_of_the_cleaned_elements_says_what_was_parsed_and_how_well(site: Workplace) -> None:
    site.write("a.md", "# Rule\n\nOf one page.")
    site.write("b.csv", "name,price\ntea,3\n")
    site.write("c.txt", "")
    event, *others = site.run().asset_materializations_for_node("cleaned_elements")
    tables = {name: value.records for name, value in event.metadata.items() if isinstance(value, dg.TableMetadataValue)}
    assert {record.data["format"] for record in tables["formats"]} == {"md", "csv"}
    assert {record.data["format"] for record in tables["time_per_page"]} == {"md", "csv"}
    assert {"file": "a.md", "page": None, "category": "Title", "level": 1, "text": "Rule"} in [
        record.data for record in tables["newest_elements"]
    ]
    shards = [shard.metadata for shard in (event, *others)]
    assert {"1 md", "1 csv", "none"} <= {str(shard["shard_formats"].value) for shard in shards}
    assert {str(shard["shard_failures"].value) for shard in shards} == {"none", "1 EmptyDocument"}
    assert sum(int(str(shard["shard_pages"].value)) for shard in shards) == 2


def test_tables_mask_personal_data_in_file_names(site: Workplace) -> None:
    site.write("people/张三13812345678.md", "# Note\n\nText.")
    result = site.run()
    shown = str([event.materialization.metadata for event in result.get_asset_materialization_events()])
    assert "13812345678" not in shown
    assert "CN_MOBILE" in shown


def test_an_unsound_vector_keeps_the_table_as_it_is(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    site.run()
    site.sql("UPDATE embeddings SET embedding = embedding + embedding")
    site.write("a.md", "# A\n\nText.\n\n# B\n\nOther text.")
    result = site.run(raise_on_error=False)
    assert not result.success
    assert not _check(result, "vectors_are_sound").passed
    assert "embeddings" in _finished(result)
    assert "knowledge_chunks" not in _finished(result)
    assert site.sql("SELECT count(*) FROM knowledge_chunks") == [(1,)]


def test_the_nightly_sweep_finds_what_is_wrong_anywhere(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    site.write("b.md", "# B\n\nOther text.")
    clean = site.run(tags={SWEEP_TAG: "true"})
    assert all(found.passed for found in clean.get_asset_check_evaluations())
    site.sql("UPDATE chunks SET content = 'Call 13812345678.' WHERE section_path = '{A}'")
    site.sql("UPDATE generation_1 SET document_id = 4711 WHERE source_file = 'b.md'")
    result = site.run(tags={SWEEP_TAG: "true"}, raise_on_error=False)
    assert not result.success
    passed = {found.check_name: found.passed for found in result.get_asset_check_evaluations()}
    assert {name for name, well in passed.items() if not well} == {"nothing_is_unmasked", "counts_agree", "no_orphans"}
    assert _check(result, "nothing_is_unmasked").metadata["examples"].value == "a.md"
    assert _check(result, "no_orphans").metadata["orphans"].value == 1
    assert _check(result, "counts_agree").metadata["examples"].value == "b.md"


def test_many_failed_documents_only_warn(site: Workplace) -> None:
    site.write("good.md", "# A\n\nText.")
    site.write("bad.pdf", "not a PDF")
    result = site.run()
    found = _check(result, "failure_rate")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["failed"].value == 1


def test_re_embedding_with_the_same_model_does_nothing(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    site.run()
    result = site.run("re_embed")
    assert result.success
    assert _numbers(result, "embeddings")["texts_embedded"] == 0
    assert site.sql("SELECT name, state FROM generations") == [("g1", "active")]


def test_re_embedding_with_another_model_makes_it_the_one_that_is_searched(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a.md", "# A\n\nText.")
    site.run()
    with instant_server(dimension=48, model_name="another") as server:
        monkeypatch.setenv("KB_EMBEDDING_URL", server.base_url)
        site.write("b.md", "# B\n\nMore text.")
        refused = site.run(raise_on_error=False)
        assert not refused.success  # two models are never mixed
        result = site.run("re_embed")
    assert result.success
    assert site.sql("SELECT name, state FROM generations ORDER BY name") == [("g1", "retired"), ("g2", "active")]
    assert site.sql("SELECT DISTINCT vector_dims(embedding) FROM knowledge_chunks") == [(48,)]


def test_the_page_of_the_embeddings_says_how_fast_they_came(site: Workplace) -> None:
    site.write("a.md", "# A\n\n" + "Some text of one chunk. " * 20)
    site.write("b.md", "# B\n\nText.")
    found = site.run().asset_materializations_for_node("embeddings")[0].metadata
    assert found["texts_embedded"].value == 2
    assert int(str(found["tokens_embedded"].value)) > 400  # a character is a token of this server
    assert (found["requests"].value, found["retries"].value) == (1, 0)
    assert 0.2 < float(str(found["padding_share"].value)) < 0.5
    assert float(str(found["tokens_per_second"].value)) > 0
    throughput = found["throughput"]
    assert isinstance(throughput, dg.TableMetadataValue)
    assert throughput.records[0].data["second"] == 0
    again = site.run().asset_materializations_for_node("embeddings")[0].metadata
    assert again.keys() == found.keys()
    assert (again["tokens_embedded"].value, again["tokens_per_second"].value) == (0, 0.0)


def test_only_a_missing_embedding_server_is_waited_for_and_not_while_a_person_waits(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = dg.build_asset_context().log

    def may_be_tried_again(error: Exception, *, retry: bool) -> bool | None:
        with pytest.raises(dg.Failure) as raised, step(site.resource, log, retry_unavailable=retry):
            raise error
        return raised.value.allow_retries

    gone, wrong = EmbeddingServerUnavailable("It is gone."), SettingsError("It is wrong.")
    assert may_be_tried_again(gone, retry=True)
    assert not may_be_tried_again(gone, retry=False)
    assert not may_be_tried_again(wrong, retry=True)
    site.write("a.md", "# A\n\nText.")
    monkeypatch.setenv("KB_EMBEDDING_URL", "http://127.0.0.1:9/v1")
    failed = site.run(raise_on_error=False, tags={COMMAND_TAG: "refresh"})
    assert not [event for event in failed.all_events if event.is_step_up_for_retry]


def test_a_failure_is_one_sentence(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a.md", "# A\n\nText.")
    monkeypatch.setenv("KB_EMBEDDING_URL", "http://127.0.0.1:9/v1")
    result = site.run(raise_on_error=False, tags={COMMAND_TAG: "refresh"})
    (failure,) = [event for event in result.all_events if event.is_step_failure and event.step_key == "embeddings"]
    data = failure.step_failure_data
    assert data.user_failure_data is not None
    assert "127.0.0.1:9" in (data.user_failure_data.description or "")
    assert data.error is not None
    assert data.error.cause is None
    assert data.error.context is None


def test_no_document_text_reaches_dagsters_storage_when_a_stage_breaks(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a.md", f"# A\n\n{'More than a preview shows. ' * 5}{MARKER}.")

    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError(f"invalid byte in line 1, column content: {arguments} {options} {MARKER}")

    monkeypatch.setattr(ledger, "replace_chunks", refuse)
    result = site.run(raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure and event.step_key == "chunks"]
    assert failure.step_failure_data.user_failure_data is not None
    assert "ValueError" in (failure.step_failure_data.user_failure_data.description or "")
    stored = [path for path in (site.home / "dagster").rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if MARKER.encode() in path.read_bytes()]


def test_no_text_of_a_refused_document_reaches_dagsters_storage(site: Workplace) -> None:
    site.write("a.md", f"# Secret\n\n⟦reject⟧ {MARKER} stays where it is.")
    result = site.run()
    assert _numbers(result, "embeddings")["texts_rejected"] == 1
    for path in (site.home / "dagster").rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert "⟦reject⟧".encode() not in text or path.suffix in {".db", ".db-wal"}


def test_dagsters_own_command_materializes_a_shard(site: Workplace, tmp_path: Path) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    shard = request.tags["dagster/asset_partition_range_start"]
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "kb_pipeline.definitions"]
    command += ["--select", "*", "--partition", shard]
    subprocess.run(command, check=True, timeout=150, capture_output=True, cwd=tmp_path)
    assert site.sql("SELECT source_file FROM knowledge_chunks") == [("a.md",)]
