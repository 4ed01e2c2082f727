"""What workspace.yaml loads: the knowledge base that the settings of this folder describe; nothing else."""

from __future__ import annotations

import dagster as dg

from kb_pipeline.defs.build import build_defs

# What is materialized by hand runs like the jobs do: a process per run, which `runs` watches.
defs = dg.Definitions.merge(build_defs(), dg.Definitions(executor=dg.in_process_executor))
