"""Documents on their way in: `kb ingest`, `plan`, `inspect`, `failures` and `sources`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb_pipeline.cli.session import EXIT_FOUND, call_settings, opened_site, progress
from kb_pipeline.errors import UnavailableError
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline.operations.ingest import IngestResult

documents_app = typer.Typer()
failures_app = typer.Typer(help="Documents that could not be processed, and why.", invoke_without_command=True)
sources_app = typer.Typer(
    help="The folders and buckets that the knowledge base is kept in step with.", invoke_without_command=True
)
documents_app.add_typer(failures_app, name="failures")
documents_app.add_typer(sources_app, name="sources")


@documents_app.command()
def ingest(
    path: Annotated[str | None, typer.Argument(help="A folder, which becomes a source, or a path inside one.")] = None,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Delete even when most of a source vanished.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Bring the knowledge base up to date with its sources."""
    from kb_pipeline.defs.execute import run_job
    from kb_pipeline.operations.ingest import ingest

    with opened_site() as site, progress(as_json):
        result = ingest(site, path, run=run_job, allow_mass_delete=allow_mass_delete)
    if as_json:
        print_json(asdict(result))
    else:
        _say_ingest(result)
    return _ingest_code(result)


@documents_app.command()
def plan(
    path: Annotated[str | None, typer.Argument(help="A folder, or a path inside a source.")] = None,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Count deletions even when most of a source vanished.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Say what an ingest would do and why, changing nothing."""
    from kb_pipeline.operations.ingest import REASONS, plan

    with opened_site() as site, progress(as_json):
        result = plan(site, path, allow_mass_delete=allow_mass_delete)
    _notes(result.notes)
    code = _passed_over(result.unavailable)
    if as_json:
        print_json(result.as_dict())
        return code
    counts = result.counts
    say(
        f"{counts.scanned:,} files: {counts.new} new, {counts.changed} changed, {counts.moved} moved, "
        f"{counts.deleted} deleted, {counts.described:,} described anew, {counts.unchanged:,} unchanged; "
        f"{counts.pending} pending from earlier."
    )
    for reason, documents in result.pending_reasons.items():
        say(f"  {documents} {REASONS[reason]}")
    _say_skipped(result.skipped)
    if counts.held:
        say(f"{counts.held} deletions are held: too much vanished at once. Use --allow-mass-delete if it is meant.")
    say(f"About {result.estimated_tokens:,} tokens to embed, {result.estimated_seconds:,.0f} s.")
    return code


@documents_app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="The file to look at.")],
    as_json: Json = False,
) -> int:
    """Parse, clean, mask and chunk one file, storing nothing."""
    from kb_pipeline.operations.inspect import inspect
    from kb_pipeline.site import site_maskers

    settings = call_settings()
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
    for name, found in result.described.fields.items():
        say(f"field {name} = {found['value']}  (from {found['origin']})")
    say(f"read by {', '.join(result.described.readers.groups) or 'nobody'}  (from {result.described.readers.origin})")
    for sentence in (*document.warnings, *result.described.complaints):
        say(f"  {sentence}")
    for chunk in result.chunks:
        say(f"chunk {chunk.ordinal} [{' > '.join(chunk.section_path)}] {chunk.token_count} tokens")
        say(f"  {one_line(chunk.content, 300)}")
    for entity, count in sorted(document.privacy_counts.items()):
        say(f"masked: {count} {entity}")
    return 0


@failures_app.callback()
def failures(context: typer.Context, as_json: Json = False) -> int:
    """List the documents that could not be processed, and why."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.store import descriptions, ledger

    with opened_site() as site:
        connection = site.connect()
        found = ledger.failures(connection, site.scope())
        sidecars = descriptions.failures(connection)
    if as_json:
        rows = [{"source_file": failure.path, **asdict(failure)} for failure in found]
        print_json({"failures": rows, "sidecars": [asdict(sidecar) for sidecar in sidecars]})
    else:
        for sidecar in sidecars:
            say(f"{sidecar.path}: {sidecar.reason} (sidecar; its documents stay as they were)")
        for failure in found:
            when = f"again after {failure.next_retry:%Y-%m-%d %H:%M}" if failure.next_retry else "when it changes"
            say(f"{failure.path}: {failure.reason} ({failure.stage}, {failure.attempts} attempts, tried {when})")
        if not found and not sidecars:
            say("No failures.")
    return EXIT_FOUND if found or sidecars else 0


@failures_app.command("retry")
def retry_failures(as_json: Json = False) -> int:
    """Try every failed document again."""
    from kb_pipeline.defs.execute import run_job
    from kb_pipeline.operations.ingest import ingest
    from kb_pipeline.store import descriptions, ledger

    with opened_site() as site, progress(as_json):
        due = ledger.retry_failures(site.connect())
        descriptions.retry(site.connect())
        result = ingest(site, None, run=run_job)
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

    with opened_site() as site:
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

    with opened_site() as site:
        removed = remove(site, uri)
    if as_json:
        print_json(asdict(removed))
    else:
        say(f"{removed.uri} is no source any more; {removed.documents:,} documents were taken out.")
        say("Should it come back, it is searchable again in no time; kb audit --repair removes what is kept for that.")
    return 0


def _ingest_code(result: IngestResult) -> int:
    _notes(result.notes)
    return _passed_over(result.unavailable) or (EXIT_FOUND if result.failed or result.held else 0)


def _notes(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        note(f"Note: {sentence}")


def _say_skipped(skipped: Mapping[str, int]) -> None:
    if skipped:
        kinds = ", ".join(f"{extension} {files}" for extension, files in skipped.items())
        say(f"{sum(skipped.values()):,} skipped, which nobody can read: {kinds}.")


def _passed_over(unavailable: Sequence[str]) -> int:
    """Name the sources that could not be listed; the exit code that this calls for."""
    for sentence in unavailable:
        note(f"kb: {sentence}")
    return UnavailableError.exit_code if unavailable else 0


def _say_ingest(result: IngestResult) -> None:
    say(
        f"{result.scanned:,} files: {result.new} new, {result.changed} changed, {result.moved} moved, "
        f"{result.deleted} deleted, {result.described:,} described anew, {result.unchanged:,} unchanged, "
        f"{result.failed} failed."
    )
    if result.runs:
        say(
            f"{result.chunks_written} chunks written, {result.texts_embedded} texts embedded, "
            f"{result.texts_reused} reused, {result.seconds:.1f} s."
        )
    _say_skipped(result.skipped)
    if result.writing:
        say(f"{result.writing} files are still being written; run again when they are complete.")
    if result.held:
        say(f"{result.held} deletions are held: too much vanished at once. Use --allow-mass-delete if it is meant.")
    if result.quarantined:
        say(f"{result.quarantined} documents cannot be processed; kb failures says why.")
    if result.sidecars_failed:
        say(f"{result.sidecars_failed} sidecars or manifests cannot be used; kb failures says why.")
