"""The plans of the statements that code under test executes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg


class Explained(psycopg.Cursor[Any]):
    """A cursor that notes the plan of each statement before it executes it.

    Set as the `cursor_factory` of a connection, after `plans` was emptied.
    """

    plans: list[dict[str, Any]]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        text = query if isinstance(query, str) else query.as_string(self.connection)
        if not text.lstrip().startswith("EXPLAIN"):
            explained = psycopg.Cursor(self.connection).execute(f"EXPLAIN (FORMAT JSON) {text}", params)
            (plan,) = explained.fetchone()[0]  # type: ignore[index]
            self.plans.append(plan["Plan"])
        return super().execute(query, params, **options)


def indexes(plans: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for plan in plans for node in _nodes(plan) if "Index Name" in node}


def read_whole(plans: list[dict[str, Any]]) -> set[str]:
    """The tables of which every row is read."""
    return {node["Relation Name"] for plan in plans for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
