"""The `kb` command: its groups put together, and how a call ends.

Every command takes `--json`: one JSON document on stdout and nothing else there; progress and notes go
to stderr. Exit codes: see `kb_pipeline.cli.session`. An error is one line that says what to do; `--debug` shows
where it arose.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.exceptions import TyperException

from kb_pipeline.cli.access import access_app
from kb_pipeline.cli.alerts import alerts_app
from kb_pipeline.cli.documents import documents_app
from kb_pipeline.cli.entry import EXIT_INTERRUPTED, INTERRUPTED
from kb_pipeline.cli.evaluation import evaluation_app
from kb_pipeline.cli.feedback import feedback_app
from kb_pipeline.cli.generations import generations_app
from kb_pipeline.cli.glossary import glossary_app
from kb_pipeline.cli.health import health_app
from kb_pipeline.cli.keys import keys_app
from kb_pipeline.cli.mcp import mcp_app
from kb_pipeline.cli.privacy import privacy_app
from kb_pipeline.cli.quality import quality_app
from kb_pipeline.cli.running import running_app
from kb_pipeline.cli.search import search_app
from kb_pipeline.cli.server import server_app
from kb_pipeline.cli.session import EXIT_FOUND, EXIT_UNAVAILABLE, EXIT_USAGE, is_debugging, too_few_files
from kb_pipeline.errors import KbError

if TYPE_CHECKING:
    from collections.abc import Callable

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)

app = typer.Typer(
    help="A searchable knowledge base out of your documents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(documents_app)
app.add_typer(search_app)
app.add_typer(health_app)
app.add_typer(generations_app, name="generations")
app.add_typer(evaluation_app, name="eval")
app.add_typer(feedback_app, name="feedback")
app.add_typer(quality_app)
app.add_typer(keys_app, name="keys")
app.add_typer(access_app, name="access")
app.add_typer(alerts_app, name="alerts")
app.add_typer(glossary_app, name="glossary")
app.add_typer(privacy_app, name="privacy")
app.add_typer(server_app, name="server")
app.add_typer(running_app)
app.add_typer(mcp_app)


def main() -> NoReturn:
    """What `kb` does once everything is imported; see `kb_pipeline.cli.entry`."""
    debug = is_debugging()
    if not debug:  # without a handler, Python prints the warnings of libraries beside our one line
        logging.getLogger().addHandler(logging.NullHandler())
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    sys.exit(run_command(lambda: app(arguments, standalone_mode=False), debug=debug))


def run_command(command: Callable[[], Any], *, debug: bool = False) -> int:
    """Run `command` and return its exit code; a failure becomes one line on stderr."""
    try:
        code = command()
    except KbError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _fail(f"{error} See kb --help.", EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(INTERRUPTED, EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (kb … | head); nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FOUND
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            where = error.filename or "KB_HOME, of the temporary folder or of the output"
            return _fail(f"No space is left on the disk of {where}; free some and run again.", EXIT_UNAVAILABLE)
        if isinstance(error, OSError) and error.errno in TOO_MANY_FILES:
            return _fail(too_few_files(), EXIT_UNAVAILABLE)
        # Messages of libraries may quote document text, so only the kind is shown.
        kind = type(error).__name__
        return _fail(f"Something unexpected went wrong ({kind}); run again with --debug and report it.", EXIT_FOUND)
    if code == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C, without a word
        return _fail(INTERRUPTED, EXIT_INTERRUPTED)
    return code if isinstance(code, int) else 0


def _fail(sentence: str, code: int) -> int:
    typer.echo(f"kb: {sentence}", err=True)
    return code


if __name__ == "__main__":
    main()
