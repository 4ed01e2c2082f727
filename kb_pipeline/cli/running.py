"""What runs: `kb up`, `down` and `serve`."""

from __future__ import annotations

import typer

from kb_pipeline.cli.session import call_settings
from kb_pipeline.terminal.output import Json, print_json, say

running_app = typer.Typer()


@running_app.command()
def up() -> int:
    """Dagster with its daemon and the search server, in the foreground; Ctrl-C stops all of it."""
    from kb_pipeline.cli.up import run_up

    return run_up(call_settings())


@running_app.command()
def down(as_json: Json = False) -> int:
    """Stop what runs for this KB_HOME: `kb up`, the embedding server (CPU or SGLang), the embedded database."""
    from kb_pipeline.services.daemon import stop_all

    stopped = stop_all(call_settings().home_path)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


@running_app.command()
def serve() -> int:
    """Only the search server, in the foreground."""
    from kb_pipeline.web.site import serve_site

    return serve_site(call_settings(), lambda url: say(f"Search at {url}"))
