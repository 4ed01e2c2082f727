"""`kb eval`: questions whose answers are known, and how well they are found."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site, progress
from kb_pipeline.errors import OutputUnavailable, SettingsError
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.operations.evaluation import SetMeasured
    from kb_pipeline.quality.places import Located

evaluation_app = typer.Typer(
    help="Questions whose answers are known, and how well a search finds them.", invoke_without_command=True
)

SHOWN = 20
Weight = Annotated[float | None, typer.Option(min=0, max=1, help="Of meaning, instead of the settings' fusion_weight.")]


class Split(StrEnum):
    TUNE = "tune"
    DEV = "dev"
    TEST = "test"


@evaluation_app.callback()
def evaluate(
    context: typer.Context,
    name: Annotated[str | None, typer.Option("--set", help="Only this set.")] = None,
    split: Annotated[Split | None, typer.Option(help="Only the questions of this part.")] = None,
    generation: Annotated[str | None, typer.Option(help="Another generation than the active.")] = None,
    weight: Weight = None,
    against: Annotated[str | None, typer.Option(help="A generation to compare with.")] = None,
    against_weight: Weight = None,
    report: Annotated[Path | None, typer.Option(help="HTML file to write; of several sets one each.")] = None,
    export: Annotated[Path | None, typer.Option(help="Folder for TREC's qrels and run files.")] = None,
    as_json: Json = False,
) -> int:
    """Ask the evaluation sets, and say how well they are answered, with 95 % intervals."""
    if context.invoked_subcommand is not None:
        return 0
    from kb_pipeline.operations.evaluation import Way, measure, measured_sets
    from kb_pipeline.quality.runs import qrels, run

    is_compared = against is not None or weight is not None or against_weight is not None
    other = Way(against or generation, against_weight) if is_compared else None
    with opened_site() as site, progress(as_json):
        found = [
            measure(site, each, Way(generation, weight), split=split.value if split else None, against=other)
            for each in measured_sets(site, name)
        ]
    for each in found:
        if report is not None:
            place = report if len(found) == 1 else report.with_stem(f"{report.stem}-{each.name}")
            _write(place, _html(each))
        if export is not None:
            _write(export / f"{each.name}.qrels", qrels(each.evaluation))
            _write(export / f"{each.name}.run", run(each.evaluation))
    if as_json:
        print_json({"evaluations": [each.as_dict() for each in found]})
        return 0
    for each in found:
        _say(each)
    return 0


@evaluation_app.command("import")
def import_set(
    path: Annotated[
        Path, typer.Argument(help="CSV, JSON, JSONL or YAML of questions, SQuAD's JSON, TREC's qrels, a BEIR folder.")
    ],
    name: Annotated[str | None, typer.Option("--set", help="The set to put them into; else named as the file.")] = None,
    questions: Annotated[Path | None, typer.Option(help="Questions of TREC's qrels: number, tab, question.")] = None,
    as_json: Json = False,
) -> int:
    """Put questions with their answers into an evaluation set; a question that is there already gets these answers."""
    from kb_pipeline.operations.questions import import_questions

    with opened_site() as site, progress(as_json):
        result = import_questions(site, path, name or path.stem, asked=questions)
    if as_json:
        print_json(result.as_dict())
    else:
        parts = ", ".join(f"{count:,} {part}" for part, count in result.splits.items() if count)
        say(f"{result.questions:,} questions, {result.new:,} of them new; the set {result.name} is now {parts}.")
        if result.unfound:
            note(
                f"{result.unfound:,} of them have no document here; name their documents as kb search shows them, or "
                "ingest these and import again."
            )
        if result.leaks:
            note(_leaks(result.leaks))
    return EXIT_FOUND if result.unfound == result.questions else 0


@evaluation_app.command("write")
def write_set(
    name: Annotated[str, typer.Option("--set", help="The set to put them into.")] = "written",
    count: Annotated[int, typer.Option(help="Passages that are asked about.", min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> int:
    """Have a language model write questions for passages ([quality] chat_url); they never enter a frozen test."""
    from kb_pipeline.operations.synthetic import write

    with opened_site() as site, progress(as_json):
        result = write(site, name, count)
    new = result.imported.new if result.imported else 0
    if as_json:
        print_json({"set": name, "passages": result.passages, "new": new, "dropped": result.dropped})
    else:
        say(f"{new:,} new questions of {result.passages:,} passages are in the set {name}.")
        for why, dropped in result.dropped.items():
            note(f"{dropped:,} dropped: {why}.")
    return 0 if new else EXIT_FOUND


@evaluation_app.command("list")
def list_sets(as_json: Json = False) -> int:
    """The evaluation sets: how many questions they have, and for what."""
    from kb_pipeline.store.quality.questions import sets

    with opened_site() as site:
        found = [asdict(each) for each in sets(site.connect())]
    if as_json:
        print_json({"sets": found})
    else:
        table("Evaluation sets", [{**each, "created_at": f"{each['created_at']:%Y-%m-%d}"} for each in found])
        if not found:
            say("There is no evaluation set yet; kb eval import makes one.")
    return 0


@evaluation_app.command("show")
def show_set(name: Annotated[str, typer.Argument(help="Of the set.")], as_json: Json = False) -> int:
    """The questions of a set, where their answers stand now, and whether its frozen test has leaked."""
    from kb_pipeline.operations.questions import show

    with opened_site() as site:
        shown = show(site, name)
    if as_json:
        print_json(
            {
                "name": name,
                "coverage": shown.coverage,
                "leaks": [asdict(leak) for leak in shown.leaks],
                "questions": [_as_dict(located) for located in shown.located],
            }
        )
        return 0
    rows = [_row(located) for located in shown.located]
    table(name, rows[:SHOWN])
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN:,} more; --json shows all.")
    say(f"Of {len(rows):,} questions {shown.coverage:.0%} have an answer in the documents that are there now.")
    if shown.leaks:
        note(_leaks(len(shown.leaks)))
        for leak in shown.leaks[:SHOWN]:
            why = f"both are about {leak.shared}" if leak.shared else "they say nearly the same"
            note(f"  {one_line(leak.test, 60)} | {one_line(leak.other, 60)}: {why}")
    return 0


@evaluation_app.command("drop")
def drop_set(name: Annotated[str, typer.Argument(help="Of the set.")]) -> int:
    """Remove a set with its questions."""
    from kb_pipeline.store.quality.questions import drop

    with opened_site() as site:
        if not drop(site.connect(), name):
            raise SettingsError(f"There is no evaluation set {name}; kb eval list shows those there are.")
    say(f"The set {name} is gone.")
    return 0


def _leaks(count: int) -> str:
    return (
        f"{count:,} questions of the frozen test touch what may train, so its figures flatter a tuned model; kb eval "
        "show names them."
    )


def _state(located: Located) -> str:
    if not located.places:
        return "gone"
    return "split" if located.is_split else "found"


def _row(located: Located) -> dict[str, Any]:
    question = located.question
    return {
        "question": one_line(question.question, 60),
        "document": one_line(", ".join(dict.fromkeys(answer.path or "?" for answer in question.answers)), 40),
        "kind": question.kind,
        "language": question.language,
        "from": question.provenance,
        "split": question.split,
        "answer": _state(located),
    }


def _as_dict(located: Located) -> dict[str, Any]:
    return {**asdict(located.question), "state": _state(located), "collections": located.collections}


def _say(measured: SetMeasured) -> None:
    """Only the measure that decides with its interval: a terminal is narrow. The report and --json have all."""
    from kb_pipeline.quality.gate import MEASURE

    evaluation = measured.evaluation
    rows = [
        {"": name, "n": len(evaluation.slices[name])}
        | {each: str(value) if each == MEASURE else f"{value.mean:.3f}" for each, value in found.items()}
        for name, found in evaluation.figures().items()
    ]
    table(f"{measured.name}, {evaluation.generation}", rows)
    if evaluation.unasked:
        note(
            f"{len(evaluation.unasked):,} questions were not asked, for their documents or words are gone; "
            f"kb eval show {measured.name} names them."
        )
    if measured.gains is not None:
        gains = [
            {"": name} | {each: str(gain) if each == MEASURE else f"{gain.mean:+.3f}" for each, gain in found.items()}
            for name, found in measured.gains.items()
        ]
        table(f"Against {measured.compared_with}", gains)


def _html(measured: SetMeasured) -> str:
    from kb_pipeline.quality.report import Compared, html

    compared = None
    if measured.gains is not None and measured.compared_with is not None:
        compared = Compared(measured.compared_with, measured.gains)
    return html(measured.name, f"{datetime.now().astimezone():%Y-%m-%d %H:%M}", measured.evaluation, compared)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputUnavailable(f"{file} cannot be written ({error.strerror}); name another file.") from None
