"""Packing dirty shards into runs, and the part of a scan that a run is about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.source.diff import Change, KnownDocument, Move, SourceDiff
from kb_pipeline.source.listing import Entry, shard_hash, shard_names
from kb_pipeline.stages.planning import spans
from kb_pipeline.stages.raw_documents import Scan, within
from kb_pipeline.stages.report import StageReport, batched
from kb_pipeline.store.ledger import Source

SOURCE = Source(1, "/docs", None)


def test_few_documents_are_one_run() -> None:
    assert spans({"0": 3, "7": 2, "f": 1}, 100) == [["0", "7", "f"]]


def test_many_documents_are_bounded_runs() -> None:
    assert spans({"0": 60, "1": 50, "2": 40, "9": 10, "a": 1}, 100) == [["0"], ["1", "2", "9"], ["a"]]


def test_a_shard_that_exceeds_the_bound_is_a_run_by_itself() -> None:
    assert spans({"0": 5, "1": 500, "2": 5}, 100) == [["0"], ["1"], ["2"]]


def test_nothing_dirty_is_no_run() -> None:
    assert spans({}, 100) == []


@given(st.dictionaries(st.sampled_from(shard_names(1)), st.integers(1, 50)), st.integers(1, 120))
def test_spans_hold_every_dirty_shard_once_and_respect_the_bound(dirty: dict[str, int], most: int) -> None:
    found = spans(dirty, most)
    assert [shard for span in found for shard in span] == sorted(dirty)
    for span in found:
        assert sum(dirty[shard] for shard in span) <= most or len(span) == 1


def _scan() -> Scan:
    def entry(path: str) -> Entry:
        return Entry(path, 1, 1, None)

    def known(path: str) -> KnownDocument:
        return KnownDocument(1, path, 1, b"")

    return Scan(
        SOURCE,
        SourceDiff(
            scanned=9,
            unchanged=0,
            new=(entry("sub/new"), entry("sub new"), entry("new")),
            changed=(Change(known("sub/changed"), entry("sub/changed")),),
            moved=(
                Move(known("sub/out"), entry("out")),
                Move(known("in"), entry("sub/in")),
                Move(known("x"), entry("y")),
            ),
            deleted=(known("sub/deleted"), known("deleted"), known("sub")),
        ),
        {},
    )


def test_a_path_limits_a_scan_to_what_lies_at_or_below_it() -> None:
    for prefix in ("sub", "sub/"):
        found = within(_scan(), prefix, None, 1).diff
        assert [entry.path for entry in found.new] == ["sub/new"]
        assert [change.entry.path for change in found.changed] == ["sub/changed"]
        assert [move.entry.path for move in found.moved] == ["out", "sub/in"]
        assert [document.path for document in found.deleted] == ["sub/deleted", "sub"]


def test_the_whole_source_is_the_empty_path() -> None:
    assert within(_scan(), "", None, 1) == _scan()


def test_shards_share_a_scan_without_loss() -> None:
    whole = _scan()
    parts = [within(whole, "", [shard], 1).diff for shard in shard_names(1)]
    assert sorted(e.path for p in parts for e in p.new) == sorted(e.path for e in whole.diff.new)
    assert {m.entry.path for p in parts for m in p.moved} == {m.entry.path for m in whole.diff.moved}
    assert sum(whole.shards(1).values()) == 3 + 1 + 3 + 3


def test_a_move_is_applied_by_the_run_of_either_shard_and_counted_for_the_new_one() -> None:
    move = Move(KnownDocument(1, "old", 1, b""), Entry("new", 1, 1, None))
    old, new = (shard_hash(SOURCE.uri, path)[:1] for path in ("old", "new"))
    assert old != new
    scan = Scan(SOURCE, SourceDiff(scanned=1, unchanged=0, moved=(move,)), {})
    assert within(scan, "", [old], 1).diff.moved == within(scan, "", [new], 1).diff.moved == (move,)
    assert scan.shards(1) == {new: 1}


def test_a_report_counts_the_same_names_at_each_run() -> None:
    report = StageReport.of("documents", "failed")
    assert dict(report.counts) == {"documents": 0, "failed": 0}


def test_batches_hold_everything_in_order() -> None:
    assert list(batched(range(7), 3)) == [(0, 1, 2), (3, 4, 5), (6,)]
    assert list(batched([], 3)) == []
