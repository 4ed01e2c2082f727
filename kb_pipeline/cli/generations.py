"""`kb generations`: the serving tables, and which one is live."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site, progress
from kb_pipeline.errors import OutputUnavailable
from kb_pipeline.terminal.output import Json, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.operations.generations import Switch

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


@generations_app.command("build")
def build_generation(
    dimension: Annotated[int | None, typer.Option(help="Instead of KB_DIMENSION.", min=16, max=4000)] = None,
    collection: Annotated[str | None, typer.Option(help="For this one alone, by its own settings.")] = None,
    as_json: Json = False,
) -> int:
    """Build the generation that the settings ask for, beside the one that is searched."""
    from kb_pipeline.operations.generations import build

    with opened_site() as site, progress(as_json):
        result = build(site, dimension=dimension, collection=collection)
    if as_json:
        print_json(result.as_dict())
    else:
        say(f"{result.texts_embedded} texts embedded, {result.chunks_written} rows written, {result.seconds:.1f} s.")
        if result.incomplete:
            say(f"{result.name} still lacks {result.incomplete} documents; kb failures says why, then build again.")
        elif result.state != "active":
            say(f"{result.name} is complete; kb generations activate {result.name} makes it the one that is searched.")
        table("Generations", result.generations)
    return EXIT_FOUND if result.incomplete else 0


@generations_app.command("activate")
def activate_generation(
    name: Annotated[str, typer.Argument(help="Of one that is built or retired.")],
    force: Annotated[bool, typer.Option("--force", help="Without measuring its recall.")] = False,
    as_json: Json = False,
) -> int:
    """Search this generation from now on, once its recall was measured."""
    from kb_pipeline.operations.generations import activate

    with opened_site() as site, progress(as_json):
        result = activate(site, name, force=force)
    return _say_switch(result, as_json)


@generations_app.command("rollback")
def roll_back(
    collection: Annotated[str | None, typer.Option(help="Of this one, where it has a generation of its own.")] = None,
    as_json: Json = False,
) -> int:
    """Search the generation again that was searched before."""
    from kb_pipeline.operations.generations import rollback

    with opened_site() as site, progress(as_json):
        result = rollback(site, collection)
    return _say_switch(result, as_json)


def _say_switch(result: Switch, as_json: bool) -> int:
    if as_json:
        print_json(result.as_dict())
        return EXIT_FOUND if result.lacking else 0
    if result.recall is not None:
        say(result.recall.sentence)
    before = f"; {result.retired} stays for a way back" if result.retired else ""
    whose = f" for {result.collection}" if result.collection else ""
    say(f"Generation {result.name} is the one that is searched now{whose}{before}.")
    if result.lacking:
        say(
            f"It lacks {result.lacking} documents that changed since, for want of vectors of its model; an ingest with "
            "a server of that model adds them."
        )
    if result.note:
        say(result.note)
    table("Generations", result.generations)
    return EXIT_FOUND if result.lacking else 0


@generations_app.command("drop")
def drop_generation(
    name: Annotated[str, typer.Argument(help="Of one that is not searched.")], as_json: Json = False
) -> int:
    """Remove a generation that is not searched, with its table; there is no way back to it."""
    from kb_pipeline.operations.generations import drop

    with opened_site() as site:
        result = drop(site, name)
    if as_json:
        print_json(result.as_dict())
    else:
        say(f"Generation {name} is gone.")
        if result.vectors:
            when = f"are kept until {result.vectors_until:%Y-%m-%d}" if result.vectors_until else "are gone, too"
            say(f"{result.vectors} vectors of models that no generation has any more {when}.")
        table("Generations", result.generations)
    return 0


@generations_app.command("curve")
def dimension_curve(
    dimension: Annotated[list[int] | None, typer.Option(help="To measure; several times for several.")] = None,
    rows: Annotated[int, typer.Option(help="Passages of the sample.", min=300, max=1_000_000)] = 10_000,
    collection: Annotated[str | None, typer.Option(help="Of this one, where it has a generation of its own.")] = None,
    svg: Annotated[Path | None, typer.Option(help="File to draw it into.")] = None,
    as_json: Json = False,
) -> int:
    """Recall, size and latency at several dimensions, measured on a sample of this corpus."""
    from kb_pipeline.operations.generations import curve
    from kb_pipeline.search.curve import picture

    with opened_site() as site, progress(as_json):
        points = curve(site, dimensions=dimension or (), rows=rows, collection=collection)
    if svg is not None:
        try:
            svg.write_text(picture(points), encoding="utf-8")
        except OSError as error:
            raise OutputUnavailable(f"{svg} cannot be written ({error.strerror}); name another file.") from None
    found = [asdict(point) for point in points]
    if as_json:
        print_json({"points": found})
    else:
        table("Dimensions", found)
        say("Recall is against exact search at the native dimension; larger tables have a little less and are slower.")
    return 0
