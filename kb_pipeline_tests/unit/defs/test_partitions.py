"""How Dagster is told which shards a run is about."""

from __future__ import annotations

import pytest

from kb_pipeline.defs.partitions import SHARDS_TAG, range_tags, run_tags
from kb_pipeline.source.listing import shard_names


@pytest.mark.parametrize("shards", [["7"], ["0", "f"], ["03"], ["00", "11"], shard_names(1), shard_names(2)])
def test_a_run_with_few_clean_shards_in_between_is_a_range(shards: list[str]) -> None:
    assert run_tags(shards) == range_tags(shards[0], shards[-1])


def test_a_run_over_few_of_many_shards_is_one_of_its_last_and_names_all() -> None:
    assert run_tags(["03", "80", "ff"]) == {**range_tags("ff", "ff"), SHARDS_TAG: "03 80 ff"}
