"""What the commands print: sentences and tables for people, one JSON document for programs.

What was asked for goes to stdout; notes about it go to stderr, so that a pipe gets only the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from kb_pipeline.errors import OutputUnavailable

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]


@contextmanager
def _writing() -> Iterator[None]:
    """Raises OutputUnavailable when stdout takes no more, and BrokenPipeError when its reader went away."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputUnavailable(
            f"The output cannot be written ({error.strerror}); send it elsewhere. What the command had to do is done."
        ) from None


def say(text: str) -> None:
    with _writing():
        typer.echo(text)


def note(text: str) -> None:
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    with _writing():
        typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


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
    with _writing():
        Console().print(drawn)


def one_line(text: str, width: int = 100) -> str:
    """`text` without line ends, cut to `width` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def plain(value: Any) -> Any:
    """What JSON has for a value that is none of its own."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
