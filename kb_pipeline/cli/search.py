"""`kb search`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from kb_pipeline.cli.session import opened_site
from kb_pipeline.terminal.excerpts import excerpt
from kb_pipeline.terminal.output import Json, note, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.search.fusion import Share
    from kb_pipeline.search.result import Explanation, Hit

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
    from kb_pipeline.operations.agreement import disagreements
    from kb_pipeline.operations.search import search
    from kb_pipeline.search.request import SearchRequest

    request = SearchRequest(
        query,
        k,
        mode.value,
        tuple(collection or ()),
        where,
        generation,
        fusion=fusion.value,
        per_document=per_document,
        merge=merge,
        fold=fold,
        rerank=rerank,
        explain=explain,
    )
    with opened_site() as site:
        result = search(site, request)
        differences = disagreements(site, site.connect(), ask=False) if generation is None else []
    for difference in differences:
        note(f"Note: {difference}")
    if as_json:
        print_json(result.as_json())
        return 0
    if result.note:
        note(result.note.text)
    for hit in result.hits:
        for line in _lines(hit):
            say(line)
    if not result.hits:
        say("Nothing found.")
    return 0


def _lines(hit: Hit) -> Iterator[str]:
    yield f"{hit.rank:>2}. {_place(hit.source_file, hit.page_number, hit.page_end)}  ({hit.score:.4f})"
    if hit.section_path:
        yield f"    {' > '.join(hit.section_path)}"
    yield f"    {excerpt(hit.content, hit.highlights, EXCERPT, lambda word: typer.style(word, bold=True))}"
    if hit.also_in:
        places = [_place(one.source_file, one.page_number, one.page_end) for one in hit.also_in]
        more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
        yield f"    also in {', '.join(places[:PLACES_SHOWN])}{more}"
    if hit.explanation:
        yield from (f"    {line}" for line in _explained(hit.explanation))


def _place(source_file: str, first: int | None, last: int | None) -> str:
    if first is None:
        return source_file
    return f"{source_file}, pages {first}–{last}" if last and last != first else f"{source_file}, page {first}"


def _explained(explanation: Explanation) -> Iterator[str]:
    shift = explanation.language_shift
    nearer = f", {shift:.4f} taken off for its language" if shift is not None else ""
    covered = f", coverage {explanation.coverage:.2f}" if explanation.coverage is not None else ""
    yield f"meaning: {_share(explanation.meaning, nearer)}"
    yield f"words: {_share(explanation.words, covered)}"
    if explanation.rerank is not None:
        yield f"reranker: {explanation.rerank:.4f}"


def _share(share: Share | None, remark: str) -> str:
    if share is None:
        return "not found"
    return (
        f"rank {share.rank}, score {share.score:.4f}{remark}; "
        f"{share.normalised:.3f} × {share.weight:.3f} = {share.normalised * share.weight:.3f}"
    )
