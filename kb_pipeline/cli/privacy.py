"""`kb privacy`: what masking does; see `kb_pipeline.cli.app` for what all commands have in common."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kb_pipeline.cli.session import call_settings, opened_site
from kb_pipeline.terminal.output import Json, note, print_json, say, table

privacy_app = typer.Typer(help="Personal data: what was masked, and what would be.", no_args_is_help=True)
SHOWN_DOCUMENTS = 10


@privacy_app.command("report")
def report(as_json: Json = False) -> int:
    """Count what was masked by entity, collection and document; no values."""
    from kb_pipeline.operations.privacy import report

    with opened_site() as site:
        result = report(site)
    if as_json:
        print_json(result.as_dict())
        return 0
    table("Masked", [{"entity": entity, "values": count} for entity, count in result.entities.items()])
    rows = [
        {"collection": name, "values": sum(counts.values()), "kinds": len(counts)}
        for name, counts in sorted(result.collections.items())
    ]
    table("By collection", rows)
    most = [{"document": row["source_file"], "values": row["masked"]} for row in result.documents[:SHOWN_DOCUMENTS]]
    table("Documents with the most", most)
    for name, actions in result.actions.items():
        others = sorted(f"{action} {entity}" for entity, action in actions.items() if action != "pseudonym")
        say(f"{name or 'Policy'}: pseudonyms for everything{' but ' + ', '.join(others) if others else ''}")
    if result.unfinished:
        note(f"{result.unfinished} documents wait to be masked as the settings ask; run kb ingest.")
    if result.older_generations:
        note(f"Kept for a rollback, with text as it was masked then: {', '.join(result.older_generations)}.")
    return 0


@privacy_app.command("rekey")
def rekey(as_json: Json = False) -> int:
    """Go on with this KB_HOME's key, where the database's own is lost: every document is read again."""
    from kb_pipeline.operations.privacy import rekey

    with opened_site() as site:
        result = rekey(site)
    if as_json:
        print_json(asdict(result))
        return 0
    if not result.documents:
        say(f"The database goes by the key {result.key_id}, which is this KB_HOME's.")
        return 0
    say(
        f"The database goes by the key {result.key_id} now; run kb ingest: {result.documents:,} documents are read and "
        "embedded again, and personal values in those that were not yet cannot be found."
    )
    return 0


@privacy_app.command("test")
def try_out(
    text: Annotated[str, typer.Argument(help="The text to mask.")],
    collection: Annotated[str | None, typer.Option("--collection", help="By the policy of this collection.")] = None,
    as_json: Json = False,
) -> int:
    """Show a text as it would be stored. Nothing is written anywhere."""
    from kb_pipeline.operations.privacy import try_text

    trial = try_text(call_settings(), text, collection)
    if as_json:
        print_json({"text": trial.text, "found": list(trial.found)})
        return 0
    say(trial.text)
    for found in trial.found:
        say(f"  {found['entity']} at {found['start']}-{found['end']}: {found['action']}")
    if not trial.found:
        say("Nothing to mask.")
    return 0
