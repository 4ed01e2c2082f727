"""Shards: the partitions of every asset.

A shard is all documents whose key hashes to the same first hex digits: 16 shards by default, 256 for
very large sites. Partitions bound the work of a run; the ledger decides what in them is done.
"""

from __future__ import annotations

import dagster as dg

from kb_pipeline.source.listing import shard_names


def shard_partitions(digits: int) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(shard_names(digits))


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run over the shards from `first` to `last`, both included."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
