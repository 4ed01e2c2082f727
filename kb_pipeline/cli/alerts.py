"""`kb alerts`: the webhook that hears what needs a person."""

from __future__ import annotations

import typer

from kb_pipeline.cli.session import call_settings
from kb_pipeline.terminal.output import Json, print_json, say

alerts_app = typer.Typer(help="The webhook that hears what needs a person.", no_args_is_help=True)


@alerts_app.callback()
def alerts() -> None:
    """Commands of alerts."""


@alerts_app.command("test")
def send_test_message(as_json: Json = False) -> int:
    """Send the webhook of the settings a message that says nothing is wrong."""
    from kb_pipeline.operations.alerts import send_test

    host = send_test(call_settings())
    if as_json:
        print_json({"sent_to": host})
    else:
        say(f"The receiver at {host} took the message.")
    return 0
