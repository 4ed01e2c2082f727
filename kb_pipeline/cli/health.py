"""What there is and whether it is well: `kb status`, `audit` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kb_pipeline.cli.session import EXIT_FOUND, call_settings, opened_site
from kb_pipeline.terminal.output import Json, note, print_json, say, table

health_app = typer.Typer()


@health_app.command()
def status(as_json: Json = False) -> int:
    """Documents, chunks, vectors, what is pending or failed, generations and servers."""
    from kb_pipeline.operations.ingest import REASONS
    from kb_pipeline.operations.status import status

    with opened_site() as site:
        result = status(site)
    if as_json:
        print_json(result)
        return 0
    say(
        f"{result['documents']:,} documents, {result['chunks']:,} chunks, {result['vectors']:,} vectors; "
        f"{result['pending']} pending, {result['failed']} failed"
    )
    for reason, documents in result["pending_reasons"].items():
        say(f"  {documents} {REASONS[reason]}")
    if result["sidecars_failed"]:
        say(f"  {result['sidecars_failed']} sidecars or manifests cannot be used; kb failures says why")
    for sentence in result["notes"]:
        note(f"Note: {sentence}")
    table("Collections", result["collections"])
    table("Fields", result["fields"])
    table("Generations", result["generations"])
    table("Sources", result["sources"])
    table("Servers", result["servers"])
    return 0


@health_app.command()
def audit(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: Json = False,
) -> int:
    """Compare sources, ledger, chunks, vectors and the serving table."""
    from kb_pipeline.operations.audit import audit

    with opened_site() as site:
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


@health_app.command()
def doctor(
    model: Annotated[bool, typer.Option("--model", help="Also measure what the embedding model is good for.")] = False,
    as_json: Json = False,
) -> int:
    """Look at each thing that is needed: there or not, version, and what to do."""
    from kb_pipeline.operations.doctor import examine, examine_model

    checks = examine(call_settings())
    report = None
    if model:
        found, report = examine_model(call_settings())
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
