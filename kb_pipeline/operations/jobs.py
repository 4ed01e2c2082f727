"""What operations ask of the orchestrator: the names of its jobs, and a way to run one.

Operations know no Dagster; whoever calls one that runs a job hands it `kb_pipeline.defs.execute.run_job`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kb_pipeline.site import Site

REFRESH = "refresh"
RE_EMBED = "re_embed"

Counts = Mapping[str, Mapping[str, int]]  # stage -> what it counted, by the names of its report


class RunJob(Protocol):
    """Runs `job` over `shards`, in their order; returns its run id and what each stage counted.

    `ops`: config by asset name. Raises the KbError that stopped a stage, and KeyboardInterrupt after Ctrl-C.
    """

    def __call__(self, site: Site, job: str, shards: Sequence[str], **ops: dict[str, Any]) -> tuple[str, Counts]: ...
