"""`kb search`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kb_pipeline.cli.session import opened_site
from kb_pipeline.terminal.output import Json, note, one_line, print_json, say

search_app = typer.Typer()


class Mode(StrEnum):
    HYBRID = "hybrid"
    VECTOR = "vector"
    LEXICAL = "lexical"


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
    as_json: Json = False,
) -> int:
    """Search the knowledge base."""
    from kb_pipeline.operations.agreement import disagreement
    from kb_pipeline.operations.search import search
    from kb_pipeline.search.request import SearchRequest

    with opened_site() as site:
        result = search(site, SearchRequest(query, k, mode.value, tuple(collection or ()), where, generation))
        difference = disagreement(site, site.connect(), ask=False) if generation is None else None
    if difference:
        note(f"Note: {difference}")
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
