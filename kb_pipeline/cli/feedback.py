"""`kb feedback`: what people said of searches, and what a reviewer makes of it."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site
from kb_pipeline.errors import SettingsError
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.operations.feedback import OpenCase
    from kb_pipeline.quality.judgments import Verdict
    from kb_pipeline.site import Site

feedback_app = typer.Typer(help="What people said of searches, and what is made of it.", no_args_is_help=True)

Limit = Annotated[int, typer.Option(help="Most cases.", min=1, max=10_000)]
By = Annotated[str | None, typer.Option(help="Who decides; else the user of this machine.")]
EXCERPT = 200


@feedback_app.callback()
def feedback() -> None:
    """Commands of feedback."""


@feedback_app.command("list")
def list_feedback(limit: Limit = 50, as_json: Json = False) -> int:
    """Questions that found nothing or did not help, and passages on which people disagree."""
    from kb_pipeline.operations.feedback import all_verdicts, open_cases

    with opened_site() as site:
        cases, found = open_cases(site, limit), all_verdicts(site)
    if as_json:
        print_json({"cases": [_case(each) for each in cases], "verdicts": [asdict(verdict) for verdict in found]})
        return 0
    rows = [
        {
            "question": one_line(each.case.query, 60),
            "people": each.case.people,
            "hits": len(each.hits),
            "reasons": ", ".join(each.case.reasons) or ("found nothing" if each.case.found_nothing else ""),
            "last": f"{each.case.last_at:%Y-%m-%d}",
        }
        for each in cases
    ]
    table("Open cases", rows)
    table(
        "Contradictory, left out until a person decides",
        [_row(each) for each in found if each.state == "contradictory"],
    )
    counts = {
        state: sum(each.state == state for each in found) for state in ("right", "wrong", "contradictory", "open")
    }
    say(
        f"{len(cases):,} open cases; of {len(found):,} passages that were judged, {counts['right']:,} are right, "
        f"{counts['wrong']:,} wrong, {counts['contradictory']:,} contradictory; {counts['open']:,} have too few votes."
    )
    return 0


@feedback_app.command("review")
def review(limit: Limit = 50, by: By = None) -> int:
    """Go through the open cases: name the hits that answer each question."""
    from kb_pipeline.operations.feedback import open_cases

    person = by or getpass.getuser()
    with opened_site() as site:
        cases = open_cases(site, limit)
        if not cases:
            say("No case is open.")
        for number, each in enumerate(cases, start=1):
            say(f"\n{number} of {len(cases)}: {each.case.query}")
            for hit in each.hits:
                page = f", page {hit.page_number}" if hit.page_number else ""
                say(f"  {hit.rank}. {hit.path}{page}\n     {one_line(hit.content, EXCERPT)}")
            answer = typer.prompt("Right ones by number (2 5), 0 for none of them, s to skip, q to end", default="s")
            if answer.strip() == "q":
                break
            if answer.strip() != "s":
                _decide(site, each, answer, person)
    return 0


@feedback_app.command("judge")
def judge(
    query: Annotated[str, typer.Argument(help="The question, as kb feedback list --json shows it.")],
    right: Annotated[list[int] | None, typer.Option(help="Rank of a hit that answers it; several times.")] = None,
    by: By = None,
) -> int:
    """Decide one case without being asked: these hits answer it (none: none does), the others do not."""
    from kb_pipeline.operations.feedback import open_cases

    with opened_site() as site:
        found = next((each for each in open_cases(site, 10_000) if each.case.query == query), None)
        if found is None:
            raise SettingsError("There is no open case of this question; kb feedback list shows those there are.")
        _decide(site, found, " ".join(map(str, right or [0])), by or getpass.getuser())
    return 0


@feedback_app.command("export")
def export_judgments(
    name: Annotated[str, typer.Option("--set", help="The evaluation set to put them into.")] = "judged",
    as_json: Json = False,
) -> int:
    """Put the questions whose right passages are agreed on into an evaluation set."""
    from kb_pipeline.operations.feedback import export

    with opened_site() as site:
        result = export(site, name)
    if as_json:
        print_json({"exported": result.as_dict() if result else None})
    elif result is None:
        note("No passage was found right by two people or by a reviewer yet; kb feedback review makes judgments.")
    else:
        say(f"{result.questions:,} questions, {result.new:,} of them new, are in the set {name}.")
    return 0 if result else EXIT_FOUND


@feedback_app.command("erase")
def erase_person(
    person: Annotated[str, typer.Argument(help="The name of a key or of who signed in, as votes have it.")],
    as_json: Json = False,
) -> int:
    """Remove all that a person said of searches, their logged searches, and their name from decisions."""
    from kb_pipeline.operations.feedback import erase

    with opened_site() as site:
        said, asked = erase(site, person)
    if as_json:
        print_json({"feedback": said, "searches": asked})
    else:
        say(f"{said:,} judgments and {asked:,} searches are gone.")
    return 0 if said or asked else EXIT_FOUND


def _decide(site: Site, each: OpenCase, answer: str, by: str) -> None:
    """Raises SettingsError where `answer` names no hits."""
    from kb_pipeline.operations.feedback import close, decide

    known = {hit.rank for hit in each.hits} | {0}
    chosen = {int(word) for word in answer.split() if word.isdecimal()}
    if not chosen or not chosen <= known or len(answer.split()) != len(chosen):
        raise SettingsError(f"{answer!r} names no hits; give numbers of those that were shown, or 0.")
    for hit in each.hits:
        decide(
            site,
            each.case.query,
            document_id=hit.document_id,
            chunk_key=hit.chunk_key,
            is_right=hit.rank in chosen,
            by=by,
        )
    close(site, each.case.query, by=by)


def _case(each: OpenCase) -> dict[str, Any]:
    return {**asdict(each.case), "hits": [hit._asdict() for hit in each.hits]}


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "question": one_line(verdict.query, 60),
        "document": one_line(verdict.path, 40),
        "for": verdict.for_it,
        "against": verdict.against_it,
        "people": verdict.people,
    }
