"""A team's own Dagster project with two knowledge bases in it, and an asset that uses one:

dg dev -f examples/team_project.py
"""

from __future__ import annotations

import dagster as dg

from kb_pipeline import KnowledgeBase, build_defs
from kb_pipeline.settings import load_settings

# Each has a home of its own, and so a database of its own; `database_url` would name one in your PostgreSQL.
HR = load_settings(home=".kb/hr", sources=[{"uri": "documents/hr"}], search_port=8757)
LEGAL = load_settings(home=".kb/legal", sources=[{"uri": "documents/legal"}], search_port=8758)


@dg.asset(deps=[dg.AssetKey(["hr", "knowledge_chunks"])], group_name="reports")
def leave_policy() -> dg.MaterializeResult[None]:
    """What our documents say of annual leave, asked whenever they changed."""
    with KnowledgeBase(HR) as kb:
        hits = kb.search("How many days of annual leave are there?", k=3).hits
    return dg.MaterializeResult(metadata={"sources": ", ".join(hit.source_file for hit in hits) or "none"})


defs = dg.Definitions.merge(
    build_defs(HR, key_prefix="hr", group="hr", owners=["team:people"], execution_timezone="Asia/Shanghai"),
    build_defs(LEGAL, key_prefix="legal", group="legal", owners=["team:legal"]),
    dg.Definitions(assets=[leave_policy], executor=dg.multiprocess_executor),
)
