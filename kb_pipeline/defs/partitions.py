"""Shards: the partitions of every asset.

A shard is all documents whose key hashes to the same first hex digits: 16 shards by default, 256 for
very large sites. Partitions bound the work of a run; the ledger decides what in them is done.

Dagster runs a range of partitions, and stores two events for each partition and asset of it, at a hundredth of a CPU
second each. Where most shards of a range are *clean*, without work, that would cost far more than the work: such a run
is one of its last shard, a tag names all of its shards, and what it made of the others is told besides.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from kb_pipeline.source.listing import shard_names


def shard_partitions(digits: int) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(shard_names(digits))


# Hidden in the UI: which shards a run is about, where they are not the range that Dagster knows.
SHARDS_TAG = ".dagster/kb_shards"
MOST_CLEAN = 16  # shards of a range, below which it is not worth a tag


def run_tags(shards: Sequence[str]) -> dict[str, str]:
    """The tags of a run over `shards`, in their order."""
    first, last = shards[0], shards[-1]
    clean = int(last, 16) - int(first, 16) + 1 - len(shards)
    if clean <= MOST_CLEAN:
        return range_tags(first, last)
    return {**range_tags(last, last), SHARDS_TAG: " ".join(shards)}


def shards_of(context: dg.AssetExecutionContext) -> list[str]:
    """The shards that a run is about, in order."""
    named = context.run.tags.get(SHARDS_TAG)
    return named.split() if named else list(context.partition_keys)


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run over the shards from `first` to `last`, both included."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
