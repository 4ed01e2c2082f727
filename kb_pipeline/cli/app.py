"""The `kb` command.

Every command takes `--json`: one JSON document on stdout and nothing else there; progress and notes go
to stderr. Exit codes: 0 done; 1 done, and it found something wrong; 2 the call or the settings are wrong;
3 something it needs is not there. An error is one line that says what to do; `--debug` shows where it arose.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from kb_pipeline.cli.privacy import privacy_app
from kb_pipeline.cli.server import server_app
from kb_pipeline.errors import KbError, UnavailableError
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.operations.ingest import IngestResult
    from kb_pipeline.settings import Settings
    from kb_pipeline.site import Site

app = typer.Typer(
    help="A searchable knowledge base out of your documents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
failures_app = typer.Typer(help="Documents that could not be processed, and why.", invoke_without_command=True)
app.add_typer(failures_app, name="failures")

sources_app = typer.Typer(
    help="The folders and buckets that the knowledge base is kept in step with.", invoke_without_command=True
)
app.add_typer(sources_app, name="sources")
generations_app = typer.Typer(help="The serving tables, and which one is live.", invoke_without_command=True)
app.add_typer(generations_app, name="generations")
app.add_typer(server_app, name="server")
app.add_typer(privacy_app, name="privacy")

EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3
EXIT_INTERRUPTED = 130
INTERRUPTED = "Interrupted; what was committed stays, and the next run goes on from there."
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Mode(StrEnum):
    HYBRID = "hybrid"
    VECTOR = "vector"
    LEXICAL = "lexical"


def main() -> NoReturn:
    """The entry point of `kb`."""
    debug = "--debug" in sys.argv
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
            where = error.filename or "KB_HOME or of the temporary folder"
            return _fail(f"No space is left on the disk of {where}; free some and run again.", EXIT_UNAVAILABLE)
        # Messages of libraries may quote document text, so only the kind is shown.
        kind = type(error).__name__
        return _fail(f"Something unexpected went wrong ({kind}); run again with --debug and report it.", EXIT_FOUND)
    if code == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C, without a word
        return _fail(INTERRUPTED, EXIT_INTERRUPTED)
    return code if isinstance(code, int) else 0


@app.command()
def ingest(
    path: Annotated[str | None, typer.Argument(help="A folder, which becomes a source, or a path inside one.")] = None,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Delete even when most of a source vanished.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Bring the knowledge base up to date with its sources."""
    from kb_pipeline.operations.ingest import ingest

    with _site() as site, _progress(as_json):
        result = ingest(site, path, allow_mass_delete=allow_mass_delete)
    if as_json:
        print_json(asdict(result))
    else:
        _say_ingest(result)
    return _ingest_code(result)


@app.command()
def plan(
    path: Annotated[str | None, typer.Argument(help="A folder, or a path inside a source.")] = None,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Count deletions even when most of a source vanished.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Say what an ingest would do, changing nothing."""
    from kb_pipeline.operations.ingest import plan

    with _site() as site, _progress(as_json):
        result = plan(site, path, allow_mass_delete=allow_mass_delete)
    code = _passed_over(result.unavailable)
    if as_json:
        print_json(result.as_dict())
        return code
    counts = result.counts
    say(
        f"{counts.scanned:,} files: {counts.new} new, {counts.changed} changed, {counts.moved} moved, "
        f"{counts.deleted} deleted, {counts.unchanged:,} unchanged; {counts.pending} pending from earlier."
    )
    if counts.held:
        say(f"{counts.held} deletions are held: too much vanished at once. Use --allow-mass-delete if it is meant.")
    say(f"About {result.estimated_tokens:,} tokens to embed, {result.estimated_seconds:,.0f} s.")
    return code


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="The file to look at.")],
    as_json: Json = False,
) -> int:
    """Parse, clean, mask and chunk one file, storing nothing."""
    from kb_pipeline.operations.inspect import inspect
    from kb_pipeline.site import site_maskers

    settings = _settings()
    result = inspect(file, settings, site_maskers(settings))
    if as_json:
        print_json(result.as_dict())
        return 0
    document = result.document
    say(f"{result.source_file}: {len(document.elements)} elements, {document.page_count or 'no'} pages")
    for element in document.elements:
        page = f"p{element.page_number}" if element.page_number else ""
        level = f" {element.heading_level}" if element.heading_level else ""
        say(f"{page:>6} {element.category + level:<16} {one_line(element.text)}")
    for dropped in document.dropped:
        say(f"  dropped ({dropped.reason}): {one_line(dropped.text)}")
    for chunk in result.chunks:
        say(f"chunk {chunk.ordinal} [{' > '.join(chunk.section_path)}] {chunk.token_count} tokens")
        say(f"  {one_line(chunk.content, 300)}")
    for entity, count in sorted(document.privacy_counts.items()):
        say(f"masked: {count} {entity}")
    return 0


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="The question.")],
    k: Annotated[int, typer.Option("--k", help="How many hits.")] = 10,
    mode: Annotated[Mode, typer.Option("--mode", help="How to search.")] = Mode.HYBRID,
    collection: Annotated[list[str] | None, typer.Option("--collection", help="Only these collections.")] = None,
    where: Annotated[
        str | None, typer.Option("--where", help='Only what this condition holds for, e.g. "page_number >= 3".')
    ] = None,
    generation: Annotated[str | None, typer.Option("--generation", help="Another generation than the active.")] = None,
    as_json: Json = False,
) -> int:
    """Search the knowledge base."""
    from kb_pipeline.operations.search import search
    from kb_pipeline.search.retrieve import SearchRequest

    with _site() as site:
        result = search(site, SearchRequest(query, k, mode.value, tuple(collection or ()), where, generation))
    if as_json:
        print_json(result.as_json())
        return 0
    if result.note:
        note(result.note.text)
    for hit in result.hits:
        page = f", page {hit.page_number}" if hit.page_number else ""
        say(f"{hit.rank:>2}. {hit.source_file}{page}  ({hit.score:.4f})")
        if hit.section_path:
            say(f"    {' > '.join(hit.section_path)}")
        say(f"    {one_line(hit.content, 240)}")
    if not result.hits:
        say("Nothing found.")
    return 0


@app.command()
def status(as_json: Json = False) -> int:
    """Documents, chunks, vectors, what is pending or failed, generations and servers."""
    from kb_pipeline.operations.status import status

    with _site() as site:
        result = status(site)
    if as_json:
        print_json(result)
        return 0
    say(
        f"{result['documents']:,} documents, {result['chunks']:,} chunks, {result['vectors']:,} vectors; "
        f"{result['pending']} pending, {result['failed']} failed"
    )
    table("Collections", result["collections"])
    table("Generations", result["generations"])
    table("Sources", result["sources"])
    table("Servers", result["servers"])
    return 0


@failures_app.callback()
def failures(context: typer.Context, as_json: Json = False) -> int:
    """List the documents that could not be processed, and why."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.store import ledger

    with _site() as site:
        found = ledger.failures(site.connect(), site.scope())
    if as_json:
        rows = [{"source_file": failure.path, **asdict(failure)} for failure in found]
        print_json({"failures": rows})
    else:
        for failure in found:
            when = f"again after {failure.next_retry:%Y-%m-%d %H:%M}" if failure.next_retry else "when it changes"
            say(f"{failure.path}: {failure.reason} ({failure.stage}, {failure.attempts} attempts, tried {when})")
        if not found:
            say("No failures.")
    return EXIT_FOUND if found else 0


@failures_app.command("retry")
def retry_failures(as_json: Json = False) -> int:
    """Try every failed document again."""
    from kb_pipeline.operations.ingest import ingest
    from kb_pipeline.store import ledger

    with _site() as site, _progress(as_json):
        due = ledger.retry_failures(site.connect())
        result = ingest(site, None)
    if as_json:
        print_json({"retried": due, **asdict(result)})
    else:
        say(f"{due} documents tried again.")
        _say_ingest(result)
    return _ingest_code(result)


@sources_app.callback()
def sources(context: typer.Context, as_json: Json = False) -> int:
    """List the sources: where, how many documents, when last looked at, whether kb.toml names them."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.operations.sources import summaries

    with _site() as site:
        found = [asdict(source) for source in summaries(site.connect(), site.settings)]
    if as_json:
        print_json({"sources": found})
    else:
        table("Sources", [row | {"scanned_at": row["scanned_at"] and f"{row['scanned_at']:%F %R}"} for row in found])
        if not found:
            say("No source yet; kb ingest FOLDER makes one.")
    return 0


@sources_app.command("remove")
def remove_source(
    uri: Annotated[str, typer.Argument(help="The folder or URL, as kb sources lists it.")], as_json: Json = False
) -> int:
    """Take a source and its documents out of the knowledge base; its files stay where they are."""
    from kb_pipeline.operations.source_removal import remove

    with _site() as site:
        removed = remove(site, uri)
    if as_json:
        print_json(asdict(removed))
    else:
        say(f"{removed.uri} is no source any more; {removed.documents:,} documents were taken out.")
        say("Should it come back, it is searchable again in no time; kb audit --repair removes what is kept for that.")
    return 0


@generations_app.callback()
def generations(context: typer.Context, as_json: Json = False) -> int:
    """List the generations: name, state, model, dimension, rows."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.store.generations import summaries

    with _site() as site:
        found = summaries(site.connect())
    if as_json:
        print_json({"generations": found})
    else:
        table("Generations", found)
        if not found:
            say("No generation yet; the first ingest makes one.")
    return 0


@generations_app.command("build")
def build_generation(as_json: Json = False) -> int:
    """Embed everything for the configured model and dimension, then search that generation."""
    from kb_pipeline.operations.generations import build

    with _site() as site, _progress(as_json):
        result = build(site)
    if as_json:
        print_json(asdict(result))
    else:
        say(f"{result.texts_embedded} texts embedded, {result.chunks_written} rows written, {result.seconds:.1f} s.")
        table("Generations", result.generations)
    return EXIT_FOUND if result.incomplete else 0


@app.command()
def audit(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: Json = False,
) -> int:
    """Compare sources, ledger, chunks, vectors and the serving table."""
    from kb_pipeline.operations.audit import audit

    with _site() as site:
        result = audit(site, repair=repair)
    if as_json:
        print_json(result.as_dict())
    else:
        for finding in result.findings:
            say(f"{finding.kind}: {finding.count} ({', '.join(finding.examples)})")
        for finding in result.reclaimable:
            say(f"{finding.kind}: {finding.count}, only space; kb audit --repair removes them")
        if not result.findings:
            say("Everything agrees.")
        elif not repair:
            say("Run kb ingest to bring it up to date, or kb audit --repair.")
    return EXIT_FOUND if result.findings else 0


@app.command()
def doctor(
    model: Annotated[bool, typer.Option("--model", help="Also measure what the embedding model is good for.")] = False,
    as_json: Json = False,
) -> int:
    """Look at each thing that is needed: there or not, version, and what to do."""
    from kb_pipeline.operations.doctor import examine, examine_model

    checks = examine(_settings())
    report = None
    if model:
        found, report = examine_model(_settings())
        checks += found
    if as_json:
        measured = {"model": asdict(report)} if report else {}
        print_json({"checks": [asdict(check) for check in checks]} | measured)
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
            if check.remedy:
                say(f"     {check.remedy}")
        for line in report.lines() if report else ():
            say(line)
    return 0 if all(check.ok for check in checks) else EXIT_FOUND


@app.command()
def up() -> int:
    """Dagster with its daemon and the search server, in the foreground; Ctrl-C stops all of it."""
    from kb_pipeline.services.up import run_up

    return run_up(_settings())


@app.command()
def down(as_json: Json = False) -> int:
    """Stop what runs for this KB_HOME: `kb up`, the embedding server (CPU or SGLang), the embedded database."""
    from kb_pipeline.services.daemon import stop_all

    stopped = stop_all(_settings().home_path)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


@app.command()
def serve() -> int:
    """Only the search server, in the foreground."""
    from kb_pipeline.operations.search import serve

    return serve(_settings(), lambda url: say(f"Search at {url}"))


def _settings() -> Settings:
    from kb_pipeline.settings import load_settings

    return load_settings()


@contextmanager
def _site() -> Iterator[Site]:
    from kb_pipeline.site import open_site
    from kb_pipeline.store.database import database_errors

    with database_errors(), open_site(_settings()) as site:
        yield site


@contextmanager
def _progress(as_json: bool) -> Iterator[None]:
    """Bars on stderr while something takes long; nothing when it is piped or JSON is asked for."""
    if as_json or not sys.stderr.isatty():
        yield
        return
    from kb_pipeline.terminal.bars import showing_bars

    with showing_bars():
        yield


def _ingest_code(result: IngestResult) -> int:
    return _passed_over(result.unavailable) or (EXIT_FOUND if result.failed or result.held else 0)


def _passed_over(unavailable: Sequence[str]) -> int:
    """Name the sources that could not be listed; the exit code that this calls for."""
    for sentence in unavailable:
        note(f"kb: {sentence}")
    return UnavailableError.exit_code if unavailable else 0


def _say_ingest(result: IngestResult) -> None:
    say(
        f"{result.scanned:,} files: {result.new} new, {result.changed} changed, {result.moved} moved, "
        f"{result.deleted} deleted, {result.unchanged:,} unchanged, {result.failed} failed."
    )
    if result.runs:
        say(
            f"{result.chunks_written} chunks written, {result.texts_embedded} texts embedded, "
            f"{result.texts_reused} reused, {result.seconds:.1f} s."
        )
    if result.writing:
        say(f"{result.writing} files are still being written; run again when they are complete.")
    if result.held:
        say(f"{result.held} deletions are held: too much vanished at once. Use --allow-mass-delete if it is meant.")
    if result.quarantined:
        say(f"{result.quarantined} documents cannot be processed; kb failures says why.")


def _fail(sentence: str, code: int) -> int:
    typer.echo(f"kb: {sentence}", err=True)
    return code


if __name__ == "__main__":
    main()
