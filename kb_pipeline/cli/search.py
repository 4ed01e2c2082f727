"""`kb search` and `kb answer`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import EXIT_UNAVAILABLE, call_settings, is_debugging, opened_site, told
from kb_pipeline.terminal.excerpts import excerpt
from kb_pipeline.terminal.output import Json, note, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

search_app = typer.Typer()

EXCERPT = 240  # characters
PLACES_SHOWN = 3


class Mode(StrEnum):
    HYBRID = "hybrid"
    VECTOR = "vector"
    LEXICAL = "lexical"


class Fusion(StrEnum):
    CONVEX = "convex"
    RRF = "rrf"


@search_app.command()
def search(
    query: Annotated[str, typer.Argument(help="The question.")],
    k: Annotated[int, typer.Option("--k", help="How many hits.")] = 10,
    mode: Annotated[Mode, typer.Option("--mode", help="How to search.")] = Mode.HYBRID,
    collection: Annotated[list[str] | None, typer.Option("--collection", help="Only these collections.")] = None,
    where: Annotated[
        str | None, typer.Option("--where", help='Only what this condition holds for, e.g. "page_number >= 3".')
    ] = None,
    generation: Annotated[str | None, typer.Option("--generation", help="Another generation than the active.")] = None,
    fusion: Annotated[
        Fusion, typer.Option("--fusion", help="How hybrid search makes one ranking of two.")
    ] = Fusion.CONVEX,
    per_document: Annotated[
        int | None, typer.Option("--per-document", help="At most so many hits of one document.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Neighbouring passages become one hit.")] = False,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Passages that say the same become one hit.")] = True,
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="By the site's reranker, if it has one.")] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Say for each hit what its place comes from.")] = False,
    as_json: Json = False,
) -> int:
    """Search the knowledge base."""
    asked = {
        "query": query,
        "k": k,
        "mode": mode.value,
        "collections": collection or [],
        "where": where,
        "generation": generation,
        "fusion": fusion.value,
        "per_document": per_document,
        "merge": merge,
        "fold": fold,
        "rerank": rerank,
        "explain": explain,
    }
    answer = _answer_of_server(asked) or _own_answer(asked)
    for disagreement in answer["disagreements"]:
        note(f"Note: {disagreement}")
    result = answer["result"]
    if as_json:
        print_json(result)
        return 0
    if result["note"]:
        note(result["note"])
    for hit in result["hits"]:
        for line in _lines(hit):
            say(line)
    if not result["hits"]:
        say("Nothing found.")
    return 0


def _answer_of_server(asked: dict[str, Any]) -> dict[str, Any] | None:
    """What the running search server of this KB_HOME says, which has the imports of a search behind it."""
    from kb_pipeline.services.search_socket import ask, identity

    settings = call_settings()
    if is_debugging():
        return None  # where an error arose, only this process can show
    return ask(settings.home_path, identity(settings), asked, told)


def _own_answer(asked: dict[str, Any]) -> dict[str, Any]:
    from kb_pipeline.operations.search import answer

    with opened_site() as site:
        return answer(site, asked)


@search_app.command()
def answer(
    query: Annotated[str, typer.Argument(help="The question.")],
    k: Annotated[int, typer.Option("--k", help="How many passages to look for.")] = 10,
    mode: Annotated[Mode, typer.Option("--mode", help="How to search.")] = Mode.HYBRID,
    collection: Annotated[list[str] | None, typer.Option("--collection", help="Only these collections.")] = None,
    where: Annotated[str | None, typer.Option("--where", help="Only what this condition holds for.")] = None,
    as_json: Json = False,
) -> int:
    """Answer a question out of the passages that a search finds, by the site's chat server."""
    from kb_pipeline.operations.answers import answer
    from kb_pipeline.search.request import SearchRequest

    request = SearchRequest(query, k, mode.value, tuple(collection or ()), where)
    with opened_site() as site:
        found, written = answer(site, request, lambda sentence: None if as_json else say(str(sentence)))
    data = found.as_json()
    if as_json:
        print_json({**data, "answer": asdict(written)})
    elif written.state == "unknown":
        say(written.text)
    if found.note and not as_json:
        note(found.note.text)
    if written.note:
        note(written.note)
    if not as_json:
        cited = {number for sentence in written.sentences for number in sentence.citations}
        for hit in data["hits"]:
            if hit["rank"] in cited or written.state != "answered":
                say(f"[{hit['rank']}] {_place(hit)}")
    return EXIT_UNAVAILABLE if written.state == "failed" else 0


def _lines(hit: dict[str, Any]) -> Iterator[str]:
    yield f"{hit['rank']:>2}. {_place(hit)}  ({hit['score']:.4f})"
    if hit["section_path"]:
        yield f"    {' > '.join(hit['section_path'])}"
    yield f"    {excerpt(hit['content'], hit['highlights'], EXCERPT, lambda word: typer.style(word, bold=True))}"
    if hit["also_in"]:
        places = [_place(one) for one in hit["also_in"]]
        more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
        yield f"    also in {', '.join(places[:PLACES_SHOWN])}{more}"
    if hit["explanation"]:
        yield from (f"    {line}" for line in _explained(hit["explanation"]))


def _place(passage: dict[str, Any]) -> str:
    source_file, first, last = (passage[name] for name in ("source_file", "page_number", "page_end"))
    if first is None:
        return str(source_file)
    return f"{source_file}, pages {first}–{last}" if last and last != first else f"{source_file}, page {first}"


def _explained(explanation: dict[str, Any]) -> Iterator[str]:
    shift, coverage, rerank = (explanation[name] for name in ("language_shift", "coverage", "rerank"))
    nearer = f", {shift:.4f} taken off for its language" if shift is not None else ""
    covered = f", coverage {coverage:.2f}" if coverage is not None else ""
    yield f"meaning: {_share(explanation['meaning'], nearer)}"
    yield f"words: {_share(explanation['words'], covered)}"
    if rerank is not None:
        yield f"reranker: {rerank:.4f}"


def _share(share: dict[str, Any] | None, remark: str) -> str:
    if share is None:
        return "not found"
    normalised, weight = share["normalised"], share["weight"]
    return (
        f"rank {share['rank']}, score {share['score']:.4f}{remark}; "
        f"{normalised:.3f} × {weight:.3f} = {normalised * weight:.3f}"
    )
