"""`kb generations`: the serving tables, and which one is live."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site, progress
from kb_pipeline.terminal.output import Json, print_json, say, table

generations_app = typer.Typer(help="The serving tables, and which one is live.", invoke_without_command=True)


@generations_app.callback()
def generations(context: typer.Context, as_json: Json = False) -> int:
    """List the generations: name, state, model, dimension, rows."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.store.generations import summaries

    with opened_site() as site:
        found = summaries(site.connect())
    if as_json:
        print_json({"generations": found})
    else:
        table("Generations", found)
        if not found:
            say("No generation yet; the first ingest makes one.")
    return 0


@generations_app.command("drop")
def drop_generation(name: Annotated[str, typer.Argument(help="Of a retired one.")], as_json: Json = False) -> int:
    """Remove a retired generation and its table; there is no rollback to it any more."""
    from kb_pipeline.store.generations import drop, named_generation, summaries

    with opened_site() as site:
        connection = site.connect()
        drop(connection, named_generation(connection, name))
        left = summaries(connection)
    if as_json:
        print_json({"dropped": name, "generations": left})
    else:
        say(f"Generation {name} is gone.")
        table("Generations", left)
    return 0


@generations_app.command("build")
def build_generation(as_json: Json = False) -> int:
    """Embed everything for the configured model and dimension, then search that generation."""
    from kb_pipeline.defs.execute import run_job
    from kb_pipeline.operations.generations import build

    with opened_site() as site, progress(as_json):
        result = build(site, run=run_job)
    if as_json:
        print_json(asdict(result))
    else:
        say(f"{result.texts_embedded} texts embedded, {result.chunks_written} rows written, {result.seconds:.1f} s.")
        table("Generations", result.generations)
    return EXIT_FOUND if result.incomplete else 0
