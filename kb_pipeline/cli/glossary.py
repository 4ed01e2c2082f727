"""`kb glossary`: the site's terms; see `kb_pipeline.cli.app` for what all commands have in common."""

from __future__ import annotations

from dataclasses import asdict

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site
from kb_pipeline.terminal.output import Json, note, print_json, say

glossary_app = typer.Typer(help="What the company calls things: terms that mean the same.", no_args_is_help=True)


@glossary_app.callback()
def glossary() -> None:
    """Commands of the glossary."""


@glossary_app.command("check")
def check(as_json: Json = False) -> int:
    """Find terms that stand twice, that no passage says, and collections that are not there."""
    from kb_pipeline.operations.glossary import check_glossary

    with opened_site() as site:
        file = site.settings.glossary.file
        result = check_glossary(site)
    if as_json:
        print_json(asdict(result))
    elif file is None:
        say('This site has no glossary; name its file in kb.toml: [glossary] file = "glossary.yaml".')
    else:
        say(f"{result.groups:,} groups of {result.terms:,} terms in {file}.")
        for hint in result.hints:
            note(hint)
    return EXIT_FOUND if result.hints else 0
