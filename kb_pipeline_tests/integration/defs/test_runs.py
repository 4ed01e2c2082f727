"""Runs of the jobs in this process: what checks stop, what re-embedding does, what a failure shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from kb_pipeline.definitions import defs
from kb_pipeline.defs.execute import COMMAND_TAG, stage_counts
from kb_pipeline.defs.history import SWEEP_TAG
from kb_pipeline.defs.placement import ASSETS
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.errors import EmbeddingServerUnavailable, SettingsError
from kb_pipeline.settings import load_settings
from kb_pipeline.site import open_site
from kb_pipeline.source.listing import shard_hash
from kb_pipeline.stages import raw_documents
from kb_pipeline.store import ledger
from kb_pipeline_tests.instant_embedding_server import instant_server

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.defs.conftest import Workplace

MARKER = "Zauberwort-4711"


def _numbers(result: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, int]:
    return stage_counts(result)[asset]


def _finished(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.step_key for event in result.all_events if event.is_step_success and event.step_key}


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [found for found in result.get_asset_check_evaluations() if found.check_name == name]
    return found


def _last(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.MetadataValue[Any]]:
    """The metadata that the asset's page shows: that of the run's last shard."""
    return dict(result.asset_materializations_for_node(asset)[-1].metadata)


def _rows(value: dg.MetadataValue[Any]) -> list[dict[str, Any]]:
    return [dict(record.data) for record in value.records] if isinstance(value, dg.TableMetadataValue) else []


def _names_in_different_shards(site: Workplace, *extensions: str) -> list[str]:
    found: dict[str, str] = {}
    for extension in extensions:
        name = next(
            name
            for name in (f"{number}.{extension}" for number in range(100))
            if shard_hash(str(site.folder), name)[0] not in found
        )
        found[shard_hash(str(site.folder), name)[0]] = name
    return list(found.values())


def test_totals_stand_once_with_three_numbers_and_a_table_of_units_and_every_shard_has_its_own_row(
    site: Workplace,
) -> None:
    for number in range(6):
        site.write(f"rules/{number}.md", f"# Rule {number}\n\nOf every {number}.")
    first, second = site.run(), site.run()
    for asset in ("raw_documents", "cleaned_elements", "chunks", "embeddings", "knowledge_chunks"):
        *others, last = first.asset_materializations_for_node(asset)
        assert sorted(event.partition or "" for event in (*others, last)) == list("0123456789abcdef")
        assert all(event.metadata.keys() == {"shard"} for event in others)
        numbers = [name for name, value in last.metadata.items() if isinstance(value.value, int | float)]
        assert len([name for name in numbers if name != "dagster/row_count"]) == 3
        figures = _rows(last.metadata["figures"])
        assert [row["figure"].replace(" ", "_") for row in figures][:3] == list(last.metadata)[:3]
        assert all(row["unit"] for row in figures)
        assert set(_numbers(first, asset)) <= {row["figure"].replace(" ", "_") for row in figures}
        assert _last(second, asset).keys() == last.metadata.keys()
    shards = _rows(_last(first, "raw_documents")["shards"])
    assert sum(row["documents"] for row in shards) == 6
    assert max(row["documents"] for row in shards) < 6
    with_documents = {row["shard"]: row for row in shards}
    for event in first.asset_materializations_for_node("raw_documents")[:-1]:
        own = with_documents.get(event.partition or "")
        assert _rows(event.metadata["shard"]) == ([own] if own else [])


def test_the_page_of_the_cleaned_elements_says_what_was_parsed_and_how_well(site: Workplace) -> None:
    rule, prices, empty = _names_in_different_shards(site, "md", "csv", "txt")
    site.write(rule, "# Rule\n\nOf one page.")
    site.write(prices, "name,price\ntea,3\n")
    site.write(empty, "")
    shown = _last(site.run(), "cleaned_elements")
    assert {row["format"] for row in _rows(shown["formats"])} == {"md", "csv"}
    assert {row["format"] for row in _rows(shown["time_per_page"])} == {"md", "csv"}
    assert {(row["file"], row["elements"]) for row in _rows(shown["newest"])} == {(rule, 2), (prices, 1)}
    shards = _rows(shown["shards"])
    assert {"1 md", "1 csv", "none"} == {row["documents"] for row in shards}
    assert {"none", "1 EmptyDocument"} == {row["failed"] for row in shards}
    assert sum(row["pages"] for row in shards) == 2


def test_the_table_says_its_columns_and_rows_and_where_to_search_it(site: Workplace) -> None:
    site.write("a.md", "# Rule\n\nOf one page.")
    shown = _last(site.run(), "knowledge_chunks")
    assert shown["dagster/row_count"].value == 1
    columns = {column.name: column for column in shown["dagster/column_schema"].value.columns}
    assert columns["embedding"].type == "halfvec"
    assert columns["content"].description
    asset = defs.resolve_asset_graph().get(dg.AssetKey("knowledge_chunks"))
    assert asset.metadata["dagster/table_name"] == "knowledge_chunks"
    assert asset.metadata["search page"] == dg.MetadataValue.url("http://127.0.0.1:8756/")
    assert asset.metadata["dagster/code_references"].code_references[0].file_path.endswith("knowledge_chunks.py")


def test_after_the_first_run_no_empty_shard_is_shown_as_missing(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    shard = request.tags["dagster/asset_partition_range_start"]
    site.run(first=shard, last=shard)
    for asset in ASSETS:
        assert len(site.instance.get_materialized_partitions(dg.AssetKey(asset))) == 16
        record = site.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert record is not None
        assert record.asset_materialization is not None
        assert record.asset_materialization.partition == shard  # the page shows the run, not the empty shards
    again = site.run(first=shard, last=shard)
    assert len(again.get_asset_materialization_events()) == len(ASSETS)


def test_a_shard_with_documents_that_were_never_worked_on_stays_missing(site: Workplace) -> None:
    for number in range(6):
        site.write(f"{number}.md", "# A\n\nText.")
    (request,) = site.requests()
    shard = request.tags["dagster/asset_partition_range_start"]
    with open_site(load_settings()) as opened:
        raw_documents.run(opened, None)
    site.run(first=shard, last=shard)
    assert len(site.instance.get_materialized_partitions(dg.AssetKey("knowledge_chunks"))) < 16


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
    found = _last(site.run(), "embeddings")
    assert found["texts_embedded"].value == 2
    assert found["tokens_embedded"].value > 400  # a character is a token of this server
    assert found["tokens_per_second"].value > 0
    figures = {row["figure"]: row["value"] for row in _rows(found["figures"])}
    assert (figures["requests"], figures["retries"]) == ("1", "0")
    assert 0.2 < float(figures["padding share"]) < 0.5
    assert _rows(found["throughput"])[0]["second"] == 0
    again = _last(site.run(), "embeddings")
    assert again.keys() == found.keys()
    assert (again["tokens_embedded"].value, again["tokens_per_second"].value) == (0, 0)


def test_only_a_missing_embedding_server_is_waited_for_and_not_while_a_person_waits(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = dg.build_asset_context().log

    def may_be_tried_again(error: BaseException, *, retry: bool) -> bool | None:
        with (
            pytest.raises(dg.Failure) as raised,
            step(site.place, KnowledgeBaseResource(), log, retry_unavailable=retry),
        ):
            raise error
        return raised.value.allow_retries

    gone, wrong = EmbeddingServerUnavailable("It is gone."), SettingsError("It is wrong.")
    assert not may_be_tried_again(KeyboardInterrupt(), retry=True)
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


def _stored(site: Workplace) -> bytes:
    """Everything in Dagster's storage: the databases with what is not yet merged into them, and the output of runs."""
    files = [path for path in Path(site.instance.root_directory).rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".db"]
    return b"".join(path.read_bytes() for path in files)


def test_no_text_of_any_document_reaches_dagsters_storage(site: Workplace) -> None:
    site.write("a.md", f"# {MARKER}\n\n{MARKER}\n\n| {MARKER} | b |\n|---|---|\n| {MARKER} | 2 |\n")
    site.write("b.md", f"# Secret\n\n⟦reject⟧ {MARKER} stays where it is.")
    site.write("c.md", f"# {MARKER} again\n\n" + "One sentence. " * 400)
    result = site.run()
    assert _numbers(result, "embeddings")["texts_rejected"] == 1
    assert _numbers(result, "knowledge_chunks")["rows"] > 2
    assert MARKER in str(site.sql("SELECT content FROM knowledge_chunks"))
    stored = _stored(site)
    assert b"texts_rejected" in stored
    assert MARKER.encode() not in stored


def test_no_document_text_reaches_dagsters_storage_when_a_stage_breaks(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a.md", f"# A\n\n{MARKER}.")

    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError(f"invalid byte in line 1, column content: {arguments} {options} {MARKER}")

    monkeypatch.setattr(ledger, "replace_chunks", refuse)
    result = site.run(raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure and event.step_key == "chunks"]
    assert failure.step_failure_data.user_failure_data is not None
    assert "ValueError" in (failure.step_failure_data.user_failure_data.description or "")
    stored = _stored(site)
    assert b"Something unexpected went wrong (ValueError)" in stored
    assert MARKER.encode() not in stored


def test_what_the_launchpad_says_of_the_embedding_server_counts_for_that_run(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a.md", "# A\n\nText.")
    monkeypatch.setenv("KB_EMBEDDING_URL", "http://127.0.0.1:9/v1")
    chosen = {"resources": {"knowledge_base": {"config": {"embedding_url": site.server.base_url}}}}
    assert site.run(run_config=chosen).success


def test_golden_questions_are_asked_after_loading_and_only_warn(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("leave.md", "# Annual leave\n\nTwenty days of leave a year.")
    site.write("fees.md", "# Fees\n\nA transfer costs two euros.")
    first = _check(site.run(), "golden_questions")
    assert (first.passed, first.metadata["asked"].value) == (True, 0)
    golden = [
        {"question": "days of leave", "source_file": "leave.md", "k": 1},
        {"question": "days of leave", "source_file": "fees.md", "k": 1},
        {"question": "whatever", "source_file": "gone.md"},
    ]
    monkeypatch.setenv("KB_GOLDEN", json.dumps(golden))
    result = site.run()
    found = _check(result, "golden_questions")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert [row["result"] for row in _rows(found.metadata["answers"])] == [
        "rank 1",
        "not among the best 1",
        "not asked: no such document",
    ]
    assert site.sql("SELECT count(*) FROM search_events") == [(0,)]


def test_dagsters_own_command_materializes_a_shard(site: Workplace, tmp_path: Path) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    shard = request.tags["dagster/asset_partition_range_start"]
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "kb_pipeline.definitions"]
    command += ["--select", "*", "--partition", shard]
    subprocess.run(command, check=True, timeout=150, capture_output=True, cwd=tmp_path)
    assert site.sql("SELECT source_file FROM knowledge_chunks") == [("a.md",)]
