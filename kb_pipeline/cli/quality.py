"""`kb mine`, `kb tune` and `kb promote`: from what is known about search to a better one."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import EXIT_FOUND, opened_site, progress
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.quality.negatives import Mined
    from kb_pipeline.store.quality.promotions import Promotion

quality_app = typer.Typer()


class Side(StrEnum):
    QUERY = "query"
    BOTH = "both"


SHOWN = 20
WIDTH = 160
SetName = Annotated[str | None, typer.Option("--set", help="The evaluation set, where there are several.")]


@quality_app.command()
def mine(
    preview: Annotated[bool, typer.Option("--preview", help=f"Show {SHOWN} to read, and store nothing.")] = False,
    margin: Annotated[float, typer.Option(help="How much further below the answer a negative must lie.", min=0)] = 0.0,
    confirm: Annotated[bool, typer.Option("--confirm", help="The site's reranker has to agree.")] = False,
    as_json: Json = False,
) -> int:
    """Look for passages that seem to answer a question and do not, for tuning a model."""
    from kb_pipeline.operations.mining import mine as look
    from kb_pipeline.operations.mining import mine_and_store

    with opened_site() as site, progress(as_json):
        found = (look if preview else mine_and_store)(site, margin=margin, confirm=confirm)
    shown = found[:: max(1, len(found) // SHOWN)][:SHOWN] if preview else []
    if as_json:
        print_json({"triplets": len(found), "shown": [_triplet(mined) for mined in shown]})
        return 0 if found else EXIT_FOUND
    for number, mined in enumerate(shown, start=1):
        say(f"\n{number}. {mined.query}  ({mined.provenance})")
        say(f"   + {mined.positive.score:.3f} {mined.positive.path}: {one_line(mined.positive.content, WIDTH)}")
        for negative in mined.negatives:
            passage = negative.passage
            say(f"   - {passage.score:.3f} {passage.path}: {one_line(passage.content, WIDTH)}  ({negative.why})")
    negatives = sum(len(mined.negatives) for mined in found)
    say(f"{len(found):,} questions with {negatives:,} hard negatives{'' if preview else ' are stored'}.")
    if not found:
        note("Only questions in the part tune of an evaluation set, and judgments, are mined; see kb eval list.")
    return 0 if found else EXIT_FOUND


@quality_app.command()
def tune(
    name: Annotated[str | None, typer.Argument(help="Of the model to make; none: those there are.")] = None,
    side: Annotated[Side, typer.Option(help="What is tuned; both needs a new generation.")] = Side.QUERY,
    model: Annotated[str | None, typer.Option(help="Where its weights are, if the server does not say.")] = None,
    epochs: Annotated[int, typer.Option(help="At most so many passes over the examples.", min=1)] = 6,
    layers: Annotated[int, typer.Option(help="How many of the last layers.", min=1)] = 2,
    rank: Annotated[int, typer.Option(help="Of the adapter.", min=1, max=256)] = 32,
    batch_size: Annotated[int, typer.Option(help="Questions in a step.", min=2)] = 32,
    learning_rate: Annotated[float, typer.Option(min=0)] = 5e-4,
    as_json: Json = False,
) -> int:
    """Tune the model to this site's questions with what `kb mine` found (needs the extra finetune)."""
    from kb_pipeline.operations.tuning import as_record, tuned
    from kb_pipeline.operations.tuning import tune as make
    from kb_pipeline.quality.tuning.training import TuningSettings

    with opened_site() as site, progress(as_json):
        if name is None:
            known = [each.record for each in tuned(site)]
        else:
            wanted = TuningSettings(
                side=side.value,
                layers=layers,
                rank=rank,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
            )
            result = make(site, name, wanted, model=model, report=lambda epoch: note(str(epoch)))
    if name is None:
        if as_json:
            print_json({"models": known})
        else:
            table("Tuned models", [{key: row[key] for key in ("name", "side", "base", "scale")} for row in known])
        return 0
    if as_json:
        print_json(as_record(result))
        return 0 if result.model else EXIT_FOUND
    table(
        f"nDCG@10 of {result.dev_questions:,} dev questions, by meaning alone",
        [
            {"dimensions": length, "before": f"{before:.3f}", "after": f"{after:.3f}"}
            for length, (before, after) in result.curve.items()
        ],
    )
    if len(result.by_set) > 1:
        table(
            "The same of each evaluation set",
            [
                {"set": name, "before": f"{before:.3f}", "after": f"{after:.3f}"}
                for name, (before, after) in result.by_set.items()
            ],
        )
    if result.model is None:
        say(f"{result.examples:,} examples taught nothing that the dev questions gain from; nothing was kept.")
        return EXIT_FOUND
    say(f"{name} is kept at scale {result.trained.scale:g} in {result.model.serve.parent}.")
    if side is Side.QUERY:
        say(f"kb promote --adapter {name} lets the frozen test decide.")
    else:
        say(f"Set KB_EMBEDDING_MODEL to {result.model.serve}, then: kb generations build, and kb promote GENERATION.")
    return 0


@quality_app.command()
def promote(
    candidate: Annotated[str | None, typer.Argument(help="A generation that is built; none: past decisions.")] = None,
    set_name: SetName = None,
    adapter: Annotated[str | None, typer.Option(help="A model that kb tune made, for queries alone.")] = None,
    weight: Annotated[bool, typer.Option("--weight", help="Tune the weight of meaning instead.")] = False,
    collection: Annotated[str | None, typer.Option(help="With --weight: of searches in this one alone.")] = None,
    present_url: Annotated[
        str | None, typer.Option(help="Embedding server of the present generation, if its model is another.")
    ] = None,
    approve: Annotated[str | None, typer.Option(help="Who approves it, where [quality] approval is set.")] = None,
    as_json: Json = False,
) -> int:
    """Search another generation if the frozen test says that it is better, and keep the decision."""
    if weight:
        return _tune(set_name, collection, as_json)
    if candidate is None and adapter is None:
        return _decisions(as_json)
    from kb_pipeline.operations.promotion import promote as decide
    from kb_pipeline.operations.promotion import promote_adapter

    with opened_site() as site, progress(as_json):
        if adapter is not None:
            result = promote_adapter(site, adapter, set_name=set_name, approved_by=approve)
        else:
            result = decide(site, str(candidate), set_name=set_name, approved_by=approve, present_url=present_url)
    if as_json:
        print_json(asdict(result))
        return 0 if result.switched or result.waits_for_approval else EXIT_FOUND
    _say(result.promotion)
    if result.switched:
        say(f"{result.promotion.candidate} is what is searched now; kb generations rollback goes back.")
    elif result.waits_for_approval:
        say(f"It waits for a person: kb promote {f'--adapter {adapter}' if adapter else candidate} --approve NAME.")
    return 0 if result.switched or result.waits_for_approval else EXIT_FOUND


def _tune(set_name: str | None, collection: str | None, as_json: bool) -> int:
    from kb_pipeline.operations.promotion import tune_weight

    with opened_site() as site, progress(as_json):
        result = tune_weight(site, collection=collection, set_name=set_name)
    if as_json:
        print_json(asdict(result))
        return 0
    table(
        "nDCG@10 on the questions that choose",
        [{"weight": weight, "ndcg@10": f"{ndcg:.3f}"} for weight, ndcg in result.dev.items()],
    )
    if result.promotion is None:
        say(f"The present weight of {result.present:g} does best; nothing is to be changed.")
        return 0
    _say(result.promotion)
    if result.promotion.verdict == "promoted":
        part = f"[collections.{result.collection}]" if result.collection else "[search]"
        say(f"Write into kb.toml, under {part}: fusion_weight = {result.best:g}")
    return 0 if result.promotion.verdict == "promoted" else EXIT_FOUND


def _decisions(as_json: bool) -> int:
    from kb_pipeline.operations.promotion import decisions

    with opened_site() as site:
        found = decisions(site, SHOWN)
    if as_json:
        print_json({"decisions": [asdict(each) for each in found]})
    elif not found:
        say("Nothing was decided yet; kb promote GENERATION does.")
    else:
        table("Decisions", [_row(each) for each in found])
    return 0


def _say(promotion: Promotion) -> None:
    rows = [
        {
            "": name,
            "questions": gain["questions"],
            "nDCG@10": f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]",
            "p": f"{gain['p']:.3f}",
        }
        for name, gain in promotion.gains.items()
    ]
    table(f"{promotion.candidate} against {promotion.incumbent}, frozen test of {promotion.set_name}", rows)
    say(f"{promotion.verdict.capitalize()}: {promotion.reason}")
    if promotion.leaks:
        note(f"{promotion.leaks:,} questions of the frozen test touch what may train; kb eval show names them.")


def _row(promotion: Promotion) -> dict[str, Any]:
    return {
        "decided": f"{promotion.decided_at:%Y-%m-%d %H:%M}",
        "candidate": promotion.candidate,
        "against": promotion.incumbent,
        "verdict": promotion.verdict,
        "switched": f"{promotion.switched_at:%Y-%m-%d %H:%M}" if promotion.switched_at else "",
        "approved by": promotion.approved_by or "",
        "reason": one_line(promotion.reason, 80),
    }


def _triplet(mined: Mined) -> dict[str, Any]:
    return asdict(mined)
