"""`kb mcp`."""

from __future__ import annotations

import signal
from importlib.util import find_spec

import typer

from kb_pipeline.cli.session import call_settings
from kb_pipeline.errors import SettingsError

mcp_app = typer.Typer()


@mcp_app.command()
def mcp() -> int:
    """The knowledge base as tools of an agent, which starts this command and speaks MCP over stdin and stdout."""
    if find_spec("mcp") is None:
        raise SettingsError("The SDK of MCP is not installed; install kb_pipeline[mcp].")
    from kb_pipeline.web.site import speak_mcp

    # A read of stdin cannot be interrupted, and there is nothing that would have to be finished.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return speak_mcp(call_settings())
