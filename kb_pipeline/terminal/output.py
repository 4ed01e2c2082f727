"""What the commands print: sentences and tables for people, one JSON document for programs.

What was asked for goes to stdout; notes about it go to stderr, so that a pipe gets only the answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]


def say(text: str) -> None:
    typer.echo(text)


def note(text: str) -> None:
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of equal keys; nothing when there are none."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE)
    for column in rows[0]:
        drawn.add_column(column)
    for row in rows:
        drawn.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(drawn)


def one_line(text: str, width: int = 100) -> str:
    """`text` without line ends, cut to `width` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
