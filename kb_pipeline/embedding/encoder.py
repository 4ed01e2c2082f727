"""An embedding model on the CPU: the one that comes with the installation, or any of sentence-transformers by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kb_pipeline.embedding.bundled.adapter import is_adapter
from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TokenIds = Sequence[int]


class Encoder(Protocol):
    """A loaded model: texts to token ids, token ids to vectors of length 1.

    `location`: where a client finds its tokenizer, None when nowhere. `weight_version`: of the weights, when they have
    one. `workers`: how many threads should call `encode` at a time, `batch_tokens`: with how large a batch.
    """

    @property
    def location(self) -> str | None: ...
    @property
    def weight_version(self) -> str | None: ...
    @property
    def dtype(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def vocabulary_size(self) -> int: ...
    @property
    def is_matryoshka(self) -> bool: ...
    @property
    def workers(self) -> int: ...
    @property
    def batch_tokens(self) -> int: ...

    def tokenize(self, texts: list[str]) -> Sequence[TokenIds]:
        """Token ids with the model's special tokens, never truncated."""

    def encode(self, batch: Sequence[TokenIds]) -> NDArray[np.float32]:
        """(n, dimension), each row of length 1. Several threads may call it at once."""

    def adapted(self, folder: Path) -> Encoder:
        """The same model with the adapter in `folder`, beside this one. Raises SettingsError when it does not fit."""


def load_encoder(model: str, *, threads: int | None = None) -> Encoder:
    """`model`: the default one's name, a folder with an adapter on it, or a folder or hub name of a
    sentence-transformers model.

    Raises SettingsError when there is no such model, or what it needs is not installed.
    """
    threads = threads or usable_cpus()
    if model == DEFAULT_CPU_MODEL:
        from kb_pipeline.embedding.bundled.encoder import BundledEncoder

        return BundledEncoder(threads)
    if is_adapter(Path(model)):
        from kb_pipeline.embedding.bundled.encoder import BundledEncoder

        return BundledEncoder(threads).adapted(Path(model))
    from kb_pipeline.embedding.torch_encoder import TorchEncoder

    return TorchEncoder(model, threads)


def usable_cpus() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
